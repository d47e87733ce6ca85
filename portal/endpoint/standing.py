"""Which of what this process remembers still stands, by one question for all polls of a moment.

Every mark leaves a trace: it replaces the *tally* by another random value, and puts into a list
which names it marked, between which two tallies, all in one step. A process that knows the tally up
to which it has heard asks for no more than the tally. Where it is the same, no nonce was replaced
since, and all that was verified stands. Where it is another, the list says what was marked in
between; where the list does not reach back that far, nothing that was verified counts any more.

Like the nonces it lies in Redis, and is believed only while the fence holds (`watch`).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from portal.endpoint import record
from portal.endpoint.answer import Known
from portal.endpoint.limits import Bucket
from portal.endpoint.record import Nonces
from portal.endpoint.wire import Wire

Then = Callable[[bool], None]
"""What goes on when the list has come, or has not."""

MOST_NAMES: Final = 20_000
"""Marked names to remember; with more of them everything is verified anew."""


class Kept:
    """What is remembered of a token's holder, under which nonces, and since when it is verified."""

    __slots__ = (
        "_since",
        "_until",
        "bucket",
        "digest",
        "known",
        "nonces",
        "poll",
        "tag",
        "verified",
    )

    def __init__(self, known: Known, nonces: Nonces | None, bucket: Bucket) -> None:
        self.known = known
        self._since = known.issued
        self._until = known.fresh_until if known.etag else 0
        self.bucket = bucket
        """How often it may ask: here, as to look for one among those of all takes time."""
        self.nonces = nonces
        """None where only the names are known under which the nonces lie."""
        self.tag = known.etag.encode("ascii")
        self.digest = b""
        """That of the token; known as soon as a poll is."""
        self.poll = b""
        """A plain poll of the holder that names this policy, to the byte."""
        self.verified = 0
        """The step of `Standing` in which its nonces were the ones in Redis; 0 for none yet."""

    def is_in_force(self, now: float) -> bool:
        """Return whether the policy may be named in an answer at `now`, as `known` would say.

        Here as well, so that nothing but this is touched for nearly every poll.
        """
        return self._since <= now < self._until


class Standing:
    """What was marked, as far as this process has heard."""

    def __init__(self) -> None:
        self.tally = b""
        """The last mark that was heard of."""
        self.step = 1
        """Counts what was heard."""
        self._floor = 1
        """What was verified before this step counts no more."""
        self._subjects: dict[int, int] = {}
        self._cohorts: dict[int, int] = {}
        """In which step one was last marked."""
        self._going_on: list[tuple[Wire, bytes, Then]] | None = None
        """Who came while the list was asked for; None while it is not."""

    def holds(self, kept: Kept) -> bool:
        """Return whether nothing was marked since this was verified, as far as is heard."""
        at = kept.verified
        if at == self.step:
            return True
        known = kept.known
        if (
            at < self._floor
            or at < self._subjects.get(known.subject, 0)
            or at < self._cohorts.get(known.cohort, 0)
        ):
            return False
        kept.verified = self.step  # so that until the next mark nobody need look again
        return True

    def is_up_to(self, tally: bytes | None) -> bool:
        """Return whether all was heard that was marked before the tally was read.

        No two tallies are alike, of whatever epoch.
        """
        return tally is not None and tally == self.tally

    def verify(self, kept: Kept) -> None:
        """Note that its nonces stand, by an answer of Redis that came with the tally of now."""
        kept.verified = self.step

    def note(self, kept: Kept, wire: Wire, epoch: bytes, tally: bytes | None) -> None:
        """Note that its nonces stand, by an answer of Redis that brought this tally as well.

        So that from now on the tally alone need be asked for. Where that is a newer one than was
        heard of, what was marked is heard first, and this noted another time.
        """
        if self.is_up_to(tally):
            self.verify(kept)
        else:
            self.catch_up(wire, epoch, _nobody_waits)

    def catch_up(self, wire: Wire, epoch: bytes, then: Then) -> None:
        """Hear what was marked up to now; then call `then`, with whether that was possible."""
        if self._going_on is not None:
            # What is under way may have been asked too early for this one.
            self._going_on.append((wire, epoch, then))
            return
        self._going_on = []
        tally, marks = record.tally_key(epoch), record.marks_key(epoch)
        wire.send(b"SET", tally, record.new_nonce(), b"NX", b"EX", record.NONCE_SECONDS)
        # In this order: what is marked in between stands in the tally and is not heard yet.
        asked = asyncio.gather(
            wire.call(b"LRANGE", marks, 0, record.MOST_MARKS - 1), wire.call(b"GET", tally)
        )
        asked.add_done_callback(partial(self._caught_up, then))

    def _caught_up(self, then: Then, asked: "asyncio.Future[tuple[Any, Any]]") -> None:
        others, self._going_on = self._going_on or [], None
        has_heard = not asked.cancelled() and asked.exception() is None
        if has_heard:
            marks, tally = asked.result()
            self.hear([record.unpack_mark(mark) for mark in marks], tally or b"")
        then(has_heard)
        if others:
            wire, epoch, _ = others[-1]
            self.catch_up(wire, epoch, partial(_all_go_on, others))

    def hear(self, marks: Sequence[record.Mark], tally: bytes) -> None:
        """Take in the newest marks, the last one first; `tally` stood at that time or later."""
        newest = marks[0].after if marks else tally
        if newest == self.tally:
            return
        self.step += 1
        missed = self._missed(marks)
        if missed is None or len(self._subjects) + len(self._cohorts) > MOST_NAMES:
            self._floor = self.step
            self._subjects.clear()
            self._cohorts.clear()
        else:
            for mark in missed:
                self._note(mark.names)
        self.tally = newest

    def _missed(self, marks: Sequence[record.Mark]) -> Sequence[record.Mark] | None:
        """Return the marks since the last one heard of; None where it does not reach back."""
        for place, mark in enumerate(marks):
            if mark.before == self.tally:
                return marks[: place + 1]
        return None

    def _note(self, names: Sequence[str]) -> None:
        for name in names:
            kind, _, number = name.partition(":")
            (self._subjects if kind == "s" else self._cohorts)[int(number)] = self.step


def _nobody_waits(_: bool) -> None:  # noqa: FBT001
    """Go on with nothing."""


def _all_go_on(others: "list[tuple[Wire, bytes, Then]]", has_heard: bool) -> None:  # noqa: FBT001
    for _, _, then in others:
        then(has_heard)
