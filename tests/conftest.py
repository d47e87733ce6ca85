"""The same servers as in production for every test, and a fresh real database where one is needed.

Append-only triggers forbid TRUNCATE, and the deferred gate only speaks at a real commit: so each
test that touches the database gets a clone of a migrated template and commits for real.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from portal.servers.testing import Servers, start_for_tests
from tests.sharing import (  # noqa: F401 - pytest finds its hooks here
    only_looks,
    only_shares,
    pytest_cmdline_main,
    pytest_collection_modifyitems,
    pytest_xdist_make_scheduler,
)

ROOT = Path(__file__).resolve().parent.parent
_servers: list[Servers] = []

# In property tests a busy machine is no failure.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")

# Playwright's synchronous interface keeps an event loop in this thread.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def start_servers() -> None:
    """Start this process's own servers, before anything of `portal` asks where they are."""
    if not _servers:
        _servers.append(start_for_tests())


def set_up_django() -> None:
    """Set Django up as the tests need it.

    Its variable is set no earlier: a process that only shares tests out would hand it on, and
    those it starts would read the settings before their servers have a place.
    """
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

    django.setup()
    from django.conf import settings

    # The redactor of the manifests in tests; one that is not named here is known to do nothing.
    settings.REDACTORS = {**settings.REDACTORS, "test/1": {"text-1", "picture-1"}}
    # Hashed names need collectstatic; the browser tests run the whole installation and have it.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    # The usual one takes a third of a second by design; installations that tests start keep it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# A test's own subprocess imports this file too, to reach the servers that are already there.
if "SAYSO_TESTS_ATTACH" in os.environ:
    set_up_django()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers where tests will run, before any test file is imported."""
    if only_shares(config):
        return
    if not only_looks(config):
        start_servers()
    set_up_django()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    for servers in _servers:
        servers.stop()


@pytest.fixture(scope="session")
def template_database(django_db_blocker: Any) -> Iterator[str]:
    """Name of a migrated, guarded database of this very schema; made when it is not there yet."""
    yield _template(django_db_blocker)
    with _owner_on("postgres") as cursor:
        _drop_done_with(cursor)


def _template(django_db_blocker: Any) -> str:
    from django.core.management import call_command
    from django.db import connections

    name = f"sayso_template_{_schema_digest()[:12]}"
    with _owner_on("postgres") as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone():
            return name
        draft = f"{name}_draft"
        cursor.execute(f"DROP DATABASE IF EXISTS {draft} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {draft}")
    with django_db_blocker.unblock():
        _point_everything_at(draft)
        call_command("migrate", database="owner", verbosity=0)
        connections.close_all()
    with _owner_on("postgres") as cursor:
        cursor.execute(f"ALTER DATABASE {draft} RENAME TO {name}")
    return name


@dataclass(frozen=True)
class Database:
    """The test's own database."""

    name: str

    def sql(self, statement: str, *args: object, role: str = "owner") -> list[tuple[Any, ...]]:
        """Run one statement as a role and return its rows: the test's own, independent eyes."""
        import psycopg

        with psycopg.connect(_url(self.name, role), autocommit=True) as connection:
            cursor = connection.execute(statement, args or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database(template_database: str, django_db_blocker: Any) -> Iterator[Database]:
    """A fresh database for this test: role app as `default`, and `owner`, `reader`, `sequencer`."""
    with fresh_database(template_database, django_db_blocker) as made:
        yield made


@contextlib.contextmanager
def fresh_database(template: str, django_db_blocker: Any) -> Iterator[Database]:
    """A clone of the template, to which every alias points meanwhile."""
    from django.db import connections

    name = f"sayso_test_{secrets.token_hex(6)}"
    with _owner_on("postgres") as cursor:
        _drop_done_with(cursor)
        # Copied file by file, a third quicker than through the log; its first connection is, too.
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    with django_db_blocker.unblock():
        _point_everything_at(name)
        try:
            yield Database(name)
        finally:
            connections.close_all()
            _done_with.append(name)


_done_with: list[str] = []
"""Clones of tests that have ended; dropped when the next is made, for sessions end slowly."""


def _drop_done_with(cursor: Any) -> None:
    while _done_with:
        _drop(_done_with.pop(), cursor)


def _drop(name: str, cursor: Any) -> None:
    """Drop a database; where a session is still open there it is ended, and waited for."""
    import psycopg

    for last in (False, False, False, True):
        try:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        except psycopg.errors.InsufficientPrivilege:
            if last:
                raise
            _end_sessions(name)
            time.sleep(1)
        else:
            return


def _end_sessions(name: str) -> None:
    """End what other roles still have open there: the owner may not, each role may its own."""
    import psycopg

    from portal.servers import locations

    anywhere = locations.DATABASE if locations.embedded_database() else "postgres"
    for role in ("app", "reader", "sequencer"):
        with psycopg.connect(_url(anywhere, role), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = current_user",
                [name],
            )


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Path:
    """A file store of this test's own; returns its folder."""
    root = tmp_path / "store"
    settings.HOME = tmp_path  # where uploads are counted: not with those of tests beside this one
    settings.STORES = {"files": {"kind": "filesystem", "root": root}}
    return root


def _url(name: str, role: str) -> str:
    from psycopg.conninfo import make_conninfo

    from portal.servers import locations

    return make_conninfo(locations.database_url(role), dbname=name)


def _owner_on(name: str) -> Any:
    """A cursor as the owner on a maintenance database, outside any transaction."""
    import psycopg

    from portal.servers import locations

    fallback = locations.DATABASE if locations.embedded_database() else None
    connection = psycopg.connect(_url(fallback or name, "owner"), autocommit=True)

    class Cursor:
        def __enter__(self) -> Any:
            return connection.cursor()

        def __exit__(self, *_: object) -> None:
            connection.close()

    return Cursor()


def _point_everything_at(name: str) -> None:
    """Let every alias, the two extra ones included, mean the database of that name."""
    from django.db import connections

    from portal.settings import database as settings_for  # noqa: TID251  the tests' own aliases

    connections.close_all()
    roles = {"default": "app", "reader": "reader", "owner": "owner", "sequencer": "sequencer"}
    wanted = {
        alias: {**settings_for(role), "NAME": name, "CONN_MAX_AGE": 0}
        for alias, role in roles.items()
    }
    connections.settings = connections.configure_settings(wanted)
    for alias in roles:
        with contextlib.suppress(AttributeError):
            del connections[alias]


def _schema_digest() -> str:
    """Whatever shapes the template: migrations, the guard, the protection functions."""
    files = sorted(
        [
            *ROOT.glob("*/migrations/*.py"),
            ROOT / "portal/guard.py",
            ROOT / "portal/derived.py",
            ROOT / "audit/protection.py",
            ROOT / "requirements.lock",
        ]
    )
    content = b"".join(file.read_bytes() for file in files if file.exists())
    return hashlib.sha256(content).hexdigest()
