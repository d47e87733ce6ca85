"""Who agreed to a shorter notice period: a fold of what they said, the newest of each counts.

What it is worth the core decides: nothing where one place does not let people agree to less.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Final

from django.db.models import QuerySet

from consent.models import ConsentEvent, NoticeWaiver, Prepared, Subject
from consent.policy.types import ConsentState

Waived = Mapping[tuple[int, int], date]
"""Purpose and version of a notice -> the first day of the period that the agreement is about."""


def waived_by(subjects: Collection[int], *, at: datetime | None = None) -> dict[int, Waived]:
    """Return for each subject the notices of which they agreed to a shorter period.

    What was taken back is left out. With `at` by what they had said at that instant, else by the
    record as it stands.
    """
    found: dict[int, dict[tuple[int, int], date]] = {subject: {} for subject in subjects}
    said = _SAID.rows(subjects) if at is None else _SAID_BY.rows(subjects, at)
    for subject, purpose, version, agreed, told_on in said:
        if agreed:
            found[subject][purpose, version] = told_on
        else:
            found[subject].pop((purpose, version), None)
    return dict(found)


def _said(waivers: QuerySet[NoticeWaiver]) -> QuerySet[NoticeWaiver, tuple[Any, ...]]:
    return waivers.order_by("pk").values_list(
        "subject_id", "notice__purpose_id", "notice__version", "agreed", "told_on"
    )


_SAID: Final = Prepared(lambda keys, _: _said(NoticeWaiver.objects.filter(subject__among=keys)))
_SAID_BY: Final = Prepared(
    lambda keys, by: _said(NoticeWaiver.objects.filter(subject__among=keys, event_time__lte=by))
)


def standing_waiver(subject: Subject, notice: int) -> NoticeWaiver | None:
    """Return what the person agreed to about a notice; None where nothing of it stands."""
    rows = NoticeWaiver.objects.filter(subject=subject, notice=notice)
    newest = rows.order_by("-pk").first()
    return newest if newest and newest.agreed else None


def waivers_under(event: ConsentEvent) -> list[NoticeWaiver]:
    """Return what a person agreed to about the notice of a yes, and where that ended, in order.

    What stood when they said yes (who only chooses otherwise need not agree anew), and what was
    said until their next one; nothing of any other answer than a yes.
    """
    if event.state != ConsentState.GIVEN:
        return []
    later = ConsentEvent.objects.filter(
        subject=event.subject_id,
        purpose=event.purpose_id,
        position__gt=event.position,
        state=ConsentState.GIVEN,
    )
    rows = NoticeWaiver.objects.filter(subject=event.subject_id, notice=event.notice_id)
    # Without a yes there is nothing to agree to: what lies between is how the one of before ended.
    if following := later.order_by("position").first():
        rows = rows.filter(recorded_at__lt=following.recorded_at)
    found: list[NoticeWaiver] = []
    for row in rows.order_by("pk"):
        if row.recorded_at <= event.recorded_at:
            found = [row] if row.agreed else []
        else:
            found.append(row)
    return found


def waiver_ended_between(
    subject: Subject, purpose: str, *, issued_at: datetime, since: datetime, until: datetime
) -> bool:
    """Say whether the agreement was taken back after a policy was issued, and not given again
    before the interval ended: what was recorded meanwhile the policy allows no more.
    """
    rows = NoticeWaiver.objects.filter(subject=subject, notice__purpose__code=purpose)
    said = list(rows.order_by("pk").values_list("agreed", "event_time"))
    for place, (agreed, at) in enumerate(said):
        if agreed or at < issued_at or at > until:
            continue
        again = next((when for yes, when in said[place + 1 :] if yes), None)
        if again is None or again > since:
            return True
    return False
