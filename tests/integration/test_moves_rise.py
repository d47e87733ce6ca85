"""A move that the calendar brings raises the person's own revision, as one that is told does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests import factories


def test_a_fact_that_begins_makes_every_older_policy_an_older_one(database: Any) -> None:
    from consent import services
    from consent.models import PersonalPolicy, Subject

    subject = factories.make_world("IE").subject
    now = datetime.now(UTC)
    services.record_fact(
        subject=subject,
        kind="work_location",
        value="GB",
        valid_from=now.date() + timedelta(days=2),
        source="test",
        actor=factories.OFFICER,
    )
    before = PersonalPolicy.objects.get(subject=subject).revision
    cohort = Subject.objects.get(pk=subject.pk).cohort_id

    assert services.place_turned(at=now + timedelta(days=4)) == 1

    assert Subject.objects.get(pk=subject.pk).cohort_id != cohort
    assert PersonalPolicy.objects.get(subject=subject).revision > before
