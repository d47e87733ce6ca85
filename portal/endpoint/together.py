"""What the polls of one moment ask Redis, in one command."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

from portal.endpoint.wire import RedisAway, Wire

MOST: Final = 256
"""Polls in one command: Redis answers nobody else while it looks up the names of one."""
Values = list[Any]
"""Bytes, or None where nothing lies under the name."""


class Question(Protocol):
    """What one poll asks: the nonces of its subject and cohort, and perhaps something more.

    `places` says where in the values of the command the answer lies, in the order it was asked in.
    """

    places: tuple[int, ...]

    def told(self, values: Values | None) -> None:
        """Take the values of the whole command; None where nobody can say."""


class _InCoroutine:
    """A question on which a coroutine waits."""

    __slots__ = ("future", "places")

    def __init__(self) -> None:
        self.places: tuple[int, ...] = ()
        self.future: asyncio.Future[Values] = asyncio.get_running_loop().create_future()

    def told(self, values: Values | None) -> None:
        """Hand them to the coroutine."""
        if self.future.done():
            return
        if values is None:
            self.future.set_exception(RedisAway())
        else:
            self.future.set_result([values[place] for place in self.places])


class _Command:
    """One `MGET` to be, and who waits for which of its values."""

    __slots__ = ("epoch", "names", "questions", "wire")

    def __init__(self, wire: Wire, epoch: bytes) -> None:
        self.wire = wire
        self.epoch = epoch
        self.names: dict[bytes, int] = {}
        self.questions: list[Question] = []

    def send(self) -> None:
        """Ask; everybody is told when Redis has spoken."""
        self.wire.call(b"MGET", *self.names).add_done_callback(self._hand_out)

    def _hand_out(self, asked: "asyncio.Future[Values]") -> None:
        failed = asked.cancelled() or asked.exception() is not None
        values = None if failed else asked.result()
        for question in self.questions:
            question.told(values)


class Together:
    """Gathers what is asked in one turn of the event loop.

    Every question goes to Redis after it was asked, none is answered by an earlier one: what comes
    back held at some instant after the poll came in.
    """

    def __init__(self) -> None:
        self._open: _Command | None = None

    def values(self, wire: Wire, epoch: bytes, names: Iterable[bytes]) -> "asyncio.Future[Values]":
        """Return what lies under some names; the future raises RedisAway where nobody can say."""
        question = _InCoroutine()
        self.ask(question, wire, epoch, names)
        return question.future

    def ask(self, question: Question, wire: Wire, epoch: bytes, names: Iterable[bytes]) -> None:
        """Ask for the values of some names; the question is told later, never at once."""
        command = self._open
        if command is None or command.wire is not wire or command.epoch != epoch:
            command = self._open = _Command(wire, epoch)
            asyncio.get_running_loop().call_soon(self._close, command)
        known = command.names
        question.places = tuple([known.setdefault(name, len(known)) for name in names])
        command.questions.append(question)
        if len(command.questions) >= MOST:
            self._open = None

    def _close(self, command: _Command) -> None:
        if self._open is command:
            self._open = None
        command.send()
