"""What people answered, as policies need it: no more than bears on a decision, for many at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from consent.models import ConsentEvent, ConsentScope, Prepared
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
    rows = _NEWEST.rows(subjects) if by is None else _NEWEST_BY.rows(subjects, by)
    covers = _covers([key for _, key, *_ in rows])
    found: dict[int, dict[str, Answer]] = {subject: {} for subject in subjects}
    for subject, key, code, state, at, purpose, version in rows:
        found[subject][code] = Answer(ConsentState(state), at, purpose, version, covers[key])
    return dict(found)


def _newest(events: QuerySet[ConsentEvent]) -> QuerySet[ConsentEvent, tuple[Any, ...]]:
    newest = events.order_by("subject_id", "purpose_id", "-position")
    return newest.distinct("subject_id", "purpose_id").values_list(
        "subject_id",
        "pk",
        "purpose__code",
        "state",
        "event_time",
        "notice__purpose_id",
        "notice__version",
    )


_NEWEST: Final = Prepared(lambda keys, _: _newest(ConsentEvent.objects.filter(subject__among=keys)))
_NEWEST_BY: Final = Prepared(
    lambda keys, by: _newest(ConsentEvent.objects.filter(subject__among=keys, event_time__lte=by))
)
_COVERED: Final = Prepared(
    lambda keys, _: ConsentScope.objects.filter(event__among=keys).values_list(
        "event_id", "app__code", "signal", "listing_id"
    )
)


def _covers(events: Collection[int]) -> dict[int, Covered]:
    found: dict[int, dict[tuple[str, Signal], int | None]] = {event: {} for event in events}
    if found:
        for event, app, signal, listing in _COVERED.rows(found):
            found[event][app, Signal(signal)] = listing
    return dict(found)
