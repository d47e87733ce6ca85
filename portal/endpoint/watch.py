"""The reader's side of the fence: when what Redis says may be believed, and by whom it is asked.

Several times a second each process asks PostgreSQL which Redis counts and what that one missed.
Only while the last such question was asked less than VALID ago, is anything from Redis believed.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Protocol

import psycopg
from django.conf import settings
from django.db import connections

from portal.endpoint import record
from portal.endpoint.wire import RedisAway, Wire, connect, identity

logger = logging.getLogger(__name__)
VALID: Final = 1.0
INTERVAL: Final = 0.2
PATIENCE: Final = 0.5
MOST_AT_ONCE: Final = 1000

READ: Final = """
SELECT f.epoch, f.server, f.database,
       extract(epoch FROM pg_postmaster_start_time())::text || '/' || d.oid,
       ARRAY(SELECT u.id FROM portal_unmarked u ORDER BY u.id DESC LIMIT %(most)s),
       ARRAY(SELECT u.key FROM portal_unmarked u ORDER BY u.id DESC LIMIT %(most)s)
FROM portal_fence f, pg_database d WHERE d.datname = current_database()
"""
"""A database that was started anew, or put back from a copy, is another one: it may know less."""

TURN: Final = """
WITH turned AS (
  UPDATE portal_fence SET epoch = %(new)s, server = %(server)s, database = %(database)s
  WHERE epoch = %(old)s RETURNING id)
DELETE FROM portal_unmarked WHERE EXISTS (SELECT 1 FROM turned)
"""

FORGET: Final = """
DELETE FROM portal_unmarked
WHERE id = ANY(%s) AND EXISTS (SELECT 1 FROM portal_fence WHERE epoch = %s)
"""


@dataclass(frozen=True)
class Fence:
    """The fence as PostgreSQL has it."""

    epoch: str
    server: str
    database: str
    here: str
    """Which database it is that says so."""
    ids: list[int]
    names: list[str]


class Listener(Protocol):
    """Who wants to hear of changes."""

    def changed(self, name: str) -> None:
        """Hear that something of a subject or cohort changed, or may have."""


class Watch:
    """Keeps `usable` true to its word."""

    def __init__(self, listener: Listener) -> None:
        self.epoch = b""
        self.sequence = 0
        """The number of the last message about a change, as Redis counts them."""
        self._listener = listener
        self._until = 0.0
        self._wire: Wire | None = None
        self._postgres: psycopg.AsyncConnection[Any] | None = None
        self._told: set[int] = set()

    def usable(self) -> Wire | None:
        """Return the connection whose answers may be believed right now; None when none may be."""
        wire = self._wire
        return wire if wire and not wire.closed and monotonic() < self._until else None

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        was = False
        try:
            while True:
                began = monotonic()
                try:
                    await self._ask(began)
                except (RedisAway, psycopg.Error, OSError, TimeoutError) as error:
                    logger.debug("fence_not_held", exc_info=error)
                if (now := self.usable() is not None) is not was:
                    logger.warning("fence_held" if now else "fence_lost")
                    was = now
                await asyncio.sleep(max(0.01, began + INTERVAL - monotonic()))
        finally:
            self._drop_redis()
            await self._drop_postgres()

    async def _ask(self, began: float) -> None:
        """Ask both servers once; what they said holds for VALID from when it was asked."""
        fence = await self._read()
        try:
            await self._agree(fence, began)
        finally:
            # Only now: whoever asks again must not be answered from what is not marked yet.
            self._tell(fence)

    async def _agree(self, fence: Fence, began: float) -> None:
        wire = await self._redis()
        try:
            async with asyncio.timeout(PATIENCE):
                server, sequence = await asyncio.gather(
                    identity(wire), wire.call(b"GET", record.SEQUENCE)
                )
                if (server, fence.here) != (fence.server, fence.database):
                    await self._turn(wire, fence, server)
                    return
                await self._mark(wire, fence)
        except (RedisAway, TimeoutError):
            self._drop_redis()
            raise
        if len(fence.ids) < MOST_AT_ONCE:
            self.epoch = fence.epoch.encode("ascii")
            self.sequence = int(sequence or 0)
            self._until = began + VALID

    async def _read(self) -> Fence:
        try:
            async with asyncio.timeout(PATIENCE):
                if self._postgres is None:
                    self._postgres = await psycopg.AsyncConnection.connect(
                        **_address(), autocommit=True
                    )
                cursor = await self._postgres.execute(READ, {"most": MOST_AT_ONCE})
                row = await cursor.fetchone()
        except BaseException:
            await self._drop_postgres()
            raise
        if row is None:
            raise psycopg.DataError("the fence has no row")
        return Fence(*row)

    def _tell(self, fence: Fence) -> None:
        """Let those hear who wait: of what could not be marked, nobody publishes anything."""
        for number, name in zip(fence.ids, fence.names, strict=True):
            if number not in self._told:
                self._listener.changed(name)
        self._told = set(fence.ids)

    async def _redis(self) -> Wire:
        if self._wire is None or self._wire.closed:
            self._until = 0.0
            self._wire = await connect(settings.REDIS_URL, Wire)
        return self._wire

    async def _mark(self, wire: Wire, fence: Fence) -> None:
        """Mark what its writers could not; only then is it forgotten, and only under this epoch."""
        if not fence.ids or self._postgres is None:
            return
        epoch = fence.epoch.encode("ascii")
        keys, values = record.mark_keys_and_values(epoch, sorted(set(fence.names)))
        await wire.call(b"EVAL", record.MARK, len(keys), *keys, *values)
        await self._postgres.execute(FORGET, [fence.ids, fence.epoch])

    async def _turn(self, wire: Wire, fence: Fence, server: str) -> None:
        """Begin a new epoch on this server, which must be one that can be written to."""
        self._until = 0.0
        epoch = secrets.token_hex(8)
        await wire.call(b"SET", record.key(epoch.encode("ascii"), "begun"), b"1", b"EX", 60)
        if self._postgres is not None:
            await self._postgres.execute(
                TURN,
                {"new": epoch, "old": fence.epoch, "server": server, "database": fence.here},
            )
            logger.warning("fence_turned")

    def _drop_redis(self) -> None:
        self._until = 0.0
        if self._wire:
            self._wire.close()
            self._wire = None

    async def _drop_postgres(self) -> None:
        if self._postgres is not None:
            connection, self._postgres = self._postgres, None
            await connection.close()


def _address() -> dict[str, Any]:
    """Return where Django's own connections lead; this one is apart from them and their pool."""
    said = connections["default"].settings_dict
    options = {name: value for name, value in said["OPTIONS"].items() if name != "pool"}
    place = {
        "dbname": said["NAME"],
        "user": said["USER"],
        "password": said["PASSWORD"],
        "host": said["HOST"],
        "port": said["PORT"],
    }
    return {**options, **{name: value for name, value in place.items() if value}}
