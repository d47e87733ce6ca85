"""What people answered, as policies need it: no more than bears on a decision, for many at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from consent.models import ConsentEvent, ConsentScope
from consent.policy.types import ConsentState, Signal

Covered = Mapping[tuple[str, Signal], int | None]
"""Each pair of app and signal, and the entry of the list by which it was asked for, if known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The newest decision of somebody about one purpose."""

    state: ConsentState
    at: datetime
    purpose: int
    """The key of the purpose whose notice was answered."""
    notice_version: int
    covers: Covered


Answers = Mapping[str, Answer]
"""Purpose code -> what stands; a purpose that is not in it is *unknown*."""


def answers_of(subjects: Collection[int], *, by: datetime | None = None) -> dict[int, Answers]:
    """Return what each subject answered; with `by` what they had by that instant."""
    events = ConsentEvent.objects.filter(subject__among=subjects)
    if by is not None:
        events = events.filter(event_time__lte=by)
    rows = _newest(events)
    covers = _covers([key for _, key, *_ in rows])
    found: dict[int, dict[str, Answer]] = {subject: {} for subject in subjects}
    for subject, key, code, state, at, purpose, version in rows:
        found[subject][code] = Answer(ConsentState(state), at, purpose, version, covers[key])
    return dict(found)


def _newest(events: QuerySet[ConsentEvent]) -> list[tuple[Any, ...]]:
    newest = events.order_by("subject_id", "purpose_id", "-position")
    return list(
        newest.distinct("subject_id", "purpose_id").values_list(
            "subject_id",
            "pk",
            "purpose__code",
            "state",
            "event_time",
            "notice__purpose_id",
            "notice__version",
        )
    )


def _covers(events: Collection[int]) -> dict[int, Covered]:
    found: dict[int, dict[tuple[str, Signal], int | None]] = {event: {} for event in events}
    if found:
        rows = ConsentScope.objects.filter(event__among=found)
        for event, app, signal, listing in rows.values_list(
            "event_id", "app__code", "signal", "listing_id"
        ):
            found[event][app, Signal(signal)] = listing
    return dict(found)
