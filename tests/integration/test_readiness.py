"""Readiness: the same as asking about every person one by one, and no group too small is told."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from consent.policy.clocks import last_midnight
from tests import factories
from tests.integration.test_pages import signed_in
from tests.small_worlds import WORLDS, build

OWN = {
    "paused",
    "agent_not_active",
    "no_consent",
    "signal_not_consented",
    "consent_not_yet_given",
    "consent_expired",
    "notice_changed_reconsent",
    "acknowledgement_missing",
}
"""What the person alone decides, written down here a second time."""

PAGE = "/privacy/readiness/"


def in_poland() -> date:
    """The day by which a notice period there ends."""
    return timezone.now().astimezone(ZoneInfo("Europe/Warsaw")).date()


def midnight(day: date, *places: str) -> datetime:
    """When a day has begun in all of these places, by default in Poland."""
    return last_midnight(places or ("PL",), day)


def may_be_asked(subject: Any, purpose: Any, at: datetime) -> bool:
    """Ask about this very person, and leave their own answer aside."""
    from consent import selectors
    from consent.models import AllowlistEntry

    if selectors.current_notice(purpose) is None:
        return False
    listed = set(
        AllowlistEntry.objects.filter(purpose=purpose, delisted_at__isnull=True).values_list(
            "app__code", "signal"
        )
    )
    return any(
        {code.partition(":")[0] for code in pair.decision.codes} <= OWN
        for pair in selectors.verdicts_for(subject, at=at).pairs
        if pair.purpose == purpose.code and (pair.app, pair.signal.value) in listed
    )


def brute(world: Any, at: datetime) -> Counter[tuple[tuple[str, ...], bool]]:
    """Count people by places, and by whether they may be asked, one person at a time."""
    from consent.selectors import cohort_facts

    return Counter(
        (
            tuple(cohort_facts(subject, at=at)["jurisdictions"]),
            may_be_asked(subject, world.purpose, at),
        )
        for subject in world.people
    )


def test_counts_are_those_of_everyone_asked_about_one_by_one(database: Any) -> None:
    from consent import selectors

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(drawn=WORLDS)
    def same(drawn: dict[str, Any]) -> None:
        world = build(drawn)
        now = timezone.now()

        (found,) = selectors.readiness(now).purposes

        counted: Counter[tuple[tuple[str, ...], bool]] = Counter()
        for group in found.groups:
            counted[group.jurisdictions, not group.blockers] += group.people
        assert counted == brute(world, now)
        assert found.people == len(world.people)
        for group in found.groups:
            look_at_the_day(world, group, now)

    same()


def look_at_the_day(world: Any, group: Any, now: datetime) -> None:
    """Hold the day that a group is promised against everyone in it, on that day and before."""
    from consent.selectors import cohort_facts, readiness

    inside = [
        subject
        for subject in world.people
        if tuple(cohort_facts(subject, at=now)["jurisdictions"]) == group.jurisdictions
    ]
    if not group.blockers:
        return
    if group.asked_from:
        there = group.jurisdictions
        before = midnight(group.asked_from - timedelta(days=1), *there)
        assert all(
            may_be_asked(s, world.purpose, midnight(group.asked_from, *there)) for s in inside
        )
        assert before <= now or not any(may_be_asked(s, world.purpose, before) for s in inside)
        (then,) = readiness(midnight(group.asked_from, *there)).purposes
        assert group.jurisdictions in {g.jurisdictions for g in then.groups if not g.blockers}
    else:
        for days in (1, 5, 41, 100, 400):
            later = midnight(now.date() + timedelta(days=days))
            assert not any(may_be_asked(s, world.purpose, later) for s in inside), days


def groups_of(world: factories.World, at: datetime | None = None) -> dict[str, Any]:
    from consent import selectors

    (found,) = selectors.readiness(at or timezone.now()).purposes
    return {"+".join(group.jurisdictions): group for group in found.groups}


def waits(group: Any) -> list[tuple[str, str]]:
    return [(blocker.code, blocker.detail) for blocker in group.blockers]


def test_an_answer_of_whatever_kind_changes_nothing(database: Any) -> None:
    from consent import services

    world = factories.make_world("DE")
    others = [world.another_subject() for _ in range(3)]
    before = groups_of(world)

    world.say_yes()
    services.pause_capture(subject=others[0])
    services.decline_consent(
        subject=others[1],
        purpose="train-agents",
        notice=world.notice,
        deferred=False,
        language="en",
    )

    assert groups_of(world) == before
    assert before["DE"].people == 4
    assert before["DE"].blockers == ()


def test_page_and_command_are_the_same_whatever_anybody_chose(database: Any) -> None:
    """Byte for byte and query for query, after each choice of every kind: no blocks are needed."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.integration.test_explain_to_others import shape
    from tests.integration.test_ledger_to_others import DOES

    world = factories.make_world("DE")
    people("FI", 14)
    chosen = [world.another_subject() for _ in range(12)]
    officer = signed_in("privacy_officer")

    def looks() -> tuple[str, str, list[str]]:
        out = io.StringIO()
        call_command("readiness", "--json", stdout=out)
        with CaptureQueriesContext(connection) as caught:
            answer = officer.get(PAGE)
        text = re.sub(
            r'nonce="[^"]+"|csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode()
        )
        said = json.loads(out.getvalue())
        return (
            re.sub(r"<time.*?</time>", "", text, flags=re.DOTALL),
            str(said["purposes"]),
            shape(caught),
        )

    looks()  # what is remembered from look to look is warm
    before = looks()

    assert "13 may be asked" in before[0]
    assert "Finland" in before[0]
    for does, world.subject in zip(DOES, chosen, strict=False):
        does(world)
        assert looks() == before, does.__name__


def test_each_open_gate_is_named(database: Any) -> None:
    world = factories.make_world("IE")
    world.another_subject("DE")

    groups = groups_of(world)

    assert groups["IE"].blockers == ()
    assert waits(groups["DE"]) == [("gates_open", "works_council_agreement")]
    assert groups["DE"].asked_from is None


def test_who_has_no_place_of_work_waits_for_that(database: Any) -> None:
    from consent import services

    world = factories.make_world("IE")
    services.record_subject(
        language="en",
        facts={"residence": "IE"},
        since=factories.LONG_AGO,
        source="test",
        actor=factories.OFFICER,
    )

    assert waits(groups_of(world)[""]) == [("no_work_location", "")]


def test_a_purpose_without_a_notice_asks_nobody(database: Any) -> None:
    from consent import selectors, services

    world = factories.make_world("US")
    silent = services.publish_purpose(
        code="silent",
        title="Silent",
        description="Nobody was told.",
        retention_days=30,
        position=2,
        actor=factories.OFFICER,
    )
    services.allow_in_purpose(
        purpose=silent,
        app=world.apps["tracker"],
        signals=factories.OFFERED,
        actor=factories.OFFICER,
    )
    factories.close_all_gates(silent, "US")

    found = {each.purpose: each for each in selectors.readiness(timezone.now()).purposes}

    assert found["train-agents"].may_be_asked == 1
    assert found["silent"].may_be_asked == 0
    assert waits(found["silent"].groups[0]) == [("notice_missing", "")]


def test_the_end_of_a_notice_period_is_told_as_a_day(database: Any) -> None:
    from consent import services

    world = factories.make_world("PL")
    services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("A newer notice", factories.sections())},
        actor=factories.OFFICER,
    )
    today = in_poland()

    group = groups_of(world)["PL"]

    assert waits(group) == [("notice_period_running", "")]
    assert group.asked_from == today + timedelta(days=14)
    assert groups_of(world, midnight(group.asked_from))["PL"].blockers == ()
    day_before = midnight(group.asked_from - timedelta(days=1))
    assert groups_of(world, day_before)["PL"].blockers


def test_a_day_is_not_promised_where_something_else_stands_in_the_way_then(database: Any) -> None:
    from consent import services
    from consent.models import Agreement

    world = factories.make_world("PL")
    services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("A newer notice", factories.sections())},
        actor=factories.OFFICER,
    )
    today = timezone.now().date()
    services.record_agreement(
        agreement=Agreement(
            code="BV-short",
            title="Ends too soon",
            parties="Both",
            jurisdictions=["PL"],
            valid_from=today - timedelta(days=30),
            valid_until=today + timedelta(days=7),
            document_sha256="0" * 64,
        ),
        actor=factories.OFFICER,
    )

    assert groups_of(world)["PL"].asked_from is None


def test_who_has_left_is_not_counted(database: Any) -> None:
    from consent.models import Subject

    world = factories.make_world("DE")
    gone = world.another_subject()
    Subject.objects.filter(pk=gone.pk).update(departed_at=timezone.now())

    assert groups_of(world)["DE"].people == 1


def test_the_work_grows_with_cohorts_not_with_people(database: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from consent import selectors

    world = factories.make_world("DE")

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            selectors.readiness(timezone.now())
        return len(seen)

    queries()  # the first one reads the rule pack
    alone = queries()
    for _ in range(12):
        world.another_subject()

    assert queries() == alone <= 4


# --- page and command --------------------------------------------------------------------------


def people(place: str, count: int) -> None:
    for _ in range(count):
        factories.make_subject(place)


def test_small_groups_are_hidden_and_cannot_be_worked_out(database: Any) -> None:
    factories.make_world("IE")
    people("IE", 30)
    people("DE", 3)
    people("FI", 25)

    page = signed_in("privacy_officer").get(PAGE)
    text = page.content.decode()

    # 31 + 25 = 56 of 59: the three would follow from the total, so the next smallest hides, too.
    assert "31 may be asked" in text
    assert "Germany 3" not in text
    assert ">25<" not in text
    assert [row[1]["text"] for row in page.context["purposes"][0]["rows"]] == [
        31,
        "not shown",
        "not shown",
    ]
    assert "groups too small to show wait as well" in text


def test_the_page_says_it_in_one_sentence(database: Any) -> None:
    from consent import services

    world = factories.make_world("PL")
    services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("A newer notice", factories.sections())},
        actor=factories.OFFICER,
    )
    factories.close_all_gates(world.purpose, "IE")
    people("PL", 20)
    people("DE", 24)
    people("IE", 40)

    text = signed_in("privacy_officer").get(PAGE).content.decode()

    day = in_poland() + timedelta(days=14)
    assert f"Poland 21: from {day:%-d %b %Y}" in text
    assert "Germany 24 await: Works agreement on the tool" in text
    assert "40 may be asked" in text


def test_the_command_says_what_the_page_says(database: Any) -> None:
    factories.make_world("IE")
    people("IE", 30)
    people("DE", 3)
    people("FI", 25)
    out = io.StringIO()

    call_command("readiness", "--json", stdout=out)
    plain = io.StringIO()
    call_command("readiness", stdout=plain)

    (purpose,) = json.loads(out.getvalue())["purposes"]
    assert [group["people"] for group in purpose["groups"]] == [31, None, None]
    assert purpose["groups"][0]["waits_for"] == []
    assert purpose["summary"] in plain.getvalue()
    assert "Germany: too few to show" in plain.getvalue()


@pytest.mark.parametrize("day", ["soon", "0001-01-01", "2026-02-30"])
def test_a_day_that_is_none_is_refused(database: Any, day: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("readiness", "--at", day)
    assert refusal.value.returncode == 2

    page = signed_in("privacy_officer").get(PAGE, {"at": day})
    assert page.status_code == 422


def test_a_day_ahead_can_be_asked_about(database: Any) -> None:
    from consent.rules import rulebook

    factories.make_world("DE")
    rules = rulebook()
    grace = timedelta(days=rules.meta.review_grace_days)
    overdue = rules.rows["DE"].review_by + grace + timedelta(days=1)

    page = signed_in("privacy_officer").get(PAGE, {"at": overdue.isoformat()})

    assert page.status_code == 200
    assert f"{overdue.day} {overdue:%b %Y}" in page.content.decode()
    assert "rules that are known and reviewed" in page.content.decode()


def test_only_the_privacy_team_and_councils_see_it(database: Any) -> None:
    for role in ("auditor", "manager", "ml_steward", "operator"):
        assert signed_in(role).get(PAGE).status_code == 403, role


def test_a_seat_sees_its_own_units_and_nothing_more(database: Any) -> None:
    from consent import services
    from portal.models import User
    from tests.integration.test_proposals import seat

    factories.make_world("IE")
    people("IE", 30)
    ours = [factories.make_subject("DE") for _ in range(12)]
    for person in ours:
        services.record_fact(
            subject=person, kind="unit", value="munich", valid_from=timezone.now().date(),
            source="test", actor=factories.OFFICER,
        )  # fmt: skip
    council = signed_in("works_council")

    without = council.get(PAGE).content.decode()
    assert "You have no seat in a council today" in without
    assert "Germany" not in without
    assert "Ireland" not in without

    seat(User.objects.get().ref, "munich")
    page = council.get(PAGE)

    text = page.content.decode()
    assert "munich" in text
    assert [[cell["text"] for cell in row[:2]] for row in page.context["purposes"][0]["rows"]] == [
        ["Germany", 12]
    ]
    assert "Ireland" not in text
    services.record_fact(
        subject=ours[0], kind="unit", value="berlin", valid_from=timezone.now().date(),
        source="test", actor=factories.OFFICER,
    )  # fmt: skip
    rows = council.get(PAGE).context["purposes"][0]["rows"]
    assert rows[0][1]["text"] == 11


def sentence(count: int, *places: str) -> str:
    """What the page says in one sentence, with so many people of a council's unit in each place."""
    from consent import selectors, services
    from consent.rules import rulebook
    from portal.readiness import shown

    for place in places:
        for _ in range(count):
            services.record_fact(
                subject=factories.make_subject(place), kind="unit", value="munich",
                valid_from=timezone.now().date(), source="test", actor=factories.OFFICER,
            )  # fmt: skip
    (found,) = selectors.readiness(timezone.now(), ["munich"]).purposes
    return shown(found, rulebook()).sentence


@pytest.mark.parametrize(
    ("count", "places", "said"),
    [
        (12, ["DE"], "Nobody may be asked yet; Germany 12 await: Works agreement on the tool."),
        (
            3,
            ["DE"],
            "Nobody may be asked yet; groups too small to show await: Works agreement on the tool.",
        ),
        (
            12,
            ["FI"],
            "Nobody may be asked; Finland 12 await: nothing: the rules there permit no recording.",
        ),
        (
            12,
            ["DE", "FI"],
            (
                "Nobody may be asked yet; Germany 12 await: Works agreement on the tool;"
                " Finland 12 await: nothing: the rules there permit no recording."
            ),
        ),
        (0, [], "Nobody is counted here."),
    ],
)
def test_what_is_only_awaited_is_never_told_as_a_no(
    database: Any, count: int, places: list[str], said: str
) -> None:
    factories.make_world("IE")

    assert sentence(count, *places) == said
