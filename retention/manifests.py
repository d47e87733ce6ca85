"""What an agent says about a batch before it sends the bytes. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from consent.policy.types import SHOWS_OTHER_WINDOWS, Signal

MOST_A_SECOND: Final = 10_000
"""Events of one signal in a second. The quickest pointing devices tell of eight thousand."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One batch in the agent's words.

    `visible` names for each kind of picture or title the apps of all windows that could be seen on
    them, the batch's own app among them; codes as the policy has them, and nothing else.
    """

    batch: UUID
    policy_version: int
    purpose: str
    app: str
    signals: dict[str, int]
    captured_from: datetime
    captured_until: datetime
    bytes: int
    sha256: str
    redactor: str
    visible: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the manifest as JSON; equal manifests give equal documents."""
        said = {
            **asdict(self),
            "batch": str(self.batch),
            "captured_from": _instant(self.captured_from),
            "captured_until": _instant(self.captured_until),
            "visible": self.visible_apps(),
        }
        # One without pictures and titles reads as it did before there was such a list.
        return said if self.visible else {k: v for k, v in said.items() if k != "visible"}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Manifest":
        """Return the manifest that `document` was made from."""
        return cls(
            **{
                **document,
                "batch": UUID(document["batch"]),
                "captured_from": datetime.fromisoformat(document["captured_from"]),
                "captured_until": datetime.fromisoformat(document["captured_until"]),
            }
        )

    def captured_on(self) -> date:
        """Return the day, in UTC, on which its capture began: batches are filed by it."""
        return self.captured_from.astimezone(UTC).date()

    def visible_apps(self) -> dict[str, list[str]]:
        """Return signal -> apps of all windows in sight, in order and each once."""
        return {signal: sorted(set(self.visible[signal])) for signal in sorted(self.visible)}

    def pairs(self) -> set[tuple[str, Signal]]:
        """Return every pair (app, signal) that the batch holds: its own app's, and what was beside.

        All of them must be allowed, and the shortest term of them holds for the whole batch.
        """
        own = {(self.app, Signal(signal)) for signal in self.signals}
        return own | {(app, Signal(s)) for s, apps in self.visible.items() for app in apps}

    def apps(self) -> set[str]:
        """Return every app that the batch shows something of."""
        return {app for app, _ in self.pairs()}


def window_objections(
    manifest: Manifest, allowed: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    """Yield why pictures and titles may not be let in for what else could be seen on them.

    `allowed` is app -> signal -> days, of the purpose. A list that leaves out the batch's own app
    cannot be one of all windows: it counts as none.
    """
    for signal in sorted(SHOWS_OTHER_WINDOWS.intersection(manifest.signals)):
        apps = manifest.visible.get(signal, ())
        if manifest.app not in apps:
            yield f"visible_unknown:{signal}"
        elif any(signal not in allowed.get(app, {}) for app in apps if app != manifest.app):
            yield f"visible_not_allowed:{signal}"


def count_objections(manifest: Manifest) -> Iterator[str]:
    """Yield why its counts cannot be true, whatever the bytes are: they hold too little for so
    many events, or it was too short a time.

    Each event takes a byte at least, however it is written; each second that was begun counts.
    """
    if sum(manifest.signals.values()) > manifest.bytes:
        yield "more_events_than_bytes"
    span = manifest.captured_until - manifest.captured_from
    seconds = max(math.ceil(span.total_seconds()), 1)
    for signal, count in sorted(manifest.signals.items()):
        if count > seconds * MOST_A_SECOND:
            yield f"more_events_than_time:{signal}"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
