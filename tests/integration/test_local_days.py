"""A day begins and ends at midnight of its places, and most protective wins while it is two days.

What is checked against here never looks at `consent.policy.clocks`: it reads the table of zones and
asks each clock by itself.
"""

from __future__ import annotations

import copy
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.policy.types import Signal
from tests import factories

ZONES_FILE = Path(__file__).parents[2] / "consent/policy/zones.toml"
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LONG_AGO = factories.LONG_AGO
START = date(2026, 12, 1)
PLACES = ("JP", "IN", "DE", "IE", "ES", "BR", "US", "US-CA", "US-TX", "AU", "CA")
SOME = st.sets(st.sampled_from(PLACES), min_size=1, max_size=2)
SPAN = st.tuples(st.integers(0, 9), st.integers(1, 12) | st.none())
BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(-48, 30 * 48).map(
    lambda n: datetime.combine(START, time.min, UTC) + n * timedelta(minutes=30)
)


@cache
def zones(place: str) -> tuple[ZoneInfo, ...]:
    """The clocks of a place, straight from the table."""
    table = tomllib.loads(ZONES_FILE.read_text(encoding="utf-8"))
    names = [table["zones"][place]] if place in table["zones"] else table["several"][place]
    return tuple(map(ZoneInfo, names))


def clocks(places: Any) -> set[ZoneInfo]:
    return {zone for place in places for zone in zones(place)}


def span(drawn: tuple[int, int | None]) -> tuple[str, str | None]:
    """From a day on, until another one, as a document has it."""
    since = START + drawn[0] * DAY
    return since.isoformat(), (since + drawn[1] * DAY).isoformat() if drawn[1] else None


def paper(code: str, drawn: tuple[int, int | None], **differs: Any) -> dict[str, Any]:
    since, until = span(drawn)
    caps = {"apps": [], "signals": [], "retention_cap_days": None, "replaced_on": None}
    return {"code": code, "places": [], **caps, "from": since, "until": until, **differs}


def a_document(places: Any, **differs: Any) -> dict[str, Any]:
    """What a cohort of these places shares: one purpose, two apps, and every gate closed."""
    from consent.rules import shipped
    from consent.selectors.documents import FORM

    rules = shipped()
    everywhere = {row.code: row for code in PLACES for row in rules.lineage(code)}
    purpose = {
        "title": "Train",
        "retention_days": 60,
        "notice_version": 1,
        "notice_at": "2024-01-01T00:00:00+00:00",
        "allowlist": {app: {"mouse_click": 1, "dom_text": 2} for app in ("own", "theirs")},
        "gates": [
            {"gate": gate, "jurisdiction": code, "from": LONG_AGO.isoformat(), "until": None}
            for code, row in everywhere.items()
            for gate in sorted({*row.own.gates, "counsel_signoff"})
        ],
        "agreements": [],
        "overrides": [
            {"jurisdiction": code, "signal": "dom_text", "from": "2026-01-01", "until": None}
            for code in everywhere
        ],
    }
    app = {"category": "tracker", "data_of": "own", "blocked": False, "counterparties": None}
    return {
        "form": FORM,
        "jurisdictions": sorted(places),
        "rulebook": rules.digest,
        "apps": {"own": app, "theirs": app | differs.pop("theirs", {})},
        "purposes": {"train": purpose | differs},
    }


def decided(document: dict[str, Any], at: datetime) -> dict[tuple[str, str], Any]:
    """What is decided at an instant for somebody who said yes, by app and signal."""
    from consent.models import CohortPolicy
    from consent.selectors.decisions import decide, nobody_in
    from consent.selectors.stops import NO_STOPS

    verdicts = decide(
        nobody_in(CohortPolicy(document=document), departs_at=None, stops=NO_STOPS), at=at
    )
    return {(pair.app, pair.signal.value): pair.decision for pair in verdicts.pairs}


def click(document: dict[str, Any], at: datetime) -> bool:
    """Whether clicks in one's own app are allowed at an instant."""
    return bool(decided(document, at)["own", "mouse_click"].permitted)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_else_stands_in_the_way_there(place: str) -> None:
    assert click(a_document([place]), datetime(2026, 12, 5, 12, tzinfo=UTC))


@settings(max_examples=300, deadline=None)
@given(SOME, SPAN, SPAN, SPAN, INSTANTS)
def test_what_is_dated_permits_only_while_it_is_that_day_on_every_clock(
    places: set[str], proof: Any, agreed: Any, lifted: Any, at: datetime
) -> None:
    """Evidence, an agreement and an exception, each from a day until another."""
    document = a_document(places, agreements=[paper("A", agreed)])
    terms = document["purposes"]["train"]
    since, until = span(proof)
    for item in terms["gates"]:
        if item["gate"] == "dpia":
            item |= {"from": since, "until": until}
    asked = any(item["gate"] == "dpia" and asks(places, item) for item in terms["gates"])
    days = {at.astimezone(zone).date().isoformat() for zone in clocks(places)}

    expected = all(
        (not asked or (since <= day and (until is None or day < until)))
        and not (span(agreed)[1] is not None and day >= str(span(agreed)[1]))
        for day in days
    )

    assert click(document, at) == expected
    document = copy.deepcopy(document)  # what was read once is not read again
    for item in document["purposes"]["train"]["overrides"]:
        item |= dict(zip(("from", "until"), span(lifted), strict=True))
    begins, ends = span(lifted)
    counts = all(begins <= day and (ends is None or day < ends) for day in days)
    found = decided(document, at)["own", "dom_text"]
    assert ("signal_restricted_no_override" in found.codes) <= (not counts)
    assert not found.permitted or (expected and (counts or not restricted(places)))


def asks(places: Any, item: dict[str, Any]) -> bool:
    from consent.rules import shipped

    rows = [row for code in places for row in shipped().lineage(code)]
    return any(row.code == item["jurisdiction"] and item["gate"] in row.own.gates for row in rows)


def restricted(places: Any) -> bool:
    from consent.rules import shipped

    rows = [row for code in places for row in shipped().lineage(code)]
    return any(Signal.DOM_TEXT in row.own.restricted_signals for row in rows)


@settings(max_examples=100, deadline=None)
@given(SOME, SPAN, SPAN, SPAN, st.just(BEFORE) | INSTANTS, INSTANTS)
def test_nothing_is_wider_than_on_the_calendar_day_of_any_of_the_clocks(
    places: set[str], proof: Any, first: Any, second: Any, told: datetime, at: datetime
) -> None:
    """Also what is counted from an instant, such as a notice; exactly so for what is dated."""
    from consent.policy.clocks import LocalDay
    from consent.policy.evaluate import evaluate_many
    from consent.rules import shipped
    from consent.selectors.corefacts import app_facts, person_facts, willing
    from consent.selectors.decisions import nobody_in
    from consent.selectors.stops import NO_STOPS

    document = a_document(
        places,
        agreements=[paper("A", first, signals=["mouse_click"]), paper("B", second)],
        notice_at=told.isoformat(),
    )
    terms = document["purposes"]["train"]
    for item in terms["gates"]:
        item |= dict(zip(("from", "until"), span(proof), strict=True))

    found = decided(document, at)

    alone: dict[tuple[str, str], list[bool]] = {pair: [] for pair in found}
    for zone in clocks(places):
        local = LocalDay(at.astimezone(zone).date(), (zone.key,))
        person = person_facts(
            document,
            "train",
            nobody_in(None, departs_at=None, stops=NO_STOPS),
            shipped(),
            at=at,
            local=local,
        )
        apps = app_facts(document, terms, (local.day,))
        consented = {(app.app, Signal(s)) for app in apps for s in ("mouse_click", "dom_text")}
        each = evaluate_many(willing(person, terms), apps, shipped(), consented=consented)
        for (app, signal), said in each.items():
            alone[str(app), str(signal)].append(said.permitted)
    assert all(all(alone[pair]) for pair, said in found.items() if said.permitted)
    if told == BEFORE:
        assert all(said.permitted for pair, said in found.items() if all(alone[pair]))


@settings(max_examples=40, deadline=None)
@given(SOME, SPAN, SPAN, INSTANTS)
def test_every_change_is_known_ahead(
    places: set[str], proof: Any, agreed: Any, at: datetime
) -> None:
    """Between an instant and the next change that is told for it every answer stays the same."""
    from consent.models import CohortPolicy
    from consent.selectors.decisions import decide, nobody_in
    from consent.selectors.stops import NO_STOPS

    document = a_document(places, agreements=[paper("A", agreed, signals=["mouse_click"])])
    for item in document["purposes"]["train"]["gates"]:
        item |= dict(zip(("from", "until"), span(proof), strict=True))
    policy = CohortPolicy(document=document)

    change = decide(nobody_in(policy, departs_at=None, stops=NO_STOPS), at=at).next_change
    assert change is None or change > at
    end = min(change or at + 2 * DAY, at + 2 * DAY)
    first = {pair: said.permitted for pair, said in decided(document, at).items()}
    steps = int((end - at) / timedelta(minutes=30))
    for step in range(steps + 1):
        then = min(at + step * timedelta(minutes=30), end - SECOND)
        assert {pair: said.permitted for pair, said in decided(document, then).items()} == first


def test_the_words_of_others_are_under_the_days_of_their_places() -> None:
    """In Berlin their agreement has hours to go; in Tokyo, where they are, it is over."""
    ends = date(2026, 12, 11)
    over = {**paper("T", (0, 10), places=["JP"]), "from": LONG_AGO.isoformat()}
    theirs = {
        "data_of": "colleagues",
        "counterparties": ["JP"],
        "places_of_others": ["JP"],
        "agreements_of_others": ["T"],
    }
    document = a_document(["DE"], theirs=theirs, agreements_of_others=[over])
    tokyo = datetime.combine(ends, time.min, ZoneInfo("Asia/Tokyo")).astimezone(UTC)
    berlin = datetime.combine(ends, time.min, ZoneInfo("Europe/Berlin")).astimezone(UTC)

    def against(at: datetime, app: str, signal: str) -> bool:
        return "agreement_does_not_cover" in decided(document, at)[app, signal].codes

    assert tokyo < berlin - 6 * timedelta(hours=1)
    assert not against(tokyo - SECOND, "theirs", "dom_text")
    assert against(tokyo, "theirs", "dom_text")
    assert not against(tokyo, "theirs", "mouse_click"), "no words of anybody"
    assert not against(berlin, "own", "dom_text"), "it is the agreement of others"


# --- the portal itself ---------------------------------------------------------------------------

HOME = {"JP": "Asia/Tokyo", "US-CA": "America/Los_Angeles", "DE": "Europe/Berlin"}


def day_to_come(place: str, *, summer_time: bool) -> date:
    """A day not long ahead; the one on which the clock is put forward next, where it is."""
    zone, today = ZoneInfo(HOME[place]), datetime.now(UTC).date()
    days = (today + n * DAY for n in range(3, 240))
    if not summer_time or place == "JP":
        return today + 9 * DAY
    return next(
        day
        for day in days
        if datetime.combine(day, time.min, zone).utcoffset()
        != datetime.combine(day + DAY, time.min, zone).utcoffset()
    )


def midnight(place: str, day: date) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(HOME[place])).astimezone(UTC)


@pytest.mark.parametrize("summer_time", [False, True])
@pytest.mark.parametrize("place", sorted(HOME))
def test_portal_explanation_policy_and_command_turn_at_the_same_midnight(
    database: Any, place: str, summer_time: bool
) -> None:
    """An agreement begins, and ends a day later: on and off, as everybody says, to the second."""
    from consent import selectors, services
    from consent.models import Agreement
    from consent.policy.answers import decide_answer
    from consent.rules import rulebook

    world = factories.make_world(place)
    begins = day_to_come(place, summer_time=summer_time)
    ends = begins + DAY
    for code, signals, since, until in (
        ("before", ["scroll"], LONG_AGO, begins),
        ("then", ["scroll"], begins, ends),
    ):
        services.record_agreement(
            agreement=Agreement(
                code=code,
                title="Agreement",
                parties="both",
                jurisdictions=[place],
                signals=signals,
                valid_from=since,
                valid_until=until,
                document_sha256=code[0] * 64,
                replaces=Agreement.objects.filter(code="before").first(),
            ),
            actor=factories.OFFICER,
        )
    world.say_yes()
    agent = factories.make_agent(world.subject)

    def told(at: datetime) -> tuple[bool, bool, bool, bool]:
        local = at.astimezone(ZoneInfo(HOME[place]))
        binding = ["then"] if local.date() >= begins else ["before"]
        days = {"before": (LONG_AGO, begins), "then": (begins, ends)}
        facts = {
            "jurisdictions": [place],
            "signal": "scroll",
            "at": local,
            "app": "tracker",
            "app_category": "tracker",
            "consent": "given",
            "consented_signals": ["scroll"],
            "consent_given_on": local.date(),
            "notice_on": date(2024, 1, 1),
            "ack": True,
            "gates": "all",
            "agreements": [
                {"name": code, "valid_from": days[code][0], "valid_until": days[code][1]}
                for code in binding
            ],
        }
        verdicts = selectors.verdicts_for(world.subject, at=at)
        found = selectors.explain(
            world.subject, purpose=None, app="tracker", signal=Signal.SCROLL, at=at
        )
        assert found.days == (local.date(),)
        policy = services.issue_policy(agent=agent, at=at).policy
        assert policy.lease_until <= next(
            (turn for turn in (midnight(place, begins), midnight(place, ends)) if turn > at),
            policy.lease_until,
        )
        return (
            "scroll" in verdicts.allow().get("train-agents", {}).get("tracker", {}),
            found.permitted,
            "scroll" in policy.allow.get("train-agents", {}).get("tracker", {}),
            decide_answer(facts, rulebook())["decision"] == "allow",
        )

    first, last = midnight(place, begins), midnight(place, ends)
    assert (last - first != DAY) == (summer_time and place != "JP")
    answers = {at: told(at) for at in (first - SECOND, first, last - SECOND, last)}
    assert {at: set(said) for at, said in answers.items()} == {
        first - SECOND: {True},
        first: {True},
        last - SECOND: {True},
        last: {False},
    }


@pytest.mark.parametrize("place", sorted(HOME))
def test_evidence_counts_from_midnight_to_midnight_where_somebody_works(
    database: Any, place: str
) -> None:
    from consent import selectors, services
    from consent.models import GateEvidence

    world = factories.make_world(place)
    gate, days = pick_gate(place)
    begins = day_to_come(place, summer_time=False)
    services.reopen_gate(
        evidence=GateEvidence.objects.get(gate=gate, jurisdiction=days), actor=factories.OFFICER
    )
    services.close_gate(
        purpose=world.purpose,
        gates=[(days, gate)],
        document_title="For two days",
        document_sha256="1" * 64,
        valid_from=begins,
        valid_until=begins + 2 * DAY,
        actor=factories.OFFICER,
    )

    def is_open(at: datetime) -> bool:
        decision = factories.decision_for(
            world.subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL, at=at
        )
        assert decision
        return "gates_open" in decision.codes

    first, last = midnight(place, begins), midnight(place, begins + 2 * DAY)
    assert [is_open(at) for at in (first - SECOND, first, last - SECOND, last)] == [
        True, False, False, True,
    ]  # fmt: skip
    agent = factories.make_agent(world.subject)
    assert services.issue_policy(agent=agent, at=last - SECOND).policy.lease_until == last
    assert selectors.explain(
        world.subject, purpose=None, app="tracker", signal=Signal.SCROLL, at=last
    ).days == (begins + 2 * DAY,)


def pick_gate(place: str) -> tuple[str, str]:
    """A gate that is asked for there without a lead time, and the place that asks."""
    from consent.rules import rulebook

    rules = rulebook()
    bounds = rules.law([place], datetime.now(UTC).date()).bounds
    assert bounds
    return next(
        (gate, row.code)
        for row in rules.lineage(place)
        for gate in sorted(row.own.gates)
        if bounds.lead_days(gate) == 0
    )


# --- facts about people --------------------------------------------------------------------------


def facts_between(subject: Any, *, at: datetime) -> Any:
    from consent import selectors

    return selectors.cohort_facts(subject, at=at)


def record(subject: Any, kind: str, value: str, since: date, until: date | None = None) -> None:
    from consent import services

    services.record_fact(
        subject=subject,
        kind=kind,
        value=value,
        valid_from=since,
        valid_until=until,
        source="test",
        actor=factories.OFFICER,
    )


def test_while_a_day_begins_the_rules_of_both_places_hold(database: Any) -> None:
    """From Tokyo to California: seventeen hours in which the day of the move has begun in one."""
    from consent import selectors, services

    world = factories.make_world("JP")
    day = datetime.now(UTC).date() + 5 * DAY
    record(world.subject, "work_location", "US-CA", day)
    first, last = midnight("JP", day), midnight("US-CA", day)

    def places(at: datetime) -> list[str]:
        return list(facts_between(world.subject, at=at)["jurisdictions"])

    assert [places(at) for at in (first - SECOND, first, last - SECOND, last)] == [
        ["JP"], ["JP", "US-CA"], ["JP", "US-CA"], ["US-CA"],
    ]  # fmt: skip
    world.subject.refresh_from_db()
    assert world.subject.turns_at == first
    agent = factories.make_agent(world.subject)
    assert services.issue_policy(agent=agent, at=first - SECOND).policy.lease_until == first

    # The workers come when all is over: both moves are on record as they were called for.
    assert services.place_turned(at=last + DAY) == 1
    moves = list(world.subject.memberships.order_by("pk"))[1:]
    assert [(move.since, move.cohort.facts["jurisdictions"]) for move in moves] == [
        (first, ["JP", "US-CA"]), (last, ["US-CA"]),
    ]  # fmt: skip
    world.subject.refresh_from_db()
    assert world.subject.turns_at is None
    assert selectors.current_cohort_policy(world.subject.cohort).since >= last


def test_who_comes_is_told_of_no_rule_before_the_day_has_begun_there(database: Any) -> None:
    """The first fact permits; the last one's end denies from its first midnight on."""
    from consent import services

    day = datetime.now(UTC).date() + 5 * DAY
    subject = services.record_subject(
        language="en", facts={}, since=day, source="test", actor=factories.OFFICER
    )
    record(subject, "work_location", "US", day, day + DAY)
    begun = [datetime.combine(day, time.min, zone).astimezone(UTC) for zone in zones("US")]
    over = [at + DAY for at in begun]

    def places(at: datetime) -> list[str]:
        return list(facts_between(subject, at=at)["jurisdictions"])

    assert [places(at) for at in (min(begun), max(begun) - SECOND, max(begun))] == [[], [], ["US"]]
    assert [places(at) for at in (min(over) - SECOND, min(over), max(over))] == [["US"], [], []]


def test_an_agreement_of_a_site_of_one_of_two_days_binds_and_speaks_for_nobody(
    database: Any,
) -> None:
    from consent import selectors, services
    from consent.models import Agreement

    world = factories.make_world("DE")
    world.say_yes()
    day = datetime.now(UTC).date() + 5 * DAY
    record(world.subject, "residence", "JP", LONG_AGO)
    factories.close_all_gates(world.purpose, "JP")
    record(world.subject, "site", "Berlin", day)
    services.record_agreement(
        agreement=Agreement(
            code="B",
            title="Agreement",
            parties="both",
            jurisdictions=["DE"],
            sites=["Berlin"],
            signals=["mouse_click"],
            valid_from=LONG_AGO,
            document_sha256="b" * 64,
        ),
        actor=factories.OFFICER,
    )
    first, last = midnight("JP", day), midnight("DE", day)
    services.place_turned(at=first)
    world.subject.refresh_from_db()

    def allowed(at: datetime) -> set[str]:
        found = selectors.verdicts_for(world.subject, at=at).allow()
        return {signal for app in found.get("train-agents", {}).values() for signal in app}

    facts = facts_between(world.subject, at=first)
    assert (facts["sites"], facts["sites_of_one_day"]) == ([], ["Berlin"])
    assert allowed(first) == set(), "who is at no site is silenced by an agreement of one"
    services.place_turned(at=last)
    world.subject.refresh_from_db()
    assert allowed(last) == {"mouse_click"}


FACTS = st.lists(
    st.tuples(
        st.sampled_from(["work_location", "residence", "travel"]),
        st.sampled_from(PLACES),
        st.integers(0, 6),
        st.integers(1, 6) | st.none(),
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(FACTS, INSTANTS)
def test_whatever_holds_by_a_clock_of_its_own_place_is_among_the_rules(
    drawn: list[tuple[str, str, int, int | None]], at: datetime
) -> None:
    """And nobody has rules, which permits, before a place of work has begun on every clock."""
    from consent.selectors.facts import Held, facts_of

    held = [
        Held(
            kind,
            place,
            START + since * DAY,
            START + (since + days) * DAY if days else None,
            known=at,
            end_known=None,
        )
        for kind, place, since, days in drawn
    ]

    places = set(facts_of(held, at=at)["jurisdictions"])

    here = {
        fact.value
        for fact in held
        for zone in zones(fact.value)
        if fact.on(at.astimezone(zone).date())
    }
    assert not places or here <= places
    if places:
        for zone in clocks(places):
            today = at.astimezone(zone).date()
            assert any(fact.kind == "work_location" and fact.on(today) for fact in held)


# --- what an earlier version wrote ---------------------------------------------------------------


def test_of_the_past_the_form_before_is_read_by_days_of_utc() -> None:
    """As it was read then: in Tokyo the agreement ended nine hours late."""
    from consent.models import CohortPolicy
    from consent.selectors.decisions import decide, nobody_in
    from consent.selectors.documents import (
        FORM,
        FORM_BY_UTC,
        FORM_WAITING,
        as_told_then,
        is_legible,
    )
    from consent.selectors.stops import NO_STOPS

    ends = START + 10 * DAY
    document = a_document(["JP"], agreements=[paper("A", (0, 10))])
    old = a_document(["JP"], agreements=[paper("A", (0, 10))]) | {"form": FORM_BY_UTC}
    old["purposes"]["train"]["notice_on"] = "2024-01-01"
    del old["purposes"]["train"]["notice_at"]
    at = midnight("JP", ends)
    utc = datetime.combine(ends, time.min, UTC)

    def told(document: dict[str, Any], at: datetime) -> bool:
        policy = as_told_then(CohortPolicy(document=document))
        assert is_legible(policy)
        verdicts = decide(nobody_in(policy, departs_at=None, stops=NO_STOPS), at=at)
        return bool(verdicts.allow())

    assert [FORM_BY_UTC, FORM_WAITING, FORM] == [6, 7, 8]
    assert [told(document, when) for when in (at - SECOND, at, utc - SECOND)] == [
        True, False, False,
    ]  # fmt: skip
    assert [told(old, when) for when in (at, utc - SECOND, utc)] == [True, True, False]
    assert not decide(
        nobody_in(CohortPolicy(document=old), departs_at=None, stops=NO_STOPS), at=at
    ).allow(), "what holds now denies"
    for form in (FORM_BY_UTC - 1, FORM + 1, None):
        assert not is_legible(as_told_then(CohortPolicy(document=old | {"form": form})))


def test_an_explanation_of_what_is_not_read_any_more_says_so(database: Any) -> None:
    from consent.models import CohortPolicy
    from consent.selectors.documents import FORM_BY_UTC
    from consent.selectors.explain import as_json, explain

    world = factories.make_world("IE")
    world.say_yes()
    newest = world.subject.cohort.policies.latest("revision")
    notice = newest.document["purposes"]["train-agents"] | {"notice_on": "2024-01-01"}
    answers = []
    for number, form in enumerate((FORM_BY_UTC, FORM_BY_UTC - 1), start=1):
        document = newest.document | {"form": form, "purposes": {"train-agents": notice}}
        CohortPolicy.objects.create(
            cohort=newest.cohort,
            revision=newest.revision + number,
            document=document,
            sha256=f"{number:064}",
            since=datetime.now(UTC),
        )
        found = explain(
            world.subject,
            purpose=None,
            app="tracker",
            signal=Signal.SCROLL,
            at=datetime.now(UTC),
        )
        answers.append((as_json(found)["decision"], as_json(found)["legible"]))
    assert answers == [("allow", True), ("deny", False)]


def test_what_stood_as_a_day_is_looked_at_from_its_first_beginning_on_earth(database: Any) -> None:
    """The migration: nobody's turn is later than their midnight, whoever turned lately included."""
    from importlib import import_module

    from django.apps import apps
    from django.db import connection

    from consent.models import Cohort, Subject

    migration = import_module("consent.migrations.0022_local_days")
    today = datetime.now(UTC).date()
    ahead, lately, never = (factories.make_subject("JP") for _ in range(3))
    Subject.objects.filter(pk=ahead.pk).update(
        turns_at=datetime.combine(today + 9 * DAY, time.min, UTC)
    )
    record(lately, "residence", "US-CA", today)
    Subject.objects.filter(pk=lately.pk).update(turns_at=None)
    cohort = ahead.cohort
    Cohort.objects.filter(pk=cohort.pk).update(turns_at=datetime.combine(today, time.min, UTC))

    editor = SimpleNamespace(connection=connection)
    migration.begin_with_the_first_clock(apps, editor)
    migration.look_again_at_who_turned_lately(apps, editor)

    for one in (ahead, lately, never, cohort):
        one.refresh_from_db()
    assert ahead.turns_at <= midnight("JP", today + 9 * DAY)
    assert lately.turns_at < datetime.now(UTC)
    assert never.turns_at is None
    assert cohort.turns_at < datetime.combine(today, time.min, UTC)
