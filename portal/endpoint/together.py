"""What the polls of one moment ask Redis about the same kind of thing, in one command."""

import asyncio
from typing import Final

from portal.endpoint import record
from portal.endpoint.record import Nonces
from portal.endpoint.wire import RedisAway, Wire

MOST: Final = 256
"""Polls in one command: Redis answers nobody else while it looks up the names of one."""


class _Command:
    """One `MGET` to be, and who waits for which of its values."""

    __slots__ = ("askers", "epoch", "names", "wire")

    def __init__(self, wire: Wire, epoch: bytes) -> None:
        self.wire = wire
        self.epoch = epoch
        self.names: dict[bytes, int] = {}
        self.askers: list[tuple[asyncio.Future[Nonces], int, int]] = []

    def send(self) -> None:
        """Ask; each asker gets the two nonces, either of them None where it does not stand."""
        self.wire.call(b"MGET", *self.names).add_done_callback(self._hand_out)

    def _hand_out(self, asked: "asyncio.Future[list[bytes]]") -> None:
        error = None if asked.cancelled() else asked.exception()
        if error or asked.cancelled():
            for future, _, _ in self.askers:
                if not future.done():
                    future.set_exception(RedisAway())
            return
        values = asked.result()
        for future, subject, cohort in self.askers:
            if not future.done():
                future.set_result(Nonces(values[subject], values[cohort]))


class Together:
    """Gathers what is asked in one turn of the event loop.

    Every question goes to Redis after it was asked, none is answered by an earlier one: what comes
    back held at some instant after the poll came in.
    """

    def __init__(self) -> None:
        self._open: _Command | None = None

    def nonces(
        self, wire: Wire, epoch: bytes, subject: int, cohort: int
    ) -> "asyncio.Future[Nonces]":
        """Return the nonces that stand; the future raises RedisAway where nobody can say."""
        loop = asyncio.get_running_loop()
        command = self._open
        if command is None or command.wire is not wire or command.epoch != epoch:
            command = self._open = _Command(wire, epoch)
            loop.call_soon(self._close, command)
        names = command.names
        place_of = names.setdefault
        of_subject, of_cohort = record.nonce_keys(epoch, subject, cohort)
        mine = place_of(of_subject, len(names))
        shared = place_of(of_cohort, len(names))
        future: asyncio.Future[Nonces] = loop.create_future()
        command.askers.append((future, mine, shared))
        if len(command.askers) >= MOST:
            self._open = None
        return future

    def _close(self, command: _Command) -> None:
        if self._open is command:
            self._open = None
        command.send()
