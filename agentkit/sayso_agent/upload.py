"""Hands closed segments of the spool to the portal as batches. Doing it twice is harmless.

A manifest is made from the segment alone, so a crash or a lost answer at any point is followed
by the same request with the same batch id, which the portal answers with what stands.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sayso_agent.bucket import UPLOAD_REFUSED, Bucket
from sayso_agent.errors import UnreachableError
from sayso_agent.portal import Portal, Refusal
from sayso_agent.segment import Segment
from sayso_agent.spool import Spool
from sayso_agent.transport import Body
from sayso_agent.version import USER_AGENT

TRIES: Final = 3
AVERAGED_OVER: Final = 10.0
"""Over how many seconds the bandwidth is averaged: so much may leave at once after a rest."""
_MILLISECOND: Final = 0.001


@dataclass(slots=True)
class Uploaded:
    """What became of the batches of one round."""

    admitted: int = 0
    events: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Release:
    """What may leave in one round: captured up to `until`, at so many bytes a second."""

    until: float
    bytes_per_second: int
    now: float  # monotonic
    elsewhere: frozenset[str] = frozenset()  # origins besides the portal's where bytes may go


@dataclass(slots=True)
class Bandwidth:
    """What was sent lately, by whoever sends for one agent."""

    spent: float = 0.0  # bytes that the bandwidth has not yet made up for
    at: float = 0.0  # monotonic

    def over(self, release: Release) -> float:
        """Return how long to wait until what was sent is within the bandwidth again; 0 if it is."""
        passed = max(release.now - self.at, 0.0)
        self.spent = max(self.spent - passed * release.bytes_per_second, 0.0)
        self.at = release.now
        over = self.spent - AVERAGED_OVER * release.bytes_per_second
        return max(over / release.bytes_per_second, 0.0)


def rfc3339(seconds: float) -> str:
    """Return a moment as the protocol writes it: UTC, milliseconds."""
    moment = datetime.fromtimestamp(round(seconds, 3), tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def manifest(segment: Segment) -> dict[str, Any]:
    """Return the manifest of a segment. The interval is half-open and ends within the lease."""
    stamps = [record.stamp for record in segment.records]
    hasher = hashlib.sha256()
    for piece in segment.parts():
        hasher.update(piece)
    visible = _visible(segment)
    return {
        "batch": segment.batch,
        "policy_version": segment.slot.version,
        "purpose": segment.slot.purpose,
        "app": segment.slot.app,
        "signals": dict(sorted(Counter(r.signal for r in segment.records).items())),
        "from": rfc3339(min(stamps)),
        "until": rfc3339(min(max(stamps) + _MILLISECOND, segment.slot.until)),
        "bytes": segment.size,
        "sha256": hasher.hexdigest(),
        "redactor": USER_AGENT,
        **({"visible": visible} if visible else {}),
    }


def _visible(segment: Segment) -> dict[str, list[str]]:
    """Return for each kind of picture or title the apps of all windows that could be seen."""
    found: dict[str, set[str]] = {}
    for record in segment.records:
        if record.visible:
            found.setdefault(record.signal, set()).update(record.visible)
    return {signal: sorted(found[signal]) for signal in sorted(found)}


class Uploader:
    """Sends what is closed, one batch after the other."""

    def __init__(
        self,
        spool: Spool,
        portal: Portal,
        may_send: Callable[[], bool],
        bandwidth: Bandwidth,
    ) -> None:
        self._spool = spool
        self._portal = portal
        self._bandwidth = bandwidth
        self._bucket = Bucket()
        self._on_its_way = ""  # the batch
        self._may_send = may_send
        self._mismatches: Counter[str] = Counter()
        self.waits = 0.0  # seconds until the bandwidth lets the next batch go

    def send_closed(self, release: Release) -> Uploaded:
        """Hand in the closed segments that may leave; stop where the person pauses.

        UnreachableError and StandingError pass through; what was not sent stays.
        """
        done = Uploaded()
        self.waits = 0.0
        for batch in self._spool.closed():
            self.waits = self._bandwidth.over(release)
            with self._spool.held():  # what is forgotten from here on is gone from the spool
                if self.waits or not self._may_send():
                    break
                segment = self._spool.read(batch)
            if segment is None:
                self._spool.remove(batch)
                continue
            if max(record.stamp for record in segment.records) > release.until:
                continue  # under embargo: the person can still have it forgotten here
            self._bandwidth.spent += segment.size
            self._on_its_way = batch
            try:
                refusal = self._send(segment, release.elsewhere)
            finally:
                self._on_its_way = ""
            if refusal is None:
                self._spool.remove(batch)
                done.admitted += 1
                done.events += len(segment.records)
            else:
                self._refused(segment, refusal, done)
        return done

    def holds_what_is_gone(self) -> bool:
        """Return whether the batch on its way was erased meanwhile; for another thread to ask."""
        batch = self._on_its_way
        return bool(batch) and not self._spool.exists(batch)

    def break_off(self) -> None:
        """Break off, from another thread, what goes to wherever bytes go besides the portal."""
        self._bucket.break_off()

    def close(self) -> None:
        """Close the connection to wherever bytes went besides the portal."""
        self._bucket.close()

    def _send(self, segment: Segment, elsewhere: frozenset[str]) -> Refusal | None:
        """Hand in one segment. Crash after the manifest: the next round asks for the same place."""
        place = self._portal.announce(manifest(segment))
        if isinstance(place, Refusal):
            return place
        if place is None:
            return None  # the portal has the bytes already: only its answer was lost
        if not self._wanted(segment):
            return Refusal(0, "dropped_here", ())
        body = Body(segment.size, partial(self._parts, segment))
        if not place.received:
            return self._portal.upload(place.url, body)
        if refusal := self._bucket.upload(place, body, elsewhere):
            return refusal
        return self._portal.received(place.received)

    def _wanted(self, segment: Segment) -> bool:
        with self._spool.held():
            return self._may_send() and self._spool.exists(segment.batch)

    def _parts(self, segment: Segment) -> Iterator[bytes]:
        """Yield a batch's bytes as long as it is there and may leave."""
        for part in segment.parts():
            if not self._wanted(segment):
                raise UnreachableError("broken_off", "what was on its way may not leave any more")
            yield part

    def _refused(self, segment: Segment, refusal: Refusal, done: Uploaded) -> None:
        """Keep a batch whose bytes did not arrive as they are, up to a limit; drop all others.

        What the policy refused must not be kept and tried again.
        """
        if refusal.code == "dropped_here":
            return
        self._mismatches[segment.batch] += 1
        tries = self._mismatches[segment.batch]
        if refusal.code in {"bytes_do_not_match", UPLOAD_REFUSED} and tries < TRIES:
            return
        for reason in refusal.reasons or (refusal.code or f"status_{refusal.status}",):
            done.refused[reason] += 1
        self._spool.remove(segment.batch)
        del self._mismatches[segment.batch]
