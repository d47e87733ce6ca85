"""Which uploads are under way on this machine: few of each agent, and one of each batch.

Web processes that share a port count together. Each place is a byte of one file that a process has
locked: it asks without waiting, and the system takes the place back when the process ends, however
it does. Portals on several machines count each for itself.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID

logger = logging.getLogger(__name__)

EACH: Final = 2
"""Uploads of one agent at once; of one batch there is one."""
_BATCHES: Final = 1 << 62
"""Where the bytes of batches begin; those of agents come before."""


class Locks:
    """Bytes of a file, each held by one process at most."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def take(self, place: int) -> bool:
        """Return whether no other process holds it; it is ours then, until `leave`.

        Where the file cannot be used every process counts for itself: its threads are its own.
        """
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            logger.warning("upload_places_not_shared")
        return True

    def leave(self, place: int) -> None:
        """Give it back."""
        with suppress(OSError):  # where it could not be locked either
            if self._file >= 0:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


class Places:
    """What this process takes in; the locks say what others do."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._taken: dict[UUID, int] = {}  # which of its agent's places a batch has

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, agent: int, batch: UUID) -> bool:
        """Return whether there is a place; it is then taken until `leave`."""
        if batch in self._taken or not self._locks.take(_place_of(batch)):
            return False
        ours = self._taken.values()
        for place in range(agent * EACH, (agent + 1) * EACH):
            if place not in ours and self._locks.take(place):
                self._taken[batch] = place
                return True
        self._locks.leave(_place_of(batch))
        return False

    def leave(self, batch: UUID) -> None:
        """Give a place back."""
        self._locks.leave(self._taken.pop(batch))
        self._locks.leave(_place_of(batch))

    @contextmanager
    def taken(self, agent: int, batch: UUID) -> Iterator[bool]:
        """Hold a place; yield whether there was one."""
        if not self.take(agent, batch):
            yield False
            return
        try:
            yield True
        finally:
            self.leave(batch)


def _place_of(batch: UUID) -> int:
    return _BATCHES + batch.int % _BATCHES
