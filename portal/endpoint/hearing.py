"""Hearing of changes at once: a subscription with numbered messages, so that none is missed."""

import asyncio
import logging
from time import monotonic
from typing import Final

from django.conf import settings

from portal.endpoint import record
from portal.endpoint.waiting import Room
from portal.endpoint.watch import Watch
from portal.endpoint.wire import Ear, RedisAway, connect

logger = logging.getLogger(__name__)
SWEEP_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.5


class Hearing:
    """Wakes those who wait. A message that is lost costs them moments; none costs them more."""

    def __init__(self, room: Room, watch: Watch) -> None:
        self._room = room
        self._watch = watch
        self._number = 0
        self._missed = asyncio.Event()

    async def run(self) -> None:
        """Listen, and again whenever the connection is lost, until cancelled."""
        while True:
            try:
                await self._listen()
            except RedisAway as error:
                logger.debug("not_hearing", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _listen(self) -> None:
        self._number = 0
        ear = await connect(settings.REDIS_URL, lambda: Ear(self._hear))
        try:
            await ear.call(b"SUBSCRIBE", record.CHANNEL)
            self._missed.set()  # whatever was said before we listened
            swept = 0.0
            while not ear.closed:
                if self._missed.is_set() or monotonic() - swept > SWEEP_SECONDS:
                    self._missed.clear()
                    await self._sweep()
                    swept = monotonic()
                sequence = self._watch.sequence
                try:
                    await asyncio.wait_for(self._missed.wait(), LOOK_SECONDS)
                except TimeoutError:
                    if self._number and self._number < sequence:
                        return  # more was said than came through: the connection is no good
        finally:
            ear.close()

    async def _sweep(self) -> None:
        if wire := self._watch.usable():
            await self._room.sweep(wire, self._watch.epoch)

    def _hear(self, message: bytes) -> None:
        number, _, name = message.partition(b" ")
        if self._number and int(number) != self._number + 1:
            self._missed.set()
        self._number = int(number)
        self._room.changed(name.decode("ascii"))
