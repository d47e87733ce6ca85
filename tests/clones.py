"""A test's own database: a copy of a template, made when it is first asked for.

There is a template of the migrated schema, and one for each of the worlds that most tests begin
with: to copy a world takes a fifth of the time that its services need to make it. Nothing of
`portal` is imported above: the servers have no place yet when this file is read.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

ALIASES = {"default": "app", "reader": "reader", "owner": "owner", "sequencer": "sequencer"}
"""Alias -> the role that it signs in as."""


class Clone:
    """A database that is made when somebody first connects to it."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.made = False
        self._name = f"sayso_test_{secrets.token_hex(6)}"
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Its name; whoever asks for it is about to connect."""
        self.make()
        return self._name

    def is_meant_by(self, wanted: object) -> bool:
        """Return whether a connection is one to this database."""
        return wanted == self._name

    def point_everything(self) -> None:
        """Let every alias mean it."""
        point_everything_at(self._name)

    def make(self) -> None:
        """Make it, if nobody has."""
        with self._lock:
            if self.made:
                return
            with owner_on("postgres") as cursor:
                drop_done_with(cursor)
                # Copied file by file, a third quicker than through the log; its first connection
                # is, too.
                cursor.execute(
                    f"CREATE DATABASE {self._name} TEMPLATE {self.template} STRATEGY FILE_COPY"
                    + "".join(f" TABLESPACE {place}" for place in _place)
                )
            self.made = True

    def end(self) -> None:
        """Leave it to be dropped."""
        if self.made:
            _done_with.append(self._name)


_current: list[Clone] = []
_done_with: list[str] = []
"""Clones of tests that have ended; dropped when the next is made, for sessions end slowly."""
_place: list[str] = []
"""The tablespace for clones, where it is not the usual one."""
_worlds: dict[str, tuple[str, Any]] = {}
"""Jurisdiction -> the template of its world, and the world in it."""
_begun = time.time() - time.monotonic()


@contextlib.contextmanager
def fresh_clone(template: str, django_db_blocker: Any) -> Iterator[Clone]:
    """A clone of the template, to which every alias points meanwhile."""
    from django.db import connections

    clone = Clone(template)
    _current.append(clone)
    with django_db_blocker.unblock():
        clone.point_everything()
        try:
            yield clone
        finally:
            connections.close_all()
            _current.remove(clone)
            clone.end()


def lie_in(tablespace: str | None) -> None:
    """Let clones that are made from now on lie there; None is the usual place."""
    _place[:] = [tablespace] if tablespace else []


def make_when_asked_for() -> None:
    """Let a clone be made when anybody first connects to it, through Django or not."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    def made_first(kind: Any) -> Any:
        connect = kind.connect.__func__

        def connect_to_what_is_there(cls: Any, /, conninfo: str = "", **given: Any) -> Any:
            own = {name: given[name] for name in ("dbname",) if name in given}
            wanted = conninfo_to_dict(conninfo, **own).get("dbname")
            for clone in _current:
                if clone.is_meant_by(wanted):
                    clone.make()
            return connect(cls, conninfo, **given)

        return classmethod(connect_to_what_is_there)

    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        kind.connect = made_first(kind)  # type: ignore[method-assign]
    psycopg.connect = psycopg.Connection.connect


# --- worlds --------------------------------------------------------------------------------------


def keep_world(jurisdiction: str, made: Any, name: str) -> None:
    """Keep a database that holds nothing but a world, as a template."""
    _worlds[jurisdiction] = name, made


def kept_world(jurisdiction: str, load: Callable[[Any], Any]) -> Any:
    """Return a copy of a kept world, where the test's database is still untouched; else None.

    Not where a test has moved the clock: its world is of another time.
    """
    untouched = bool(_current) and not _current[-1].made
    if jurisdiction not in _worlds or not untouched or not is_now():
        return None
    _current[-1].template, world = _worlds[jurisdiction]
    return load(world)


def is_now() -> bool:
    """Say whether no test has moved the clock."""
    return abs(time.time() - time.monotonic() - _begun) < 60


def forget_worlds() -> None:
    """Drop them."""
    while _worlds:
        _done_with.append(_worlds.popitem()[1][0])


# --- the server ----------------------------------------------------------------------------------


def drop_done_with(cursor: Any) -> None:
    """Drop what is done with."""
    while _done_with:
        drop(_done_with.pop(), cursor)


def drop(name: str, cursor: Any) -> None:
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
        with psycopg.connect(url_of(anywhere, role), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = current_user",
                [name],
            )


def url_of(name: str, role: str) -> str:
    """Return where a database is, for a role."""
    from psycopg.conninfo import make_conninfo

    from portal.servers import locations

    return make_conninfo(locations.database_url(role), dbname=name)


@contextlib.contextmanager
def owner_on(name: str) -> Iterator[Any]:
    """A cursor as the owner on a maintenance database, outside any transaction."""
    import psycopg

    from portal.servers import locations

    fallback = locations.DATABASE if locations.embedded_database() else None
    with psycopg.connect(url_of(fallback or name, "owner"), autocommit=True) as connection:
        yield connection.cursor()


def point_everything_at(name: str) -> None:
    """Let every alias, the two extra ones included, mean the database of that name."""
    from django.db import connections

    from portal.settings import database as settings_for  # noqa: TID251  the tests' own aliases

    connections.close_all()
    wanted = {
        alias: {**settings_for(role), "NAME": name, "CONN_MAX_AGE": 0}
        for alias, role in ALIASES.items()
    }
    connections.settings = connections.configure_settings(wanted)
    for alias in ALIASES:
        with contextlib.suppress(AttributeError):
            del connections[alias]
