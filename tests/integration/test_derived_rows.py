"""Rows that follow others cannot say otherwise, whatever the application's role writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests import factories

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)


@pytest.fixture
def world(database: Any) -> factories.World:
    """Somebody who moves in three days, somebody who left, and a cohort where nobody is."""
    from consent import services

    world = factories.make_world("IE")
    world.say_yes()
    world.another_subject("FR")
    services.record_fact(
        subject=world.subject,
        kind="residence",
        value="FR",
        valid_from=TODAY + 3 * DAY,
        source="test",
        actor=factories.OFFICER,
    )
    services.record_departure(
        subject=world.another_subject(),
        left_at=datetime.now(UTC) - DAY,
        source="test",
        actor=factories.OFFICER,
    )
    return world


NEW_SUBJECT = "INSERT INTO consent_subject (ref, language, position"
OTHER_COHORT = "(SELECT min(c.id) FROM consent_cohort c WHERE c.id <> s.cohort_id)"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_cohort SET facts = jsonb_set(facts, '{jurisdictions}', '[\"US\"]')",
        "UPDATE consent_cohort SET digest = md5(id::text)",
        "UPDATE consent_cohort SET rulebook = 'another'",
        "UPDATE consent_personalpolicy SET revision = revision - 1",
        "UPDATE consent_personalpolicy SET revision = revision",
        "UPDATE consent_personalpolicy SET subject_id = subject_id + 1000, revision = 99",
        "UPDATE consent_subject SET cohort_id = NULL",
        f"UPDATE consent_subject s SET cohort_id = {OTHER_COHORT}",
        "UPDATE consent_subject SET position = position - 1 WHERE position > 0",
        "UPDATE consent_subject SET ref = gen_random_uuid()",
        f"{NEW_SUBJECT}, cohort_id) SELECT gen_random_uuid(), 'en', 0, min(id) FROM consent_cohort",
    ],
)
@pytest.mark.parametrize("role", ["app", "owner"])
def test_what_is_derived_cannot_be_altered_by_itself(
    world: factories.World, database: Any, statement: str, role: str
) -> None:
    tables = "consent_cohort", "consent_personalpolicy", "consent_subject"
    before = [database.sql(f"SELECT * FROM {table} ORDER BY id") for table in tables]

    with pytest.raises(psycopg.errors.IntegrityError):
        database.sql(statement, role=role)

    assert [database.sql(f"SELECT * FROM {table} ORDER BY id") for table in tables] == before


def test_what_the_services_do_still_commits(world: factories.World, database: Any) -> None:
    """A move on its day, a return, other rules for all cohorts, and a rehearsal."""
    from consent import services
    from consent.models import Cohort, Departure

    gone = Departure.objects.get().subject
    services.record_return(subject=gone, source="test", actor=factories.OFFICER)
    gone.refresh_from_db()
    assert gone.departed_at is None

    turns = factories.midnight(TODAY + 3 * DAY)
    left = world.subject.cohort_id
    assert services.place_turned(at=turns) == 1
    world.subject.refresh_from_db()
    assert (world.subject.turns_at, world.subject.cohort_id == left) == (None, False)

    database.sql("UPDATE consent_cohort SET rulebook = ''")
    assert services.follow_rules(at=datetime.now(UTC)) == 0, "their revisions are up to date"
    assert not Cohort.objects.filter(rulebook="").exists()
    payload = {"purpose": "train-agents", "app": "tracker", "add": [], "remove": ["scroll"]}
    assert services.impact_of("allowlist.change", payload).lines
