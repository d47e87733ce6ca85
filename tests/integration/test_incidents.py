"""Incidents wait until somebody has looked into them, and the ledger says who did and what it was.

What waits is all that came after the last look and before the present hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit import events
from tests import factories
from tests.integration.test_pages import signed_in
from tests.integration.test_words_in_names import refused, write

OFFICER = UUID(int=7)
PAGE = "/privacy/incidents/"
WAITS = "nobody has looked into yet"


@pytest.fixture
def world(database: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


def incident(subject: Any, number: int = 0) -> None:
    """Somebody's machine hands in what it captured before it had a lease."""
    from retention.exceptions import BatchQuarantined

    agent = factories.make_agent(subject)
    policy = factories.make_policy(agent)
    before = policy.issued_at - timedelta(hours=2)
    within = {"captured_from": before, "captured_until": before + timedelta(seconds=9)}
    with pytest.raises(BatchQuarantined):
        factories.hand_in(agent, policy, b"outside every lease %d" % number, **within)


def hours_pass(database: Any) -> None:
    """Two of them, for all that has happened: told is what lies before the present hour."""
    database.sql(
        """
        ALTER TABLE retention_admission DISABLE TRIGGER USER;
        ALTER TABLE retention_incidentreview DISABLE TRIGGER USER;
        UPDATE retention_admission SET announced_at = announced_at - interval '2 hours';
        UPDATE retention_incidentreview SET through = through - interval '2 hours',
            recorded_at = recorded_at - interval '2 hours';
        ALTER TABLE retention_admission ENABLE TRIGGER USER;
        ALTER TABLE retention_incidentreview ENABLE TRIGGER USER;
        """
    )


def look(**more: Any) -> Any:
    from retention import services
    from retention.models import IncidentReview
    from retention.services import settled

    said = {"through": settled(), "finding": IncidentReview.Finding.MENDED, "by": OFFICER}
    return services.look_into_incidents(**{**said, **more})


def waiting() -> int:
    from retention.services import open_incidents, settled

    return open_incidents(before=settled()).count()


def entries(database: Any) -> Any:
    return database.sql("SELECT body FROM audit_entry WHERE type = 'incident.looked_into'")


# --- what waits ----------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["incident", "hours", "look", "late look"]), max_size=8))
@example(["incident", "hours", "incident", "look", "hours", "late look", "look"])
@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_waits_came_after_the_last_look_and_before_this_hour(
    world: factories.World, database: Any, steps: list[str]
) -> None:
    from retention.exceptions import NothingToLookInto

    hours_pass(database)
    before = timezone.now() - timedelta(hours=2)
    if waiting():
        look(by=uuid4())
    expected = fresh = 0
    for number, step in enumerate(steps):
        if step == "incident":
            incident(world.subject, number)
            fresh += 1
        elif step == "hours":
            hours_pass(database)
            before -= timedelta(hours=2)
            expected, fresh = expected + fresh, 0
        elif step == "look" and expected:
            look(by=uuid4())
            before, expected = timezone.now() - timedelta(hours=1), 0
        else:  # of a page that was opened before the last look, or of nothing
            with pytest.raises(NothingToLookInto):
                look(by=uuid4(), **({"through": before} if step == "late look" else {}))

        assert waiting() == expected


def test_a_look_is_in_the_ledger_once_however_often_it_is_sent(
    world: factories.World, database: Any
) -> None:
    incident(world.subject)
    hours_pass(database)

    first, second = look(), look()

    assert first == second
    [(body,)] = entries(database)
    assert b'"finding":"mended"' in bytes(body)
    assert str(world.subject.ref).encode() not in bytes(body)


def test_no_hour_is_looked_into_that_is_not_over(world: factories.World, database: Any) -> None:
    from retention.exceptions import IncidentsTooFresh, NothingToLookInto
    from retention.services import settled

    incident(world.subject)
    hour = settled()

    assert (hour.minute, hour.second, hour.microsecond) == (0, 0, 0)
    assert timedelta(minutes=10) <= timezone.now() - hour <= timedelta(minutes=71)
    with pytest.raises(IncidentsTooFresh):
        look(through=hour + timedelta(hours=1))
    with pytest.raises(NothingToLookInto):
        look(through=hour + timedelta(minutes=59))  # which counts as the hour itself
    assert entries(database) == []


# --- the database --------------------------------------------------------------------------------


def test_no_look_is_recorded_that_the_ledger_does_not_tell_of(database: Any) -> None:
    from retention.models import IncidentReview

    through = timezone.now() - timedelta(hours=1)
    said = events.IncidentsLookedInto(through=through.date(), finding="mended")

    def review() -> IncidentReview:
        return IncidentReview(through=through, finding="mended", by=OFFICER)

    insert = "INSERT INTO retention_incidentreview (through, finding, by) VALUES (%s, 'mended', %s)"
    with pytest.raises(psycopg.Error):
        database.sql(insert, through, OFFICER)
    with refused():
        write(review(), said, UUID(int=8))
    write(review(), said, OFFICER)
    for change in (
        "UPDATE retention_incidentreview SET finding = 'restored'",
        "DELETE FROM retention_incidentreview",
    ):
        with pytest.raises(psycopg.Error):
            database.sql(change)

    assert database.sql("SELECT finding FROM retention_incidentreview") == [("mended",)]


def test_a_look_reaches_no_further_than_the_present(database: Any) -> None:
    from django.db import IntegrityError

    from retention.models import IncidentReview

    ahead = timezone.now() + timedelta(hours=1)
    said = events.IncidentsLookedInto(through=ahead.date(), finding="mended")

    with pytest.raises(IntegrityError, match="review_of_what_was_there"):
        write(IncidentReview(through=ahead, finding="mended", by=OFFICER), said, OFFICER)


# --- the page ------------------------------------------------------------------------------------


def form_of(page: str) -> dict[str, str]:
    """What a browser would send: the hidden instant, as it stands there."""
    return {"through": page.partition('name="through" value="')[2].partition('"')[0]}


def told_of(officer: Any) -> list[dict[str, str]]:
    """What the privacy team's first page says of incidents."""
    todo: list[dict[str, str]] = officer.get("/privacy/").context["todo"]
    return [one for one in todo if "incident" in one["text"]]


def test_an_incident_waits_on_the_first_page_until_it_was_looked_into(
    world: factories.World, database: Any
) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)
    assert told_of(officer) == []
    assert WAITS not in officer.get(PAGE).content.decode()
    hours_pass(database)

    [told] = told_of(officer)
    page = officer.get(told["url"]).content.decode()
    said = officer.post(PAGE, form_of(page) | {"finding": "removed"}, follow=True)

    assert WAITS in page
    led_to = page.partition("#incidents")[0].rpartition('"')[2]
    assert 'id="incidents"' in officer.get(led_to).content.decode()
    after = said.content.decode()
    assert WAITS not in after
    assert "A program is no longer used" in after
    assert [
        one for one in officer.get("/privacy/").context["todo"] if "incident" in one["text"]
    ] == []

    incident(world.subject, 1)
    hours_pass(database)
    assert WAITS in officer.get(PAGE).content.decode()


def test_what_came_after_the_hour_that_was_told_waits_still(
    world: factories.World, database: Any
) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)
    hours_pass(database)
    incident(world.subject, 1)
    page = officer.get(PAGE).content.decode()

    said = officer.post(PAGE, form_of(page) | {"finding": "mended"}, follow=True).content.decode()

    assert "Recorded." in said
    assert WAITS not in said
    hours_pass(database)
    assert waiting() == 1


def test_a_look_that_cannot_be_recorded_says_why(world: factories.World, database: Any) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)
    hours_pass(database)
    page = officer.get(PAGE).content.decode()

    unsaid = officer.post(PAGE, form_of(page))
    odd = officer.post(PAGE, {"through": "yesterday", "finding": "mended"})
    ahead = (timezone.now() + timedelta(hours=1)).isoformat()
    fresh = officer.post(PAGE, {"through": ahead, "finding": "mended"}, follow=True)

    assert (unsaid.status_code, odd.status_code) == (422, 422)
    for shown in (unsaid, odd):  # the hour that the page tells of, whatever was sent
        assert form_of(shown.content.decode()) == form_of(page)
    assert "that hour is not over" in fresh.content.decode()
    assert entries(database) == []


def test_of_how_few_people_is_not_said(
    world: factories.World, settings: Any, database: Any
) -> None:
    officer = signed_in("privacy_officer")
    said = []
    for _ in range(2):
        incident(world.another_subject())
        hours_pass(database)
        said.append(form_free(officer.get(PAGE).content.decode()))

    assert said[0] == said[1]
    settings.SMALLEST_GROUP = 2
    assert "of 2 people or more" in officer.get(PAGE).content.decode()


def form_free(page: str) -> str:
    """The page without what differs from one second to the next."""
    import re

    return re.sub(r'value="[^"]{20,}"|nonce="[^"]+"', "", page)
