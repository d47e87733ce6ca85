"""Working hours: nothing is recorded outside of them, by decision, lease, policy and admission."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests import factories
from tests.integration.test_agreements import agree

AUTHOR, OTHER = UUID(int=11), UUID(int=12)
OFFICE = "mon-fri 08:00-18:00"
SECOND = timedelta(seconds=1)


def dublin(day: date, hour: int) -> datetime:
    """That hour by Dublin's clock."""
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo("Europe/Dublin"))


def _a_wednesday() -> date:
    """A Wednesday to come, in weeks in which no clock is changed."""
    today = datetime.now(UTC).date()
    days = [today + timedelta(days=n) for n in range(7, 60)]
    return next(
        day
        for day in days
        if day.weekday() == 2
        and dublin(day - WEEK, 12).utcoffset() == dublin(day + WEEK, 12).utcoffset()
    )


WEEK = timedelta(days=7)
WEDNESDAY = _a_wednesday()
SATURDAY = dublin(WEDNESDAY + timedelta(days=3), 12).astimezone(UTC)
NIGHT, OPENS, NOON, CLOSES = (dublin(WEDNESDAY, n).astimezone(UTC) for n in (3, 8, 12, 18))


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world("IE")
    world.say_yes()
    return world


def hours(*lines: str, zone: str | None = None, closed: bool = False) -> Any:
    from consent.policy.hours import WorkingHours

    return WorkingHours(zone, lines or (OFFICE,), closed)


def bind(whom: str, *lines: str, **differs: Any) -> None:
    from consent import services

    services.set_working_hours(whom=whom, hours=hours(*lines, **differs), actor=factories.OFFICER)


def verdicts(subject: Any, at: datetime) -> Any:
    from consent import selectors

    subject.refresh_from_db()
    return selectors.verdicts_for(subject, at=at)


def may(subject: Any, at: datetime) -> bool:
    return bool(verdicts(subject, at).allow())


def record(subject: Any, kind: str, value: str) -> None:
    from consent import services

    services.record_fact(
        subject=subject, kind=kind, value=value, valid_from=factories.LONG_AGO, source="test",
        actor=factories.OFFICER,
    )  # fmt: skip


def test_without_hours_the_time_of_day_says_nothing(world: factories.World) -> None:
    found = verdicts(world.subject, NIGHT)

    assert found.allow()
    assert (found.schedule(), found.next_change) == ([], verdicts(world.subject, NOON).next_change)
    assert "hours" not in found.shared["purposes"]["train-agents"]


def test_outside_of_hours_nothing_may_and_it_is_said_when_they_begin_again(
    world: factories.World,
) -> None:
    bind("IE")

    assert [may(world.subject, at) for at in (OPENS - SECOND, OPENS, CLOSES - SECOND, CLOSES)] == [
        False, True, True, False,
    ]  # fmt: skip
    reasons = {
        reason
        for pair in verdicts(world.subject, SATURDAY).pairs
        for reason in pair.decision.reasons
        if reason.code == "outside_work_hours"
    }
    assert [dict(reason.params) for reason in reasons] == [{"opens_at": OPENS + timedelta(days=5)}]


def test_a_lease_ends_at_the_instant_hours_do(world: factories.World) -> None:
    from consent import services

    bind("IE")
    agent = factories.make_agent(world.subject)

    before = services.issue_policy(agent=agent, at=OPENS - 90 * SECOND)
    within = services.issue_policy(agent=agent, at=NOON)
    last = services.issue_policy(agent=agent, at=CLOSES - 90 * SECOND)
    after = services.issue_policy(agent=agent, at=CLOSES)

    assert (before.policy.lease_until, before.policy.allow) == (OPENS, {})
    assert within.policy.lease_until == NOON + timedelta(minutes=15)
    assert last.policy.lease_until == CLOSES
    assert last.policy.allow
    assert after.policy.allow == {}


def test_the_policy_says_which_hours_hold_and_an_agent_reads_them(world: factories.World) -> None:
    from sayso_agent.policy import Policy

    from consent import services

    bind("IE")
    agent = factories.make_agent(world.subject)
    document = services.issue_policy(agent=agent, at=NOON).document

    opens, closes = int(OPENS.timestamp()), int(CLOSES.timestamp())
    assert document["schedule"] == [{"purpose": "train-agents", "from": opens, "until": closes}]
    policy = Policy.parse(document)
    assert policy.in_hours("train-agents", closes - 0.001)
    assert not policy.in_hours("train-agents", closes)

    night = services.issue_policy(agent=agent, at=NIGHT + timedelta(days=1)).document
    assert night["schedule"][0]["from"] == opens + 86400


def test_a_machine_keeps_outside_of_hours_what_it_recorded_within(world: factories.World) -> None:
    from sayso_agent.policy import Policy

    from consent import services

    bind("IE")
    agent = factories.make_agent(world.subject)

    def stays(at: datetime) -> tuple[bool, bool]:
        """Whether a click may be recorded now, and whether one of noon may stay."""
        policy = Policy.parse(services.issue_policy(agent=agent, at=at).document)
        click = "train-agents", "tracker", "mouse_click"
        return policy.permits(*click), policy.keeps(*click, NOON.timestamp())

    assert stays(NOON) == (True, True)
    assert stays(CLOSES) == (False, True)
    services.pause_capture(subject=world.subject, at=CLOSES)
    assert stays(CLOSES + SECOND) == (False, True)
    assert stays(NOON + timedelta(days=1)) == (False, True)
    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    assert stays(NOON + timedelta(days=1, seconds=1)) == (False, False)


def test_where_the_clock_is_not_known_nothing_is_recorded(database: Any) -> None:
    world = factories.make_world("ES")  # the Canary Islands have a clock of their own
    world.say_yes()
    assert may(world.subject, NOON)
    bind("ES")

    found = verdicts(world.subject, NOON)

    assert not found.allow()
    assert found.schedule() == [{"purpose": "train-agents", "from": 0, "until": 0}]
    params = {r.params for p in found.pairs for r in p.decision.reasons if "hours" in r.code}
    assert params == {(("hours", "unknown"),)}
    bind("ES", zone="Atlantic/Canary")
    assert may(world.subject, NOON)


def test_hours_go_by_the_clock_of_where_somebody_works_not_lives(world: factories.World) -> None:
    bind("everybody")
    record(world.subject, "residence", "FR")
    factories.close_all_gates(world.purpose, "FR")

    # At 07:30 by Dublin's clock it is 08:30 in Paris.
    assert not may(world.subject, OPENS - timedelta(minutes=30))
    assert may(world.subject, CLOSES - SECOND)
    zones = {one.zone for one in verdicts(world.subject, NOON).schedules["train-agents"]}
    assert zones == {"Europe/Dublin"}


def test_hours_of_a_place_a_site_and_an_agreement_all_bind(world: factories.World) -> None:
    record(world.subject, "site", "Cork")
    elsewhere = world.another_subject()
    world.subject, first = elsewhere, world.subject
    world.say_yes()
    early, late = OPENS + timedelta(minutes=30), CLOSES - timedelta(minutes=30)
    bind("IE")
    bind("site:Cork", "mon-fri 09:00-18:00")
    assert [may(one, early) for one in (first, elsewhere)] == [False, True]

    agree("A", working_hours=hours("mon-fri 08:00-17:00").as_json())

    assert [may(one, late) for one in (first, elsewhere)] == [False, False]
    assert may(first, NOON)


def test_an_agreement_binds_to_hours_from_its_first_day_until_it_is_replaced(
    world: factories.World,
) -> None:
    from consent.models import Agreement

    first = agree("A", valid_from=NOON.date(), working_hours=hours().as_json())
    agree("B", valid_from=SATURDAY.date(), replaces=Agreement.objects.get(pk=first.pk))

    days = [NIGHT - timedelta(days=1), NIGHT, NOON, SATURDAY]
    assert [may(world.subject, at) for at in days] == [True, False, True, True]


def test_hours_are_one_revision_for_each_cohort_they_reach(
    world: factories.World, database: Any
) -> None:
    for _ in range(3):
        world.another_subject()
    world.another_subject("NL")

    def revisions() -> list[Any]:
        return database.sql(
            "SELECT c.facts->'jurisdictions'->>0, count(*) FROM consent_cohortpolicy p "
            "JOIN consent_cohort c ON c.id = p.cohort_id GROUP BY 1 ORDER BY 1"
        )

    (_, irish), (_, dutch) = revisions()
    bind("IE")

    assert revisions() == [("IE", irish + 1), ("NL", dutch)]


def test_hours_take_effect_in_the_past_only_from_when_they_were_set(
    world: factories.World,
) -> None:
    from consent import selectors

    before = datetime.now(UTC)
    bind("IE", other_day(before))

    assert selectors.verdicts_at(world.subject, at=before).allow()
    assert not may(world.subject, datetime.now(UTC))


# --- admission -------------------------------------------------------------------------------


def other_day(now: datetime) -> str:
    """Hours on a day that it is neither now nor soon, wherever one is."""
    from consent.policy.hours import DAYS

    return f"{DAYS[(now.weekday() + 3) % 7]} 00:00-24:00"


def test_what_was_recorded_after_hours_were_set_is_refused_quietly(
    world: factories.World, database: Any
) -> None:
    from consent import services
    from retention import services as retention

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    fine = factories.hand_in(agent, policy, b"before")
    services.set_working_hours(
        whom="IE",
        hours=hours(other_day(datetime.now(UTC))),
        actor=factories.OFFICER,
        at=policy.issued_at + timedelta(seconds=120),
    )

    late = {
        "captured_from": policy.issued_at + timedelta(seconds=100),
        "captured_until": policy.issued_at + timedelta(seconds=121),
    }
    refused = retention.announce_batch(
        agent=agent, manifest=factories.manifest_for(policy, b"late", **late)
    )
    earlier = factories.hand_in(
        agent,
        policy,
        b"earlier, but handed in later",
        captured_from=policy.issued_at + timedelta(seconds=100),
        captured_until=policy.issued_at + timedelta(seconds=120),
    )

    assert (refused.state, refused.reasons) == ("refused", ["outside_work_hours"])
    kept = database.sql("SELECT uuid FROM retention_batch WHERE state = 'kept'")
    assert {row[0] for row in kept} == {fine, earlier}


def test_hours_longer_again_do_not_let_in_what_was_recorded_before_them(
    world: factories.World,
) -> None:
    from consent import selectors, services

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    start = policy.issued_at
    for seconds, terms in ((60, hours(other_day(start))), (120, None)):
        services.set_working_hours(
            whom="IE", hours=terms, actor=factories.OFFICER, at=start + seconds * SECOND
        )

    def inside(since: int, until: int) -> bool:
        return selectors.within_hours(
            world.subject, policy, "train-agents", start + since * SECOND, start + until * SECOND
        )

    assert inside(0, 60)
    assert not inside(0, 61)
    assert not inside(70, 80)
    assert not inside(119, 130)
    assert inside(120, 130)
    assert inside(130, 130)
    assert not inside(70, 70)


def test_who_moved_under_hours_is_bound_to_them_from_the_move_on(world: factories.World) -> None:
    from consent import selectors

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    bind("site:Cork", other_day(datetime.now(UTC)))
    record(world.subject, "site", "Cork")
    world.subject.refresh_from_db()
    moved = world.subject.memberships.order_by("-pk")[0].since

    def inside(since: datetime, until: datetime) -> bool:
        return selectors.within_hours(world.subject, policy, "train-agents", since, until)

    assert inside(policy.issued_at, moved)
    assert not inside(policy.issued_at, moved + SECOND)


# --- proposals -------------------------------------------------------------------------------


def propose(**payload: Any) -> Any:
    from consent import services

    return services.propose(kind="hours.change", payload=payload, proposed_by=AUTHOR)


def standing() -> Any:
    from consent import selectors

    return {whom: found.lines for whom, found in selectors.working_hours().items()}


def test_shorter_hours_act_at_once_and_longer_ones_wait(world: factories.World) -> None:
    from consent import services

    office = {"zone": "Europe/Dublin", "closed_on_holidays": False}
    propose(whom="IE", hours=[OFFICE], **office)
    assert standing() == {"IE": (OFFICE,)}
    propose(whom="IE", hours=["mon-fri 09:00-17:00"], **office)
    assert standing() == {"IE": ("mon-fri 09:00-17:00",)}

    longer = propose(whom="IE", hours=[OFFICE], **office)
    assert standing() == {"IE": ("mon-fri 09:00-17:00",)}
    with pytest.raises(Exception, match="person who proposed"):
        services.vote(proposal=longer.uuid, voter=AUTHOR, vote="approve")
    factories.make_officer(OTHER)
    services.vote(proposal=longer.uuid, voter=OTHER, vote="approve")
    assert standing() == {"IE": (OFFICE,)}

    none = propose(whom="IE", hours=None)
    assert standing() == {"IE": (OFFICE,)}
    services.vote(proposal=none.uuid, voter=OTHER, vote="approve")
    assert standing() == {}
    assert may(world.subject, NIGHT)


@pytest.mark.parametrize(
    "differs",
    [
        {"zone": "Europe/Berlin"},
        {"closed_on_holidays": False},
        {"hours": ["mon-fri 08:00-18:01"]},
        {"hours": ["mon-sat 08:00-18:00"]},
    ],
)
def test_what_might_be_on_longer_waits(world: factories.World, differs: dict[str, Any]) -> None:
    before = {"zone": None, "hours": [OFFICE], "closed_on_holidays": True}
    propose(whom="IE", **before)

    assert not propose(whom="IE", **before | differs).tightens
    assert standing() == {"IE": (OFFICE,)}


def test_a_replacing_agreement_without_hours_is_seen_to_widen(world: factories.World) -> None:
    from consent import services

    agree("A", working_hours=hours().as_json())
    payload = {
        "code": "B", "title": "B", "parties": "both", "jurisdictions": ["IE"], "sites": [],
        "purposes": [], "apps": [], "signals": [], "retention_cap_days": None,
        "valid_from": "2026-01-01", "valid_until": None, "document_sha256": "0" * 64,
        "council_may_veto": False, "council_units": [], "replaces": "A",
    }  # fmt: skip

    impact = services.impact_of("agreement.record", payload)

    assert impact.widens
    assert impact.hours is None, "one person is too few to be counted"


def test_the_impact_counts_people_and_not_the_time_of_day(
    world: factories.World, settings: Any
) -> None:
    from consent import services

    settings.SMALLEST_GROUP = 2
    world.another_subject()
    for _ in range(2):
        world.another_subject("NL")
    payload = {
        "whom": "IE", "zone": None, "hours": [other_day(datetime.now(UTC))],
        "closed_on_holidays": False,
    }  # fmt: skip

    impact = services.impact_of("hours.change", payload)

    assert (impact.hours, impact.lines, impact.widens) == (2, (), False)


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({"whom": "ZZ"}, "whom"),
        ({"whom": "site:"}, "whom"),
        ({"whom": "site: "}, "whom"),
        ({"hours": []}, "hours"),
        ({"hours": ["whenever"]}, "whenever"),
        ({"zone": "Nowhere/Else"}, "zone"),
        ({"closed_on_holidays": None}, "closed_on_holidays"),
        ({"more": 1}, "more"),
    ],
)
def test_what_are_no_hours_is_refused(
    world: factories.World, payload: dict[str, Any], key: str
) -> None:
    from consent.exceptions import ChangeUnfit

    sound = {"whom": "IE", "zone": None, "hours": [OFFICE], "closed_on_holidays": False}

    with pytest.raises(ChangeUnfit, match=key):
        propose(**sound | payload)


# --- readiness and pages -----------------------------------------------------------------------


def test_who_may_be_asked_does_not_depend_on_the_time_of_day(world: factories.World) -> None:
    from consent import selectors

    now = datetime.now(UTC)
    before = selectors.readiness(now)
    bind("IE", other_day(now))

    assert selectors.readiness(now) == before
    assert not may(world.subject, now)


def test_a_form_sets_hours_and_the_person_reads_them(world: factories.World) -> None:
    from tests.integration.test_pages import signed_in

    officer, person = signed_in("privacy_officer"), signed_in(subject=world.subject)
    assert b"Working hours" not in person.get("/you/").content

    form = {
        "place": "IE",
        "hours": f"{OFFICE}\r\n\r\n sat  10:00-12:00 ",
        "closed_on_holidays": "on",
    }
    answer = officer.post("/privacy/changes/new/hours.change/", form)

    assert answer.status_code == 302
    shown = officer.get(answer["Location"]).content.decode()
    assert "mon-fri 08:00-18:00, sat 10:00-12:00" in shown
    assert "Other working hours hold for (not shown) people." in shown
    assert (
        "Nothing is recorded outside Mon\N{EN DASH}Fri 08:00\N{EN DASH}18:00; "
        "Sat 10:00\N{EN DASH}12:00 (Europe/Dublin time), nor on public holidays."
    ) in person.get("/you/").content.decode()


def test_a_page_lists_whom_which_hours_bind_and_an_officer_goes_on_from_there(
    world: factories.World,
) -> None:
    from html import unescape

    from tests.integration.test_pages import signed_in

    readers = {role: signed_in(role) for role in ("privacy_officer", "works_council", "auditor")}

    def page(role: str, address: str = "/privacy/hours/") -> str:
        answer = readers[role].get(address)
        assert answer.status_code == 200
        return unescape(answer.content.decode())

    assert "No hours bind recording." in page("auditor")
    bind("everybody")
    bind("IE", "mon-thu 09:00-17:00", zone="Europe/Dublin", closed=True)
    bind("site:Cork", "sat 10:00-12:00")
    agree("BV-1", working_hours=hours("mon-fri 07:00-19:00").as_json())
    agree("BV-2", working_hours=hours().as_json(), valid_from=NOON.date())

    for role in readers:
        told = page(role)
        for text in ("Everybody", "Ireland (IE)", "Site Cork", "09:00", "Europe/Dublin", "BV-1"):
            assert text in told
        assert "BV-2" not in told, "one to come binds nobody yet"
        assert ("/changes/new/hours.change/" in told) is (role == "privacy_officer")

    links = re.findall(
        r'href="(/privacy/changes/new/hours.change/\?[^"]+)"', page("privacy_officer")
    )
    forms = [page("privacy_officer", link) for link in links]
    assert len(forms) == 3
    assert sum("mon-thu 09:00-17:00</textarea>" in form for form in forms) == 1
    assert sum('value="Cork"' in form for form in forms) == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("hours", "mon 8-18", "is not days and times"),
        ("zone", "Europe/Nowhere", "no IANA time zone"),
        ("zone", "Mars", "no IANA time zone"),
    ],
)
def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(
    world: factories.World, field: str, value: str, said: str
) -> None:
    from tests.integration.test_pages import signed_in

    form = {"place": "IE", "hours": OFFICE, "zone": "", field: value}
    answer = signed_in("privacy_officer").post("/privacy/changes/new/hours.change/", form)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert value in answer.content.decode()
    assert standing() == {}


def test_the_person_is_told_why_and_when_it_begins_again(world: factories.World) -> None:
    from tests.integration.test_pages import signed_in

    factories.make_agent(world.subject)
    bind("IE", other_day(datetime.now(UTC)))
    person = signed_in(subject=world.subject)

    assert "It is outside working hours." in person.get("/you/").content.decode()
    query = {"app": "tracker", "signal": "scroll", "purpose": "train-agents"}
    shown = person.post("/you/explain/", query).content.decode()
    assert "They begin again" in shown
    in_a_week = datetime.now(UTC) + WEEK  # the same day of the week, and no such hours either
    asked = {**query, "at": f"{in_a_week:%Y-%m-%dT%H:%M}"}
    assert "outside_work_hours" in person.post("/you/explain/", asked).content.decode()
