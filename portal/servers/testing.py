"""The same two servers for a test session: real, in a folder of their own, without fsync.

Import this before anything else of `portal`: it decides where the installation lies.
"""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from portal.servers.home import AS_ROOT, home

MOST_AT_ONCE = 32


@dataclass
class Servers:
    """What a test session started; `stop` ends it and frees the folder."""

    home: Path
    claim: IO[str] = field(repr=False)
    running: list[tuple[subprocess.Popen[bytes], int]] = field(default_factory=list, repr=False)

    def stop(self) -> None:
        """Stop both servers; a second call does nothing."""
        from portal.servers import process

        while self.running:
            process.end(*self.running.pop(), 20)
        self.claim.close()


def start_for_tests() -> Servers:
    """Start what DATABASE_URL and REDIS_URL do not name, under HOME/test, and set SAYSO_HOME.

    Several sessions may run at once from one checkout: each claims a numbered folder. Folders
    stay, because making a cluster takes longer than starting it.
    """
    folder, claim = _claim_folder(home() / "test")
    os.environ["SAYSO_HOME"] = str(folder)
    from portal.servers import locations, postgres, roles, valkey

    if folder != locations.HOME:
        message = "import portal.servers.testing before portal.servers.locations"
        raise RuntimeError(message)
    _prepare()
    servers = Servers(folder, claim)
    if locations.embedded_database():
        servers.running.append((_start_postgres(), postgres.STOP_SIGNAL))
    else:
        roles.ensure()
    if locations.embedded_redis() and (running := valkey.start()):
        servers.running.append((running, valkey.STOP_SIGNAL))
    return servers


def _claim_folder(base: Path) -> tuple[Path, IO[str]]:
    """Return the first folder no living session holds, and the open file that holds it."""
    base.mkdir(parents=True, exist_ok=True)
    if AS_ROOT:  # PostgreSQL's account passes through
        base.parent.chmod(0o711)
        base.chmod(0o711)
    for number in range(MOST_AT_ONCE):
        folder = base / str(number)
        folder.mkdir(exist_ok=True)
        claim = (folder / "tests.lock").open("a")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
        else:
            return folder, claim
    message = f"{MOST_AT_ONCE} test sessions already run in {base}"
    raise RuntimeError(message)


def _prepare() -> None:
    """Make the folders; an earlier session's queue must not reach this one."""
    from portal.servers import folders

    shutil.rmtree(folders.VALKEY, ignore_errors=True)
    folders.prepare()


def _start_postgres() -> subprocess.Popen[bytes]:
    """Start PostgreSQL, on new data where the old do not start: in tests nothing is lost by it."""
    from portal.servers import folders, postgres
    from portal.servers.errors import SetupError

    try:
        running = postgres.start(safe=False)
    except SetupError:
        shutil.rmtree(folders.PGDATA, ignore_errors=True)
        running = postgres.start(safe=False)
    if running is None:
        message = "PostgreSQL was told to stop before it started"
        raise RuntimeError(message)
    return running
