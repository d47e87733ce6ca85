"""Settling all polls of a moment that need no more than the tally, by one question to Redis."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from portal.endpoint import record
from portal.endpoint.standing import Standing
from portal.endpoint.wire import Wire

PollT = TypeVar("PollT")


class Turn(Generic[PollT]):
    """The polls of one question."""

    __slots__ = ("epoch", "polls", "wire")

    def __init__(self, wire: Wire, epoch: bytes) -> None:
        self.wire = wire
        self.epoch = epoch
        self.polls: list[PollT] = []


Settle = Callable[[Turn[PollT], bool], None]
"""Settles the polls of a turn; the second argument: whether all was heard that was marked before
they came in."""


class Turns(Generic[PollT]):
    """Gathers what is asked in one turn of the event loop, or while a question is under way.

    The question goes to Redis after the last of its polls came in: what comes back held at some
    instant after each of them. One question at a time: what Redis and the system do for one is the
    same however many polls it settles.
    """

    def __init__(self, standing: Standing, settle: Settle[PollT]) -> None:
        self._standing = standing
        self._settle = settle
        self._open: Turn[PollT] | None = None
        self._under_way = 0

    def ask(self, poll: PollT, wire: Wire, epoch: bytes) -> None:
        """Ask for a poll; it is settled later, never at once."""
        turn = self._open
        if turn is None or turn.wire is not wire or turn.epoch != epoch:
            self._send_open()  # they asked elsewhere: the next question answers nothing of theirs
            turn = self._open = Turn(wire, epoch)
            if not self._under_way:
                asyncio.get_running_loop().call_soon(self._send_open)
        turn.polls.append(poll)

    def _send_open(self) -> None:
        if (turn := self._open) is None:
            return
        self._open = None
        self._under_way += 1
        asked = turn.wire.call(b"GET", record.tally_key(turn.epoch))
        asked.add_done_callback(partial(self._answered, turn))

    def _answered(self, turn: Turn[PollT], asked: "asyncio.Future[bytes | None]") -> None:
        self._under_way -= 1
        self._send_open()  # first: whatever becomes of these, the others are not kept waiting
        if asked.cancelled() or asked.exception() is not None:
            self._settle(turn, False)  # noqa: FBT003  a callback's one word
        elif self._standing.is_up_to(asked.result()):
            self._settle(turn, True)  # noqa: FBT003
        else:
            self._standing.catch_up(turn.wire, turn.epoch, partial(self._settle, turn))
