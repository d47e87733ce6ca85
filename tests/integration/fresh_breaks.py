"""Takes one part out of the fence, in a process of its own: the oracle must then find something.

Each part has two sides, and only one process needs to miss it: the writers' or the servers'.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any


def mark() -> None:
    """Let changes mark nothing in Redis, and leave no row."""
    from consent import hooks

    hooks._policy_changing.clear()


def order() -> None:
    """Let changes mark only after the commit, as is done for an ordinary cache."""
    from django.db import transaction

    from consent import hooks
    from portal.endpoint import marks

    def late(**who: Any) -> None:
        def mark() -> None:
            time.sleep(random.random() * 0.05)
            with transaction.atomic():
                marks.policy_changing(**who)

        transaction.on_commit(mark)

    hooks._policy_changing[:] = [late]


def lock() -> None:
    """Let readers keep what they find while somebody is between mark and commit."""
    from portal.endpoint import marks

    marks.LOCK = "SELECT %s::int[], %s::int[]"  # type: ignore[misc]


def rows() -> None:
    """Let what cannot be marked be forgotten."""
    from types import SimpleNamespace

    from portal.endpoint import marks

    class Nothing:
        objects = SimpleNamespace(bulk_create=list)

        def __init__(self, **_: Any) -> None: ...

    marks.Unmarked = Nothing  # type: ignore[assignment, attr-defined]


def nonce() -> None:
    """Let readers believe what they remember, whatever stands in Redis now."""
    from portal.endpoint.shortcut import Shortcut
    from portal.endpoint.source import FastSource

    def stands(self: Any, poll: Any, _: Any) -> bool:
        watch = self._shared.watch
        return watch.usable() is poll.wire and watch.epoch == poll.epoch

    async def again(self: Any, wire: Any, kept: Any, nonces: Any) -> Any:
        self._nonces = nonces
        return kept.known if self._holds(wire) else None

    Shortcut._stands = stands  # type: ignore[method-assign, assignment]
    FastSource._again = again  # type: ignore[method-assign]


def tally() -> None:
    """Let readers think that they heard of every mark."""
    from portal.endpoint.standing import Standing

    Standing.is_up_to = lambda *_: True  # type: ignore[method-assign]


def trace() -> None:
    """Let marks leave no trace of the names they outdate."""
    from portal.endpoint.standing import Standing

    Standing._note = lambda *_: None  # type: ignore[method-assign]


def record() -> None:
    """Let readers believe what another process kept, whatever nonces it was kept under."""
    from portal.endpoint import record as records
    from portal.endpoint.source import FastSource

    def believed(self: Any, wire: Any, raw: Any, _: Any) -> Any:
        kept = records.unpack(raw)
        return kept[1] if kept and self._holds(wire) else None

    FastSource._believed = believed  # type: ignore[method-assign]


def question() -> None:
    """Let readers ask whether somebody is changing something after they looked, not before."""
    from portal.endpoint import postgres

    def look_quietly(digest: bytes, subject: int, cohort: int) -> Any:
        found = postgres.look(digest)
        time.sleep(0.005)
        return postgres._are_quiet([(subject, cohort)])[0], found

    postgres.look_many = lambda asked: {one.digest: look_quietly(*one) for one in asked}


def bound() -> None:
    """Let readers believe Redis for an hour after they last heard from PostgreSQL."""
    from portal.endpoint import watch

    watch.VALID = 3600.0  # type: ignore[misc]


def epoch() -> None:
    """Let readers take whatever Redis there is for the one that counts."""
    from portal.endpoint import watch

    agreed = watch.Watch._agree

    async def agree(self: Any, fence: Any, began: float) -> None:
        if not fence.epoch:  # the first of all must be
            await agreed(self, fence, began)
            return

        async def same(_: Any) -> str:
            return str(fence.server)

        watch.identity = same  # type: ignore[attr-defined, assignment]
        await agreed(self, fence, began)

    watch.Watch._agree = agree  # type: ignore[method-assign]


Parts = dict[str, Callable[[], None]]
WRITERS: Parts = {"mark": mark, "order": order, "lock": lock, "rows": rows}
SERVERS: Parts = {
    "nonce": nonce,
    "tally": tally,
    "trace": trace,
    "record": record,
    "question": question,
    "bound": bound,
    "epoch": epoch,
}
