"""Making the folders of an installation, closed to everyone who need not enter. POSIX only."""

import os
import pwd
from pathlib import Path

from portal.servers import locations
from portal.servers.errors import SetupError
from portal.servers.home import AS_ROOT

PGDATA = locations.HOME / "pgdata"
VALKEY = locations.HOME / "valkey"


def prepare() -> None:
    """Make HOME and what servers and programs need in it; raises SetupError where it may not."""
    try:
        _make()
    except (PermissionError, FileNotFoundError, NotADirectoryError, OSError) as error:
        raise SetupError(
            f"cannot write to {locations.HOME} ({error.strerror or error}): make that folder"
            " writable for this account, or name another in SAYSO_HOME"
        ) from error


def _make() -> None:
    home = locations.HOME
    home.mkdir(parents=True, exist_ok=True)
    # Root's HOME may be passed through, for PostgreSQL's account; it cannot be listed.
    home.chmod(0o711 if AS_ROOT else 0o700)
    for folder in (locations.SECRETS, locations.LOGS, VALKEY):
        folder.mkdir(mode=0o700, exist_ok=True)
    _make_run_folder()
    probe = home / f".probe-{os.getpid()}"
    probe.touch()
    probe.unlink()


def _make_run_folder() -> None:
    """Make the sockets' folder; what a stranger put there under its name is refused."""
    run, account = locations.RUN, server_account()
    owners = {os.geteuid(), account.pw_uid if account else os.geteuid()}
    run.mkdir(mode=0o700, exist_ok=True)
    if run.is_symlink() or run.stat().st_uid not in owners:
        raise SetupError(f"{run} belongs to another account: remove it and try again")
    if account:
        os.chown(run, account.pw_uid, account.pw_gid)
    run.chmod(0o700)


def server_account() -> pwd.struct_passwd | None:
    """Return the account PostgreSQL runs as when we are root, which it refuses; else None.

    The owner of existing data comes first: an account `postgres` installed later must not make
    them unreadable.
    """
    if not AS_ROOT:
        return None
    if PGDATA.exists() and (owner := PGDATA.stat().st_uid):
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SetupError(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` here"
    )


def may_be_entered_by_all(folder: Path) -> bool:
    """Return whether an account without any rights of its own can reach a folder."""
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))
