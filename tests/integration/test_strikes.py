"""Forgetting the last minutes: one act, and nothing of the interval is kept or let in again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import factories

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(minute: float) -> datetime:
    return NOON + minute * MINUTE


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    return world


@pytest.fixture
def employee(world: factories.World) -> Client:
    from portal.models import User

    user = User.objects.create_user("a@example.org", "x" * 12, name="A", subject=world.subject)
    client = Client(enforce_csrf_checks=False)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def token(world: factories.World) -> str:
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    fresh = new_token()
    agent = factories.make_agent(world.subject)
    AgentToken.objects.create(agent=agent, sha256=token_hash(fresh))
    return fresh


def post(token: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return Client().post(
        f"/api/v1/{path}",
        body or {},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def strike(world: factories.World, since: datetime, until: datetime) -> Any:
    from consent import services

    return services.strike_capture(subject=world.subject, struck_from=since, struck_until=until)


# --- what is kept, what comes in -------------------------------------------------------------


def test_what_is_kept_of_the_interval_is_erased_and_the_rest_stays(
    world: factories.World, store: Path, database: Any
) -> None:
    from retention import services as retention

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    early = factories.hand_in(agent, policy, b"early")
    start = policy.issued_at + 2 * MINUTE
    late = factories.hand_in(
        agent, policy, b"late", captured_from=start, captured_until=start + MINUTE
    )

    strike(world, start + MINUTE / 2, start + 3 * MINUTE)
    retention.expand_cases()
    retention.run_due_jobs()

    states = dict(database.sql("SELECT uuid, state FROM retention_batch"))
    assert states == {early: "kept", late: "erased"}
    assert [f.read_bytes() for f in store.rglob("*") if f.is_file()] == [b"early"]
    assert database.sql(
        "SELECT statement->>'trigger', statement->>'purpose' FROM retention_certificate"
    ) == [("strike", None)]


def test_a_batch_that_overlaps_is_refused_at_its_announcement_and_quietly(
    world: factories.World, store: Path
) -> None:
    from retention import services as retention

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    strike(world, policy.issued_at + timedelta(seconds=59), policy.issued_at + 2 * MINUTE)

    admission = retention.announce_batch(agent=agent, manifest=factories.manifest_for(policy, b"x"))

    assert (admission.state, admission.reasons) == ("refused", ["struck"])


def test_a_strike_between_announcement_and_bytes_keeps_no_byte(
    world: factories.World, store: Path
) -> None:
    from retention import services as retention
    from retention.exceptions import BatchRefused

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    manifest = factories.manifest_for(policy, b"x")
    retention.announce_batch(agent=agent, manifest=manifest)
    strike(world, policy.issued_at, policy.issued_at + MINUTE)

    with pytest.raises(BatchRefused) as refusal:
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[b"x"])

    assert refusal.value.reasons == ["struck"]
    assert [f for f in store.rglob("*") if f.is_file()] == []


@pytest.mark.parametrize(
    ("since", "until", "overlaps"),
    [
        (0, 5, False),  # ends where the strike begins
        (0, 5.1, True),
        (4, 20, True),
        (6, 7, True),
        (9.9, 20, True),
        (10, 20, False),  # begins where the strike ends
        (5, 5, True),  # one instant, the first of the strike
        (10, 10, False),
    ],
)
def test_overlapping_is_half_open_for_what_comes_and_for_what_is_kept(
    world: factories.World, store: Path, since: float, until: float, overlaps: bool
) -> None:
    from consent import selectors
    from retention.models import Batch

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    start = policy.issued_at
    times = {
        "captured_from": start + since * MINUTE / 6,
        "captured_until": start + until * MINUTE / 6,
    }
    factories.hand_in(agent, policy, b"x", **times)

    made = strike(world, start + 5 * MINUTE / 6, start + 10 * MINUTE / 6)

    assert Batch.objects.filter(selectors.of_batches(made)).exists() is overlaps
    assert selectors.struck_between(world.subject, *times.values()) is overlaps


def test_a_strike_of_one_person_touches_nobody_else(world: factories.World, store: Path) -> None:
    from consent import selectors, services

    other = world.another_subject()

    services.forget_last(subject=other, minutes=10)

    now = datetime.now(UTC)
    assert selectors.strikes_to_apply([world.subject.pk], at=now)[world.subject.pk] == []
    assert not selectors.struck_between(world.subject, now - MINUTE, now)


# --- the act itself --------------------------------------------------------------------------


def test_everything_owed_commits_with_the_strike_or_not_at_all(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger
    from consent import services
    from consent.models import PersonalPolicy

    revision = PersonalPolicy.objects.get(subject=world.subject).revision

    services.forget_last(subject=world.subject, minutes=10)

    assert PersonalPolicy.objects.get(subject=world.subject).revision == revision + 1
    kinds = "SELECT type FROM audit_entry ORDER BY id DESC LIMIT 2"
    assert {row[0] for row in database.sql(kinds)} == {"capture.struck", "deletion.owed"}
    assert database.sql("SELECT cause, state FROM retention_deletioncase") == [("strike", "owed")]

    monkeypatch.setattr(ledger, "append", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        services.forget_last(subject=world.subject, minutes=10)
    assert database.sql("SELECT count(*) FROM consent_strike") == [(1,)]
    assert PersonalPolicy.objects.get(subject=world.subject).revision == revision + 1


def test_the_leaf_says_neither_when_nor_how_long(world: factories.World, database: Any) -> None:
    from consent import services

    made = services.forget_last(subject=world.subject, minutes=10)

    body = bytes(
        database.sql("SELECT body FROM audit_entry WHERE type = 'capture.struck'")[0][0]
    ).decode()
    assert str(made.ref) not in body
    assert str(world.subject.ref) not in body
    assert f"{made.struck_until:%H:%M}" not in body.replace(f"{made.recorded_at:%H:%M}", "")


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (0, 10, (0, 10)),
        (55, 70, (45, 60)),  # a clock that is ahead: moved to end now, as long as it was
        (-3000, 60, (-1380, 60)),  # a day at most, its last part
        (10, 10, (10 - 1 / 60, 10)),  # nothing at all still strikes an instant
        (20, 10, (10 - 1 / 60, 10)),
    ],
)
def test_an_odd_interval_is_made_fit_and_never_refused(
    world: factories.World, since: float, until: float, expected: tuple[float, float]
) -> None:
    from consent import services

    made = services.strike_capture(
        subject=world.subject, struck_from=at(since), struck_until=at(until), at=at(60)
    )

    assert abs(made.struck_from - at(expected[0])) < timedelta(milliseconds=1)
    assert abs(made.struck_until - at(expected[1])) < timedelta(milliseconds=1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_merging_keeps_exactly_the_same_instants(drawn: list[tuple[int, int]]) -> None:
    from consent.selectors.strikes import merged

    intervals = [(at(start), at(start + length)) for start, length in drawn]

    found = merged(intervals)

    for minute in range(90):
        moment = at(minute + 0.5)
        inside = any(since <= moment < until for since, until in intervals)
        assert any(since <= moment < until for since, until in found) is inside
    assert all(one[1] < two[0] for one, two in pairwise(found))


# --- the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "minutes"), [({}, 10), ({"minutes": "60"}, 60), ({"minutes": "nonsense"}, 10)]
)
def test_one_click_forgets_without_a_question(
    employee: Client, database: Any, sent: dict[str, str], minutes: int
) -> None:
    answer = employee.post("/you/forget/", sent, follow=True)

    assert f"The last {minutes} minutes are forgotten" in answer.content.decode()
    assert database.sql(
        "SELECT extract(epoch FROM struck_until - struck_from)::int FROM consent_strike"
    ) == [(minutes * 60,)]


def test_the_first_page_offers_it_as_a_plain_form_and_lists_the_deletion(employee: Client) -> None:
    page = employee.get("/you/").content.decode()
    assert '<form method="post" action="/you/forget/">' in page

    employee.post("/you/forget/")

    assert "You had the last minutes forgotten" in employee.get("/you/data/").content.decode()


def test_a_stranger_forgets_nothing(world: factories.World, database: Any) -> None:
    answer = Client().post("/you/forget/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert database.sql("SELECT count(*) FROM consent_strike") == [(0,)]


# --- from a machine ---------------------------------------------------------------------------


def test_a_machine_forgets_once_however_often_it_says_so(
    world: factories.World, token: str, database: Any
) -> None:
    now = datetime.now(UTC)
    said = {
        "strike": str(uuid4()),
        "from": (now - 10 * MINUTE).isoformat(),
        "until": now.isoformat(),
    }

    answers = [post(token, "strikes", said).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert database.sql("SELECT count(*) FROM consent_strike") == [(1,)]
    body = "SELECT convert_from(body, 'UTF8') FROM audit_entry WHERE type = 'capture.struck'"
    assert json.loads(database.sql(body)[0][0])["actor"]["kind"] == "agent"


def test_a_strike_within_those_that_stand_writes_nothing(
    world: factories.World, token: str, database: Any
) -> None:
    from consent.models import PersonalPolicy

    now = datetime.now(UTC)

    def strike(begins: float, ends: float) -> int:
        said = {
            "strike": str(uuid4()),
            "from": (now - begins * MINUTE).isoformat(),
            "until": (now - ends * MINUTE).isoformat(),
        }
        return int(post(token, "strikes", said).status_code)

    def written() -> tuple[Any, ...]:
        personal = PersonalPolicy.objects.get(subject=world.subject)
        entries = "SELECT count(*) FROM audit_entry WHERE type = 'capture.struck'"
        (strikes,) = database.sql("SELECT count(*) FROM consent_strike")
        return strikes[0], database.sql(entries)[0][0], personal.revision

    assert [strike(20, 10), strike(11, 2)] == [204, 204]
    two = written()
    assert [strike(20, 2), strike(12, 9), strike(3, 2.5), strike(20, 10)] == [204] * 4
    assert written() == two
    assert [strike(21, 20), strike(4, 1)] == [204, 204], "these hold an instant more"
    assert written() == (4, 4, two[2] + 2)


def test_a_strike_that_machines_are_told_of_no_more_does_not_stand_for_another(
    world: factories.World, database: Any
) -> None:
    from consent import selectors, services

    made = services.forget_last(subject=world.subject, minutes=10)
    since, until = made.struck_from, made.struck_until
    later = datetime.now(UTC) + timedelta(days=8)

    assert selectors.strike_over(world.subject, since, until, at=datetime.now(UTC)) == made
    assert selectors.strike_over(world.subject, since, until, at=later) is None
    assert selectors.strike_over(world.another_subject(), since, until, at=until) is None


def test_a_pause_while_paused_writes_nothing(
    world: factories.World, token: str, database: Any
) -> None:
    counts = "SELECT count(*) FROM audit_entry WHERE type = 'capture.paused'"

    assert [post(token, "pauses", {}).status_code for _ in range(200)] == [200] * 200
    assert database.sql(counts) == [(1,)]


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 9)), max_size=30), st.integers(1, 9))
def test_however_many_strikes_a_policy_names_few_that_hold_them_all(
    told: list[tuple[int, int]], most: int
) -> None:
    from consent.selectors.strikes import fewest, merged

    def instants(intervals: Any) -> set[datetime]:
        return {
            since + timedelta(seconds=n)
            for since, until in intervals
            for n in range(int((until - since).total_seconds()))
        }

    apart = merged(
        (at(0) + timedelta(seconds=a), at(0) + timedelta(seconds=a + n)) for a, n in told
    )
    found = fewest(apart, most)

    assert len(found) == min(len(apart), most)
    assert instants(apart) <= instants(found)
    assert all(one[1] < two[0] for one, two in pairwise(found))
    if len(apart) <= most:
        assert found == apart


def test_the_same_name_used_by_another_person_still_strikes(
    world: factories.World, token: str, database: Any
) -> None:
    from consent import services

    ref, now = uuid4(), datetime.now(UTC)
    services.strike_capture(
        subject=world.another_subject(), struck_from=now - MINUTE, struck_until=now, ref=ref
    )
    said = {"strike": str(ref), "from": (now - MINUTE).isoformat(), "until": now.isoformat()}

    assert post(token, "strikes", said).status_code == 204
    assert database.sql("SELECT count(*) FROM consent_strike") == [(2,)]


def test_a_strike_that_cannot_be_read_is_refused_with_a_next_step(
    world: factories.World, token: str
) -> None:
    refused = post(token, "strikes", {"strike": "x"})

    assert refused.status_code == 400
    assert refused.json()["next_step"]


def test_a_machine_pauses_and_the_next_unpaused_policy_proves_the_person_resumed(
    world: factories.World, token: str
) -> None:
    from consent import services
    from consent.models import Agent

    agent = Agent.objects.get()
    before = services.issue_policy(agent=agent).document

    after = post(token, "pauses").json()["after_version"]
    again = post(token, "pauses").json()["after_version"]
    paused = services.issue_policy(agent=agent).document
    services.resume_capture(subject=world.subject)
    resumed = services.issue_policy(agent=agent).document

    assert before["version"] <= after <= again
    assert (paused["paused"], paused["allow"]) == (True, [])
    assert paused["version"] > after
    assert (resumed["paused"], resumed["version"] > after) == (False, True)


@pytest.mark.parametrize("path", ["pauses", "strikes"])
def test_without_a_token_nothing_is_paused_or_struck(database: Any, path: str) -> None:
    refused = Client().post(f"/api/v1/{path}", {}, content_type="application/json")

    assert refused.status_code == 401
    assert database.sql("SELECT count(*) FROM consent_pause") == [(0,)]


@pytest.mark.parametrize("method", ["delete", "put", "patch", "get"])
def test_no_other_way_of_asking_ends_a_pause(
    world: factories.World, token: str, method: str
) -> None:
    from consent import selectors

    post(token, "pauses")

    call = getattr(Client(), method)
    answer = call("/api/v1/pauses", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 405
    assert selectors.is_paused(world.subject)


def test_policies_name_the_strike_until_a_week_has_passed(
    world: factories.World, database: Any
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    made = services.forget_last(subject=world.subject, minutes=10)

    strikes = services.issue_policy(agent=agent).document["strikes"]
    (told,) = strikes
    assert told["from"] <= made.struck_from.timestamp() < told["from"] + 1
    assert told["until"] - 1 < made.struck_until.timestamp() <= told["until"]

    later = datetime.now(UTC) + timedelta(days=7, seconds=5)
    assert services.issue_policy(agent=agent, at=later).document["strikes"] == []


# --- the person's own history --------------------------------------------------------------------


def test_what_was_forgotten_stands_in_the_history_of_its_person_alone(
    world: factories.World, employee: Client
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    services.forget_last(subject=world.subject, minutes=10)
    services.strike_capture(
        subject=world.subject, struck_from=at(0), struck_until=at(1), agent=agent
    )
    services.pause_capture(subject=world.subject)
    services.resume_capture(subject=world.subject)
    services.forget_last(subject=world.another_subject(), minutes=77)

    page = employee.get("/you/history/").content.decode()

    assert "You had 10 minutes forgotten" in page
    assert "In the browser" in page
    assert "You had 1 minute forgotten" in page
    assert f"On the machine {agent.name}" in page
    assert page.index("You resumed") < page.index("You paused everything")
    assert "77 minutes" not in page
