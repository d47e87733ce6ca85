"""When to tell the portal which policy is obeyed: until it knows, and never sooner than it asks."""

from dataclasses import dataclass, field

from sayso_agent.lease import Instant
from sayso_agent.transport import Backoff


@dataclass(slots=True)
class Acknowledging:
    """What the portal was told, and when to tell it again. Times are the monotonic clock's."""

    known: int = 0
    """The version of which the portal knows that it is obeyed and nothing denied is left."""
    next_at: float = 0.0
    _version: int = 0
    _not_before: float = 0.0
    _backoff: Backoff = field(default_factory=lambda: Backoff(first=2.0, longest=60.0))

    def due(self, version: int, now: Instant) -> bool:
        """Return whether to tell now that this version is obeyed."""
        if version == self.known:
            return False
        if version != self._version:  # news waits for nothing but what the portal asked for
            self._version, self.next_at = version, self._not_before
            self._backoff.succeeded()
        return now.monotonic >= self.next_at

    def failed(self, now: Instant, *, retry_after: float | None = None) -> None:
        """The portal did not take it, or there is still something to purge."""
        self.next_at = now.monotonic + self._backoff.failed(retry_after=retry_after)
        self._not_before = now.monotonic + (retry_after or 0.0)

    def done(self, version: int) -> None:
        """The portal knows."""
        self.known = version
        self._backoff.succeeded()
