"""The fast way: a source that asks Redis as long as that may be believed, else PostgreSQL."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections

from portal.endpoint import answer, postgres, record
from portal.endpoint.answer import Denied, Issued, Known, Refusal, Unavailable, Wake
from portal.endpoint.crowd import Crowd
from portal.endpoint.issuing import Issuer, Made
from portal.endpoint.postgres import Look, Looked, Seen
from portal.endpoint.record import Nonces
from portal.endpoint.standing import Kept, Standing
from portal.endpoint.together import Together
from portal.endpoint.waiting import Room
from portal.endpoint.watch import Watch
from portal.endpoint.wire import RedisAway, Wire

P = ParamSpec("P")
R = TypeVar("R")

THREADS: Final = 6
"""Questions to PostgreSQL at once; the rest of the pool is for people's pages."""
MOST_QUEUED: Final = 400
MOST_LOOKING: Final = 4_000
"""Looks that wait: those before them are done within the time that agents wait for an answer."""
MOST_KEPT: Final = 200_000


class Shared:
    """What all polls of one process share."""

    def __init__(self) -> None:
        self.room = Room(settings.POLICY_WAITING_LIMIT)
        self.watch = Watch(self.room)
        self.longest_wait: int = settings.POLICY_WAIT_SECONDS
        self.together = Together()
        # What Redis said of a holder, and under which nonces: good again while those two stand.
        self.kept: dict[bytes, Kept] = {}
        # Agents send the same bytes again and again: who sends these, and what is kept of them.
        self.polls: dict[bytes, Kept] = {}
        self.standing = Standing()
        self.buckets = postgres.buckets()
        self.issuer = Issuer(self._issue_many)
        self._lookers: Crowd[bytes, Look, Looked] = Crowd(self._look_many)
        self._newcomers: Crowd[bytes, bytes, Seen] = Crowd(self._look_plainly)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="policy")
        self._queued = 0

    async def ask_postgres(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function of `postgres` in a thread; raises Unavailable where too many wait."""
        if self._queued >= MOST_QUEUED:
            raise Unavailable(answer.BUSY)
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: _in_thread(function, *args, **kwargs)
            )
        finally:
            self._queued -= 1

    async def _issue_many(self, knowns: list[Known], now: float) -> dict[int, Made | Exception]:
        return await self.ask_postgres(postgres.issue_many, knowns, now)

    async def look_quietly(self, look: Look) -> Looked:
        """Return what PostgreSQL says, asked together with others; raises Unavailable."""
        if len(self._lookers) >= MOST_LOOKING:
            raise Unavailable(answer.BUSY)
        return await self._lookers.ask(look.digest, look)

    async def look_plainly(self, digest: bytes) -> Seen:
        """Return what PostgreSQL says, to be kept nowhere; likewise."""
        if len(self._newcomers) >= MOST_LOOKING:
            raise Unavailable(answer.BUSY)
        return await self._newcomers.ask(digest, digest)

    async def _look_plainly(self, digests: list[bytes]) -> dict[bytes, Seen | Exception]:
        return await self.ask_postgres(postgres.look_plainly, digests)

    async def _look_many(self, looks: list[Look]) -> dict[bytes, Looked | Exception]:
        return await self.ask_postgres(postgres.look_many, looks)

    def remember(self, digest: bytes, known: Known, nonces: Nonces | None = None) -> None:
        """Keep what is known of a holder; without nonces only under which names those lie.

        Whose token it is never changes, only the cohort: a wrong name costs one more look-up.
        """
        before = self.kept.get(digest)
        if before and before.known == known and before.nonces == nonces:
            return  # and with it what else is known of it: how it polls, that it was verified
        if len(self.kept) >= MOST_KEPT:
            self.kept.clear()
            self.polls.clear()
            self.buckets.release_all()
        self.forget(digest)
        self.kept[digest] = Kept(known, nonces, self.buckets.hold(digest))

    def forget(self, digest: bytes) -> None:
        """Keep nothing of a holder any more."""
        if (kept := self.kept.pop(digest, None)) is not None:
            self.polls.pop(kept.poll, None)
            self.buckets.release(digest)

    def recognise(self, data: bytes, digest: bytes, kept: Kept) -> None:
        """Know a poll again that names what is kept, and by what token it comes."""
        self.polls.pop(kept.poll, None)
        kept.digest, kept.poll = digest, data
        self.polls[data] = kept

    @property
    def offer(self) -> int:
        """The longest wait; none while there is no space."""
        return self.longest_wait if self.room.has_space() else 0

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class FastSource:
    """The source of one poll."""

    __slots__ = ("_asked", "_body", "_epoch", "_is_counted", "_nonces", "_shared")

    def __init__(self, shared: Shared, *, is_counted: bool = False) -> None:
        """Serve one poll; `is_counted`: it was counted against its agent's bucket already."""
        self._shared = shared
        self._is_counted = is_counted
        self._epoch = b""
        self._nonces: Nonces | None = None
        self._asked = 0.0
        self._body: bytes | None = None

    @property
    def offer(self) -> int:
        """The longest wait; none while there is no space."""
        return self._shared.offer

    def meter(self, digest: bytes) -> int:
        """Count a request against the agent's bucket in this process."""
        return 0 if self._is_counted else self._shared.buckets.take(digest, monotonic())

    async def look(self, digest: bytes, now: float, named: str | None) -> Known | Denied | Refusal:
        """Return what stands: by Redis where that is beyond doubt, else by PostgreSQL."""
        self._asked, self._nonces, self._body = monotonic(), None, None
        watch = self._shared.watch
        if (wire := watch.usable()) is None:
            return await self._plainly(digest)
        self._epoch = watch.epoch
        try:
            kept = self._shared.kept.get(digest)
            # Only for who has this very policy: another process may have issued a newer one.
            if kept and kept.nonces and kept.known.etag == named:
                known = await self._again(wire, kept, kept.nonces)
                if known and known.is_in_force(now):
                    return known
            hint = (
                (kept.known.subject, kept.known.cohort) if kept else await self._find(wire, digest)
            )
            if hint is None:
                return await self._first(wire, digest)
            known = await self._read(wire, digest, hint, whole=not named)
        except RedisAway:
            self._nonces = None
            return await self._plainly(digest)
        # One whose time is over is looked up anew: what ended it may be more than the lease.
        if known and known.is_in_force(now):
            return known
        return await self._carefully(digest, hint)

    async def hold(self, known: Known, seconds: float) -> Wake | None:
        """Wait for a change of what was found."""
        return await self._shared.room.hold(
            known, self._epoch, self._nonces, asked=self._asked, seconds=seconds
        )

    async def body(self, digest: bytes, known: Known) -> bytes | None:
        """Return the signed policy, where Redis has the very one and nothing changed meanwhile."""
        nonces, wire = self._nonces, self._shared.watch.usable()
        if wire is None or nonces is None:
            return None
        raw = self._body
        if raw is None:
            names = record.nonce_keys(self._epoch, known.subject, known.cohort)
            name = record.body_key(self._epoch, digest)
            try:
                raw, *standing = await wire.call(b"MGET", name, *names)
            except RedisAway:
                return None
            if Nonces(*standing) != nonces:
                return None
        if raw is None or not self._holds(wire):
            return None
        return record.signed(raw, known.version)

    async def issue(self, digest: bytes, known: Known, now: float) -> Issued:
        """Issue a policy; keep it in Redis where that is beyond doubt."""
        made = await self._shared.issuer.issue(known, now)
        if made.quiet and made.known.cohort == known.cohort:
            self._keep(digest, made.known, made.issued.body)
        return made.issued

    # --- how a look goes ------------------------------------------------------------------------

    async def _plainly(self, digest: bytes) -> Known | Denied | Refusal:
        return await self._shared.look_plainly(digest)

    async def _again(self, wire: Wire, kept: Kept, nonces: Nonces) -> Known | None:
        """Return what was read before, if the nonces it was read under stand now."""
        shared, known = self._shared, kept.known
        names = record.nonce_keys(self._epoch, known.subject, known.cohort)
        wanted = *names, record.tally_key(self._epoch)
        *said, tally = await shared.together.values(wire, self._epoch, wanted)
        if Nonces(*said) != nonces or not self._holds(wire):
            return None
        shared.standing.note(kept, wire, self._epoch, tally)
        self._nonces = nonces
        return known

    async def _read(
        self, wire: Wire, digest: bytes, hint: tuple[int, int], *, whole: bool
    ) -> Known | None:
        """Return what Redis has of a holder if it is good; `whole`: with the signed policy."""
        names = record.nonce_keys(self._epoch, *hint)
        wanted = [record.record_key(self._epoch, digest)]
        if whole:
            wanted.append(record.body_key(self._epoch, digest))
        raw, *rest = await wire.call(b"MGET", *wanted, *names)
        standing = rest[-2:]
        if None in standing:
            standing = await self._begin(wire, *names)
        self._nonces = Nonces(*standing)
        known = self._believed(wire, raw, hint)
        if known:
            self._shared.remember(digest, known, self._nonces)
            self._body = rest[0] if whole else None
        return known

    async def _find(self, wire: Wire, digest: bytes) -> tuple[int, int] | None:
        """Return the names under which another process kept the nonces of this holder."""
        kept = record.unpack(await wire.call(b"GET", record.record_key(self._epoch, digest)))
        if kept is None:
            return None
        self._shared.remember(digest, kept[1])
        return kept[1].subject, kept[1].cohort

    def _believed(self, wire: Wire, raw: bytes | None, hint: tuple[int, int]) -> Known | None:
        """Return what a record says if it is good; None if it is not."""
        if (kept := record.unpack(raw)) is None:
            return None
        nonces, known = kept
        is_good = nonces == self._nonces and (known.subject, known.cohort) == hint
        # Asked last: whatever held us up meanwhile, the fence must hold now.
        return known if is_good and self._holds(wire) else None

    def _holds(self, wire: Wire) -> bool:
        """Return whether what this connection said under this epoch may be believed."""
        watch = self._shared.watch
        return watch.usable() is wire and watch.epoch == self._epoch

    async def _begin(self, wire: Wire, subject: bytes, cohort: bytes) -> list[bytes]:
        """Make the nonces that are not there; return those that stand."""
        for name in (subject, cohort):
            wire.send(b"SET", name, record.new_nonce(), b"NX", b"EX", record.NONCE_SECONDS)
        standing: list[bytes] = await wire.call(b"MGET", subject, cohort)
        if None in standing:
            raise RedisAway("a nonce did not stay")
        return standing

    async def _carefully(self, digest: bytes, hint: tuple[int, int]) -> Known | Denied | Refusal:
        """Return what PostgreSQL says, and keep it if nobody is about to change it."""
        quiet, known = await self._shared.look_quietly(Look(digest, *hint))
        if not isinstance(known, Known):
            self._shared.forget(digest)
            return known
        if (known.subject, known.cohort) != hint:
            self._nonces = None
            self._shared.remember(digest, known)
        elif quiet and known.etag:
            self._keep(digest, known)
        return known

    async def _first(self, wire: Wire, digest: bytes) -> Known | Denied | Refusal:
        """Return what PostgreSQL says of a holder nobody has asked about; remember the names."""
        known = await self._plainly(digest)
        if not isinstance(known, Known):
            return known
        self._shared.remember(digest, known)
        hint = known.subject, known.cohort
        self._nonces = Nonces(*await self._begin(wire, *record.nonce_keys(self._epoch, *hint)))
        # Asked again, now that the nonces are known: only that answer may be kept or waited on.
        return await self._carefully(digest, hint) if known.etag else known

    def _keep(self, digest: bytes, known: Known, body: bytes = b"") -> None:
        """Fill Redis, unless a mark came in between; nobody waits for it."""
        wire, nonces = self._shared.watch.usable(), self._nonces
        if wire is None or nonces is None or not self._holds(wire):
            return
        subject, cohort = record.nonce_keys(self._epoch, known.subject, known.cohort)
        seconds = max(1, known.fresh_until - known.issued)
        wire.send(
            b"EVAL",
            record.FILL,
            4,
            record.record_key(self._epoch, digest),
            subject,
            cohort,
            record.body_key(self._epoch, digest),
            record.pack(nonces, known),
            nonces.subject,
            nonces.cohort,
            known.version,
            seconds,
            record.pack_signed(known.version, body) if body else b"",
            record.BODY_SECONDS,
            record.NONCE_SECONDS,
        )


def _in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return postgres.asked(function, *args, **kwargs)
    finally:
        close_old_connections()
