"""Where the tests' databases lie: in memory, where this machine keeps a file system there.

A copy of the schema is more than 800 files, made for a test and removed after it. Disks' file
systems may be slow at just that: ext4 gives out no inode that was freed within the last minute,
and looks at each of them for every file that is made. The templates stay on the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH = 2**30
"""Bytes; what a run needs is a tenth of it."""

NAME = "sayso_tests_memory"


@contextmanager
def tablespace() -> Iterator[str | None]:
    """Name a tablespace in memory, empty, which is gone afterwards; None where there is none.

    Only a server that is this session's own has one; what a killed session left in it goes first.
    """
    from portal.servers import locations, postgres

    if not locations.embedded_database() or not _has_room():
        yield None
        return
    folder = MEMORY / f"sayso-tests-{locations.short_hash(str(locations.HOME), 12)}"
    with closing(postgres._connect("postgres")) as server:
        left = server.execute("SELECT datname FROM pg_database WHERE datname ~ '^sayso_test_'")
        for (name,) in left.fetchall():
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        server.execute(f"DROP TABLESPACE IF EXISTS {NAME}".encode())
        _make_anew(folder)
        server.execute(f"CREATE TABLESPACE {NAME} LOCATION '{folder}'".encode())
        server.execute(f"GRANT CREATE ON TABLESPACE {NAME} TO sayso_owner".encode())
    yield NAME
    with closing(postgres._connect("postgres")) as server:
        server.execute(f"DROP TABLESPACE {NAME}".encode())
    shutil.rmtree(folder)


def _has_room() -> bool:
    return (
        MEMORY.is_dir()
        and os.access(MEMORY, os.W_OK | os.X_OK)
        and shutil.disk_usage(MEMORY).free >= ENOUGH
    )


def _make_anew(folder: Path) -> None:
    """Make the folder for PostgreSQL's account; a stranger's is refused by being there."""
    from portal.servers import folders

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if account := folders.server_account():
        os.chown(folder, account.pw_uid, account.pw_gid)
