"""The writer's side of the fence: before it commits, a change says in Redis *ask PostgreSQL*.

It waits for Redis for BUDGET seconds and no longer. What it cannot mark it leaves as a row in
PostgreSQL, in the same transaction, and every reader marks that before it answers anything else.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from redis.backoff import NoBackoff
from redis.retry import Retry

from consent.models import Cohort
from portal.endpoint import record
from portal.endpoint.models import Unmarked

logger = logging.getLogger(__name__)
BUDGET: Final = 0.05
PAUSE: Final = 0.5
"""How long Redis is left alone after it did not answer: many changes must not each wait for it."""
TOLD_WITHIN: Final = 5.0
"""What is older need not be told: by then readers compared the nonces of all who wait."""
BUCKETS: Final = 1024
NO_COHORT: Final = 0
MOST_AT_ONCE: Final = 500
"""Names in one message to Redis: well within the budget."""
LOCK: Final = """
SELECT pg_advisory_xact_lock_shared(kind, bucket)
FROM unnest(%s::int[], %s::int[]) AS lock(kind, bucket)
"""
LOCKS: Final = {"s": 7_215_010, "c": 7_215_011}
"""Advisory locks, a class each for subjects and cohorts: held by whoever changes something of
theirs, from before the mark until the commit is visible."""


def lock_of(name: str) -> tuple[int, int]:
    """Return the advisory lock of a name; several names share one, so that none runs out."""
    kind, _, number = name.partition(":")
    return LOCKS[kind], bucket_of(int(number))


def bucket_of(key: int) -> int:
    """Return the part of that lock which is of one subject's, or one cohort's, key."""
    return key % BUCKETS


def policy_changing(
    *, subject: int = 0, cohorts: Collection[int] = (), everybody: bool = False
) -> None:
    """Let no cached answer for these outlive the commit that is about to come.

    To be called inside the transaction of the change; never fails it, never waits for long.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("a policy changes inside a transaction only")
    names = [record.subject_key(subject)] if subject else []
    names += [record.cohort_key(cohort) for cohort in sorted(cohorts)]
    locks = {lock_of(name) for name in names}
    if everybody:
        locks |= {(LOCKS["c"], bucket) for bucket in range(BUCKETS)}
    if not locks:
        return
    _hold_back(locks)
    if everybody:
        # Asked only now that they are held: who comes into a cohort that is not seen here comes
        # later, and until this has ended nothing is kept about them.
        every = Cohort.objects.order_by("pk").values_list("pk", flat=True)
        names += [record.cohort_key(cohort) for cohort in (NO_COHORT, *every)]
    with connection.cursor() as cursor:
        # Only then: a reader under an epoch that begins after this look finds the lock held.
        cursor.execute("SELECT epoch, server FROM portal_fence")
        epoch, server = cursor.fetchone()
    if not epoch:  # nobody has read from Redis yet, so there is nothing in it to outdate
        return
    for start in range(0, len(names), MOST_AT_ONCE):
        _mark(epoch, server, names[start : start + MOST_AT_ONCE])
    transaction.on_commit(partial(_speaker().tell, names))


def _hold_back(locks: Collection[tuple[int, int]]) -> None:
    """Let readers keep nothing under these locks until this transaction has ended."""
    kinds, buckets = zip(*sorted(locks), strict=True)
    with connection.cursor() as cursor:
        # Shared: writers do not wait for each other. A reader that finds one held keeps nothing.
        cursor.execute(LOCK, [list(kinds), list(buckets)])


def _mark(epoch: str, server: str, names: list[str]) -> None:
    """Mark in Redis, or where that cannot be done leave rows that say so."""
    known_to_be_silent = _speaker().leaves_alone()
    if not _speaker().mark(epoch, server, names):
        # Once for each time it is tried: many changes may follow each other meanwhile.
        level = logging.DEBUG if known_to_be_silent else logging.WARNING
        logger.log(level, "change_not_marked_in_redis")
        Unmarked.objects.bulk_create(Unmarked(key=name) for name in names)


def outdate(subject: int) -> None:
    """Outdate what Redis holds about a person, who was issued a policy by another way.

    Nothing unsafe follows where it fails: a machine refuses a policy older than one it has seen.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT epoch, server FROM portal_fence")
        epoch, server = cursor.fetchone()
    if epoch:
        _speaker().mark(epoch, server, [record.subject_key(subject)])


@dataclass(frozen=True)
class _Job:
    names: list[str]
    epoch: str = ""
    server: str = ""
    born: float = field(default_factory=time.monotonic)
    done: "Future[bool]" = field(default_factory=Future)


class _Speaker:
    """The one thread of a process that speaks to Redis for its writers.

    A thread, because only so is the budget kept whatever hangs: a name server, TLS, a full pipe.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._silent_until = 0.0
        threading.Thread(target=self._work, name="marks", daemon=True).start()

    def leaves_alone(self) -> bool:
        """Return whether Redis did not answer a moment ago, and is not asked now."""
        return time.monotonic() < self._silent_until

    def mark(self, epoch: str, server: str, names: list[str]) -> bool:
        """Return whether that very server holds a new nonce for each name, within the budget."""
        if self.leaves_alone():
            return False
        job = _Job(names, epoch, server)
        self._jobs.put(job)
        try:
            return job.done.result(timeout=BUDGET)
        except TimeoutError:  # the mark may still arrive; it then does no harm
            self._silent_until = time.monotonic() + PAUSE
            return False

    def tell(self, names: list[str]) -> None:
        """Tell whoever waits for a change of these, after the commit; nobody waits for it.

        Also while Redis is left alone: a change that was marked left no row to be heard of by.
        """
        self._jobs.put(_Job(names))

    def _work(self) -> None:
        client: redis.Redis | None = None
        while True:
            job = self._jobs.get()
            if not job.epoch and not self._may_be_told(job):
                continue
            try:
                client = client or _connect()
                done = _do(client, job)
            except Exception:  # noqa: BLE001  whatever Redis does, the change commits all the same
                self._silent_until = time.monotonic() + PAUSE
                done = False
                if not job.epoch:  # told again, as long as there is a point
                    self._jobs.put(job)
                    continue
            job.done.set_result(done)

    def _may_be_told(self, job: _Job) -> bool:
        """Leave Redis alone as long as that is meant to be; return whether there is still a point.

        Meanwhile nobody brings a mark: they are refused before they come this far.
        """
        time.sleep(max(self._silent_until - time.monotonic(), 0.0))
        return time.monotonic() - job.born < TOLD_WITHIN


def _speaker() -> _Speaker:
    return _speaker_of(os.getpid())  # a fork has none of its parent's threads


@lru_cache(maxsize=1)
def _speaker_of(process: int) -> _Speaker:
    return _Speaker()


def _connect() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BUDGET,
        socket_connect_timeout=BUDGET,
        retry=Retry(NoBackoff(), 0),  # never the same bytes a second time: see `_done`
    )


def _do(client: redis.Redis, job: _Job) -> bool:
    """Do it; once more where the connection is gone: the server may have been started anew."""
    try:
        return _done(client, job)
    except redis.ConnectionError:
        return _done(client, job)


def _done(client: redis.Redis, job: _Job) -> bool:
    """Send a job, with values of its own for this one time.

    What was sent may be carried out although no answer comes, even later than what others send
    after it. The same values sent again would then put back a tally or a nonce that readers took
    for outdated, and let stand what they remember under it.
    """
    if not job.epoch:
        client.eval(record.TELL.decode(), 2, record.SEQUENCE, record.CHANNEL, *job.names)
        return True
    # One MULTI: the server that says who it is, is the one that takes the marks.
    together = client.pipeline(transaction=True)
    together.info("server")
    together.info("replication")
    keys, values = record.mark_keys_and_values(job.epoch.encode(), job.names)
    together.eval(record.MARK.decode(), len(keys), *keys, *values)
    server, replication, *_ = together.execute()
    return identity(server, replication) == job.server


def identity(server: dict[str, Any], replication: dict[str, Any]) -> str:
    """Return who a Redis server is: another process, or another role, is another server."""
    return f"{server['run_id']}:{replication['master_replid']}"
