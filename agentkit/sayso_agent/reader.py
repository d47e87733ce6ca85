"""A thread that reads a recorder, so that a silent recorder never holds up a stop."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from sayso_agent.bell import Bell
from sayso_agent.errors import AgentError, UsageError
from sayso_agent.event import Event, Skipped
from sayso_agent.lease import Clock, Instant

Item = Event | Skipped
_MOST_WAITING: Final = 10_000


class Reader:
    """Reads in its thread what the loop takes."""

    def __init__(self, items: Iterable[Item], clock: Clock, bell: Bell) -> None:
        self.ended = threading.Event()
        self._items = items
        self._clock = clock
        self._bell = bell
        self._waiting: queue.Queue[tuple[Item, Instant]] = queue.Queue(_MOST_WAITING)
        self.failure: AgentError | None = None
        threading.Thread(target=self._work, name="read", daemon=True).start()

    def take(self) -> Iterator[tuple[Item, Instant]]:
        """Yield what was read, with the moment it was."""
        with suppress(queue.Empty):
            while True:
                yield self._waiting.get_nowait()

    def waiting(self) -> bool:
        """Return whether there is something to take."""
        return not self._waiting.empty()

    def done(self) -> bool:
        """Return whether the input has ended and all of it was taken."""
        return self.ended.is_set() and self._waiting.empty()

    def _work(self) -> None:
        try:
            for item in self._items:
                self._waiting.put((item, self._clock.now()))
                self._bell.ring()
        except AgentError as error:
            self.failure = error
        except (OSError, ValueError) as error:
            self.failure = UsageError("events_unreadable", f"cannot read: {error}")
        finally:
            self.ended.set()
            self._bell.ring()
