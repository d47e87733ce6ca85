"""What somebody else may learn by asking why: nothing that the person did, left undone or said."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)

OWN, OTHERS, API = "/you/explain/", "/privacy/explain/", "/api/v1/explain"
Does = Callable[[factories.World], None]


def says_nothing(world: factories.World) -> None:
    pass


def says_yes(world: factories.World) -> None:
    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))


def says_yes_without_a_machine(world: factories.World) -> None:
    world.say_yes()


def refuses(world: factories.World) -> None:
    from consent import services

    services.decline_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        language="en",
        deferred=False,
    )


def refuses_with_a_machine(world: factories.World) -> None:
    factories.make_policy(factories.make_agent(world.subject))
    refuses(world)


def withdraws(world: factories.World) -> None:
    from consent import services

    says_yes(world)
    services.withdraw_consent(subject=world.subject, purpose="train-agents")


def pauses(world: factories.World) -> None:
    from consent import services

    says_yes(world)
    services.pause_capture(subject=world.subject)


def chooses_less(world: factories.World) -> None:
    world.say_yes(("tracker", Signal.SCROLL))


def confirms_the_notice(world: factories.World) -> None:
    from consent import services

    services.acknowledge_notice(subject=world.subject, notice=world.notice)


def answered_an_older_notice(world: factories.World) -> None:
    """A yes of old: too old, by another notice, imported."""
    from consent import services

    services.give_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
        language="en",
        event_time=datetime(2024, 2, 1, tzinfo=UTC),
        imported=True,
    )


def cut_off(world: factories.World) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    says_yes(world)
    services.revoke_agent(subject=world.subject, ref=agent.ref)


STATES: list[Does] = [
    says_nothing, says_yes, says_yes_without_a_machine, refuses, refuses_with_a_machine,
    withdraws, pauses, chooses_less, confirms_the_notice, answered_an_older_notice, cut_off,
]  # fmt: skip


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


# --- alike, byte for byte, query for query -------------------------------------------------------


def by_page(world: factories.World, signal: str, at: datetime) -> bytes:
    asked = {"subject": str(world.subject.ref), "app": "tracker", "signal": signal}
    asked |= {"at": f"{at:%Y-%m-%dT%H:%M}"}  # always: the present minute passes
    content = officer.post(OTHERS, asked).content
    return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]+"|nonce="[^"]+"', b"", content)


def by_api(world: factories.World, signal: str, at: datetime) -> bytes:
    body = {"subject": str(world.subject.ref), "app": "tracker", "signal": signal}
    body |= {"at": at.isoformat()}
    answer = officer.post(API, body, content_type="application/json")
    assert answer.status_code == 200
    return answer.content


def by_command(world: factories.World, signal: str, at: datetime) -> bytes:
    out = io.StringIO()
    ref = str(world.subject.ref)
    call_command(
        "explain", "--subject", ref, "--app", "tracker", "--signal", signal, "--at",
        at.isoformat(), stdout=out,
    )  # fmt: skip
    return out.getvalue().encode()


@pytest.fixture(autouse=True)
def who_asks(database: Any) -> None:
    global officer  # noqa: PLW0603  one login for all the ways of asking
    officer = signed_in("privacy_officer")


officer: Client


def seen(world: factories.World, at: datetime) -> dict[str, tuple[bytes, list[str]]]:
    """What each way of asking answers, and which queries it took, whoever it is about."""
    found = {}
    for way in (by_page, by_api, by_command):
        with CaptureQueriesContext(connection) as caught:
            answer = way(world, "mouse_click", at)
        ref = str(world.subject.ref).encode()
        found[way.__name__] = (answer.replace(ref, b"REF"), shape(caught))
    return found


def shape(caught: CaptureQueriesContext) -> list[str]:
    """The queries in order, values left out."""
    return [re.sub(r"'[^']*'|\d+|s\d+_x\d+", "?", query["sql"]) for query in caught]


@pytest.mark.parametrize("when", ["later", "past"])
def test_whatever_a_person_did_the_answer_is_alike(world: factories.World, when: str) -> None:
    """Everybody of one place, each of whom did something else: the same bytes and queries."""
    people = {}
    for does in STATES:
        people[does.__name__] = world.subject = world.another_subject()
        does(world)
    at = timezone.now() + timedelta(days=3) if when == "later" else timezone.now()
    world.subject = people["says_nothing"]
    seen(world, at)  # what is remembered from question to question is warm
    expected = seen(world, at)

    for name, world.subject in people.items():
        for way, (answer, queries) in seen(world, at).items():
            assert answer == expected[way][0], (name, way)
            assert queries == expected[way][1], (name, way)

    answer = json.loads(expected["by_api"][0])
    assert (answer["decision"], answer["reconstructed"]) == ("theirs", False)


def test_what_others_may_do_about_stays(world: factories.World) -> None:
    from consent import services

    services.pull_kill_switch(purpose=None, by=uuid4(), role="operator", reason="incident")
    pauses(world)

    told = json.loads(by_api(world, "mouse_click", timezone.now()))

    assert told["decision"] == "deny"
    assert told["answers"][0]["reasons"] == ["kill_switch"]
    assert told["personal"]


def test_a_signal_nobody_is_asked_for_is_not_said_to_be_the_persons_choice(
    world: factories.World,
) -> None:
    told = json.loads(by_api(world, "screenshot", timezone.now()))

    assert "signal_not_listed" in told["answers"][0]["reasons"]
    assert "signal_not_consented" not in told["answers"][0]["reasons"]


def test_the_shared_half_is_what_a_yes_to_everything_would_lead_to(world: factories.World) -> None:
    """The same reasons and term, pair by pair, as the person gets who says yes to all of it."""
    from consent import selectors

    at = timezone.now() + timedelta(days=1)
    shared = selectors.shared_verdicts_at(world.subject, at=at)
    world.say_yes(*((app, signal) for app in world.apps for signal in factories.OFFERED))
    confirms_the_notice(world)
    own = selectors.verdicts_for(world.subject, at=at)

    decided = [
        {
            (p.purpose, p.app, p.signal): (p.decision.codes, p.decision.retention_days)
            for p in v.pairs
        }
        for v in (shared, own)
    ]
    assert decided[0] == decided[1]
    assert any(not codes for codes, _days in decided[0].values())


# --- shared by the person ------------------------------------------------------------------------


def share(person: Client, **differs: Any) -> Any:
    today = timezone.now().astimezone(UTC).date().isoformat()
    said = {"app": "tracker", "signal": "mouse_click", "day": today, "days": "7", **differs}
    return person.post("/you/explain/share/", said, follow=True)


def share_now(world: factories.World) -> Any:
    """Share by the service itself: one person is signed in at a time."""
    from consent import services

    return services.share_explanation(
        subject=world.subject, app=world.apps["tracker"], signal=Signal.MOUSE_CLICK,
        day=timezone.now().astimezone(UTC).date(), days=7,
    )  # fmt: skip


def test_what_a_person_shares_is_told_whole_until_they_stop(
    world: factories.World, database: Any
) -> None:
    pauses(world)
    person = signed_in(subject=world.subject)

    page = person.post(OWN, {"app": "tracker", "signal": "mouse_click"})
    assert "Share this answer" in page.content.decode()
    assert "Stop sharing" in share(person).content.decode()
    told = json.loads(by_api(world, "mouse_click", timezone.now()))
    assert (told["part"], told["personal"]) == ("whole", "")
    assert told["answers"][0]["reasons"] == ["paused"]
    assert "What people share with you" in officer.get(OTHERS).content.decode()

    stop = re.search(r"/you/explain/shares/[0-9a-f-]+/stop/", person.get(OWN).content.decode())
    assert stop
    person.post(stop[0])

    told = json.loads(by_api(world, "mouse_click", timezone.now()))
    assert (told["part"], told["answers"][0]["reasons"]) == ("shared", [])
    assert database.sql(
        "SELECT type FROM audit_entry WHERE type LIKE 'explanation.%' ORDER BY id"
    ) == [("explanation.shared",), ("explanation.share_ended",)]


@pytest.mark.parametrize(
    ("signal", "days_off"), [("scroll", 0), ("mouse_click", -1), ("mouse_click", 1)]
)
def test_a_share_covers_its_signal_and_its_day_alone(
    world: factories.World, signal: str, days_off: int
) -> None:
    pauses(world)
    share(signed_in(subject=world.subject))

    told = json.loads(by_api(world, signal, timezone.now() + timedelta(days=days_off)))

    assert told["part"] == "shared"


def test_a_share_of_one_person_opens_nobody_else(world: factories.World) -> None:
    share_now(world)
    world.subject = world.another_subject()

    assert json.loads(by_api(world, "mouse_click", timezone.now()))["part"] == "shared"


def test_a_share_ends_by_itself(world: factories.World) -> None:
    from consent import selectors

    shared = share_now(world)
    how = {"app": "tracker", "signal": Signal.MOUSE_CLICK, "about": shared.shared_at}

    assert shared.until == shared.shared_at + timedelta(days=7)
    just_before = shared.until - timedelta(microseconds=1)
    assert selectors.is_shared(world.subject, at=just_before, **how)
    assert not selectors.is_shared(world.subject, at=shared.until, **how)


def test_sharing_twice_leaves_one_share(world: factories.World, database: Any) -> None:
    person = signed_in(subject=world.subject)
    share(person)
    share(person)

    assert database.sql("SELECT count(*) FROM consent_explanationshare") == [(1,)]


@pytest.mark.parametrize(
    "differs", [{"app": "nowhere"}, {"signal": "webcam"}, {"days": "365"}, {"day": "soon"}]
)
def test_what_cannot_be_shared_is_refused(
    world: factories.World, database: Any, differs: dict[str, str]
) -> None:
    page = share(signed_in(subject=world.subject), **differs)

    assert "Nothing was shared" in page.content.decode()
    assert database.sql("SELECT count(*) FROM consent_explanationshare") == [(0,)]


def test_the_answer_about_what_is_never_captured_cannot_be_shared(world: factories.World) -> None:
    from consent import services
    from consent.policy.types import AppCategory

    services.report_app(
        app=world.apps["tracker"], suspected=AppCategory.UNION, reporter=uuid4(),
        actor=factories.OFFICER,
    )  # fmt: skip
    person = signed_in(subject=world.subject)

    page = person.post(OWN, {"app": "tracker", "signal": "mouse_click"})

    assert "Share this answer" not in page.content.decode()
    assert "nothing to share" not in share(person, app="sheet").content.decode()
    assert "no half of your own" in share(person).content.decode()


def test_nobody_ends_the_share_of_another(world: factories.World, database: Any) -> None:
    share_now(world)
    ((uuid,),) = database.sql("SELECT uuid FROM consent_explanationshare")

    stranger = signed_in(subject=world.another_subject())

    assert stranger.post(f"/you/explain/shares/{uuid}/stop/").status_code == 404
    assert database.sql("SELECT ended_at FROM consent_explanationshare") == [(None,)]


def test_the_database_lengthens_no_share_and_wants_each_in_the_ledger(
    world: factories.World, database: Any
) -> None:
    import psycopg

    share(signed_in(subject=world.subject))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.sql("UPDATE consent_explanationshare SET until = until + '1 day'", role="app")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        database.sql("UPDATE consent_explanationshare SET ended_at = now()", role="app")
    with pytest.raises(psycopg.errors.CheckViolation):
        database.sql("UPDATE consent_explanationshare SET until = shared_at + '31 days'")


# --- who looked --------------------------------------------------------------------------------


def test_the_person_sees_who_asked_and_what_they_saw(world: factories.World) -> None:
    person = signed_in(subject=world.subject)
    by_page(world, "mouse_click", timezone.now())
    by_command(world, "scroll", timezone.now())
    share(person)
    by_api(world, "mouse_click", timezone.now())

    for page in (OWN, "/you/history/"):
        text = person.get(page).content.decode()
        assert text.count("The privacy team or an auditor") >= 2, page
        assert "Somebody at the server" in text
        assert text.count("saw only what is the same for everybody") == 2
        assert text.count("saw the whole answer: you shared it") == 1


def test_nobody_sees_who_asked_about_another(world: factories.World) -> None:
    by_api(world, "mouse_click", timezone.now())

    other = signed_in(subject=world.another_subject())

    assert "Nobody has asked" in other.get(OWN).content.decode()


def test_the_person_themselves_is_told_all_of_it(world: factories.World) -> None:
    from consent import selectors

    pauses(world)
    found = selectors.explain(
        world.subject,
        purpose=None,
        app="tracker",
        signal=Signal.MOUSE_CLICK,
        at=datetime.now(UTC),
    )
    assert found.answers[0].decision.codes == ("paused",)
