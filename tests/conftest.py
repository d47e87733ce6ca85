"""The same servers as in production for every test, and a fresh real database where one is needed.

Append-only triggers forbid TRUNCATE, and the deferred gate only speaks at a real commit: so each
test that touches the database gets a clone of a migrated template and commits for real.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from portal.servers.testing import Servers, start_for_tests
from tests.clones import (
    Clone,
    drop_done_with,
    forget_worlds,
    fresh_clone,
    keep_world,
    lie_in,
    make_when_asked_for,
    owner_on,
    point_everything_at,
    url_of,
)
from tests.in_memory import tablespace
from tests.reviewed import KEPT_IN, reviewed_today
from tests.sharing import (  # noqa: F401 - pytest finds its hooks here
    EVERYTHING_QUICK,
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

    from consent import rules

    if _servers or KEPT_IN in os.environ:
        rules.folder = reviewed_today(settings.HOME)

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


def pytest_collection_finish() -> None:
    """Count what is there before the first test among what stays.

    Tests of servers and threads collect garbage often; all modules need not be looked through then.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    for servers in _servers:
        servers.stop()


@pytest.fixture(scope="session")
def _place_for_clones(pytestconfig: pytest.Config) -> Iterator[None]:
    """Let clones lie in memory, but for `--deep` tests: theirs grow large."""
    if pytestconfig.option.markexpr != EVERYTHING_QUICK:
        yield
        return
    with tablespace() as place:
        lie_in(place)
        yield
        lie_in(None)


@pytest.fixture(scope="session")
def template_database(_place_for_clones: None, django_db_blocker: Any) -> Iterator[str]:
    """Name of a migrated, guarded database of this very schema; made when it is not there yet."""
    template = _template(django_db_blocker)
    make_when_asked_for()
    for jurisdiction in ("IE", "DE"):
        _keep_world(jurisdiction, template, django_db_blocker)
    yield template
    forget_worlds()
    with owner_on("postgres") as cursor:
        drop_done_with(cursor)


def _template(django_db_blocker: Any) -> str:
    import psycopg
    from django.core.management import call_command
    from django.db import connections

    name = f"sayso_template_{_schema_digest()[:12]}"
    with owner_on("postgres") as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone():
            return name
        draft = f"{name}_draft"
        cursor.execute(f"DROP DATABASE IF EXISTS {draft} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {draft}")
    with django_db_blocker.unblock():
        point_everything_at(draft)
        call_command("migrate", database="owner", verbosity=0)
        connections.close_all()
    with owner_on("postgres") as cursor:
        cursor.execute(f"ALTER DATABASE {draft} RENAME TO {name}")
    # The first to connect writes what its tables look like into a file that is then copied, too.
    psycopg.connect(url_of(name, "app")).close()
    return name


def _keep_world(jurisdiction: str, template: str, django_db_blocker: Any) -> None:
    """Make a world that tests then begin with: here, where no test has changed anything yet."""
    from django.db import connections

    from tests.factories import new_world

    name = Clone(template).name
    with django_db_blocker.unblock():
        point_everything_at(name)
        keep_world(jurisdiction, new_world(jurisdiction), name)
        connections.close_all()


@dataclass(frozen=True)
class Database:
    """The test's own database."""

    clone: Clone

    @property
    def name(self) -> str:
        return self.clone.name

    def sql(self, statement: str, *args: object, role: str = "owner") -> list[tuple[Any, ...]]:
        """Run one statement as a role and return its rows: the test's own, independent eyes."""
        import psycopg

        with psycopg.connect(url_of(self.name, role), autocommit=True) as connection:
            cursor = connection.execute(statement, args or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database(template_database: str, django_db_blocker: Any) -> Iterator[Database]:
    """A fresh database for this test: role app as `default`, and `owner`, `reader`, `sequencer`."""
    with fresh_database(template_database, django_db_blocker) as made:
        yield made


@contextlib.contextmanager
def fresh_database(template: str, django_db_blocker: Any) -> Iterator[Database]:
    """A clone of the template, to which every alias points meanwhile."""
    with fresh_clone(template, django_db_blocker) as clone:
        yield Database(clone)


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Path:
    """A file store of this test's own; returns its folder."""
    root = tmp_path / "store"
    settings.HOME = tmp_path  # where uploads are counted: not with those of tests beside this one
    settings.STORES = {"files": {"kind": "filesystem", "root": root}}
    return root


def _schema_digest() -> str:
    """Whatever shapes the template: migrations, the guard, the protection functions."""
    files = sorted(
        [
            *ROOT.glob("*/migrations/*.py"),
            ROOT / "portal/guard.py",
            ROOT / "portal/derived.py",
            ROOT / "portal/protected.py",
            ROOT / "portal/spoken.py",
            *ROOT.glob("audit/events/*.py"),
            ROOT / "portal/fleet/single_use.py",
            ROOT / "consent/policy/types.py",
            ROOT / "audit/protection.py",
            ROOT / "requirements.lock",
        ]
    )
    content = b"".join(file.read_bytes() for file in files if file.exists())
    return hashlib.sha256(content).hexdigest()
