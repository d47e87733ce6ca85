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
    """The polls of one turn of the event loop."""

    __slots__ = ("epoch", "polls", "wire")

    def __init__(self, wire: Wire, epoch: bytes) -> None:
        self.wire = wire
        self.epoch = epoch
        self.polls: list[PollT] = []


Settle = Callable[[Turn[PollT], bool], None]
"""Settles the polls of a turn; the second argument: whether all was heard that was marked before
they came in."""


class Turns(Generic[PollT]):
    """Gathers what is asked in one turn of the event loop.

    The question goes to Redis after the last poll of the turn came in: what comes back held at some
    instant after each of them.
    """

    def __init__(self, standing: Standing, settle: Settle[PollT]) -> None:
        self._standing = standing
        self._settle = settle
        self._open: Turn[PollT] | None = None

    def ask(self, poll: PollT, wire: Wire, epoch: bytes) -> None:
        """Ask for a poll; it is settled later, never at once."""
        turn = self._open
        if turn is None or turn.wire is not wire or turn.epoch != epoch:
            turn = self._open = Turn(wire, epoch)
            asyncio.get_running_loop().call_soon(self._send, turn)
        turn.polls.append(poll)

    def _send(self, turn: Turn[PollT]) -> None:
        if self._open is turn:
            self._open = None
        asked = turn.wire.call(b"GET", record.tally_key(turn.epoch))
        asked.add_done_callback(partial(self._answered, turn))

    def _answered(self, turn: Turn[PollT], asked: "asyncio.Future[bytes | None]") -> None:
        if asked.cancelled() or asked.exception() is not None:
            self._settle(turn, False)  # noqa: FBT003  a callback's one word
        elif self._standing.is_up_to(asked.result()):
            self._settle(turn, True)  # noqa: FBT003
        else:
            self._standing.catch_up(turn.wire, turn.epoch, partial(self._settle, turn))
