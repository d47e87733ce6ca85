"""Incidents wait until somebody has looked into them, and the ledger says who did and what it was.

What waits is all that came after the last look, whoever looked and in whatever order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
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


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute of patience: nothing else is being judged here."""
    from portal.pages import incidents as page
    from retention.services import incidents

    for module in (incidents, page):
        monkeypatch.setattr(module, "SETTLED", timedelta(0))


def incident(subject: Any, number: int = 0) -> None:
    """Somebody's machine hands in what it captured before it had a lease."""
    from retention.exceptions import BatchQuarantined

    agent = factories.make_agent(subject)
    policy = factories.make_policy(agent)
    before = policy.issued_at - timedelta(hours=2)
    within = {"captured_from": before, "captured_until": before + timedelta(seconds=9)}
    with pytest.raises(BatchQuarantined):
        factories.hand_in(agent, policy, b"outside every lease %d" % number, **within)


def look(**more: Any) -> Any:
    from retention import services
    from retention.models import IncidentReview

    said = {"through": timezone.now(), "finding": IncidentReview.Finding.MENDED, "by": OFFICER}
    return services.look_into_incidents(**{**said, **more})


def waiting() -> int:
    from retention.services import open_incidents

    return open_incidents().count()


def entries(database: Any) -> Any:
    return database.sql("SELECT body FROM audit_entry WHERE type = 'incident.looked_into'")


# --- what waits ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
@given(st.lists(st.sampled_from(["incident", "look", "late look"]), max_size=8))
@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_waits_came_after_the_last_look(world: factories.World, steps: list[str]) -> None:
    from retention.exceptions import NothingToLookInto

    expected, before = waiting(), datetime(2020, 1, 1, tzinfo=UTC)
    for number, step in enumerate(steps):
        if step == "incident":
            incident(world.subject, number)
            expected += 1
        elif step == "look" and expected:
            before = timezone.now()
            look(through=before)
            expected = 0
        else:  # of a page that was opened before the last look, or of nothing
            with pytest.raises(NothingToLookInto):
                look(through=before, by=UUID(int=100 + number))

        assert waiting() == expected


@pytest.mark.usefixtures("at_once")
def test_a_look_is_in_the_ledger_once_however_often_it_is_sent(
    world: factories.World, database: Any
) -> None:
    incident(world.subject)
    through = timezone.now()

    first, second = look(through=through), look(through=through)

    assert first == second
    [(body,)] = entries(database)
    assert b'"finding":"mended"' in bytes(body)
    assert str(world.subject.ref).encode() not in bytes(body)


def test_what_may_still_be_judged_is_not_looked_into(world: factories.World, database: Any) -> None:
    from retention.exceptions import IncidentsTooFresh

    incident(world.subject)

    with pytest.raises(IncidentsTooFresh):
        look(through=timezone.now() - timedelta(seconds=55))
    with pytest.raises(IncidentsTooFresh):
        look(through=timezone.now() + timedelta(days=1))

    assert (waiting(), entries(database)) == (1, [])


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


@pytest.mark.usefixtures("at_once")
def test_an_incident_waits_on_the_first_page_until_it_was_looked_into(
    world: factories.World,
) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)

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
    assert WAITS in officer.get(PAGE).content.decode()


@pytest.mark.usefixtures("at_once")
def test_what_came_after_the_page_was_opened_waits_still(world: factories.World) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)
    page = officer.get(PAGE).content.decode()
    incident(world.subject, 1)

    said = officer.post(PAGE, form_of(page) | {"finding": "mended"}, follow=True).content.decode()

    assert "Recorded." in said
    assert WAITS in said
    assert waiting() == 1


def test_a_look_that_cannot_be_recorded_says_why(world: factories.World, database: Any) -> None:
    officer = signed_in("privacy_officer")
    incident(world.subject)
    page = officer.get(PAGE).content.decode()

    unsaid = officer.post(PAGE, form_of(page))
    odd = officer.post(PAGE, {"through": "yesterday", "finding": "mended"})
    fresh = officer.post(
        PAGE, {"through": timezone.now().isoformat(), "finding": "mended"}, follow=True
    )

    assert (unsaid.status_code, odd.status_code) == (422, 422)
    assert "Wait a minute" in fresh.content.decode()
    assert entries(database) == []


@pytest.mark.usefixtures("at_once")
def test_of_how_few_people_is_not_said(world: factories.World, settings: Any) -> None:
    officer = signed_in("privacy_officer")
    said = []
    for _ in range(2):
        incident(world.another_subject())
        said.append(form_free(officer.get(PAGE).content.decode()))

    assert said[0] == said[1]
    settings.SMALLEST_GROUP = 2
    assert "of 2 people or more" in officer.get(PAGE).content.decode()


def form_free(page: str) -> str:
    """The page without what differs from one second to the next."""
    import re

    return re.sub(r'value="[^"]{20,}"|nonce="[^"]+"', "", page)
