"""What a change is said to mean is what it then does to whoever says yes; and tells of nobody."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories

AUTHOR = UUID(int=11)
PURPOSES = ("train-agents", "improve-forms")
SIGNALS = ("mouse_click", "scroll", "key_meta", "key_timing", "window_title")
PLACES = ("IE", "DE", "GB", "US-NY", "US-DE")
Kept = dict[tuple[str, str, str], int]
"""(purpose, app, signal) -> days, of one person: all that may be recorded."""


@pytest.fixture
def world(database: Any) -> factories.World:
    """Two purposes about two apps, in order in several places; key_timing and titles are listed."""
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world()
    second = services.publish_purpose(
        code="improve-forms", title="Improve forms", description="Fewer clicks.",
        retention_days=40, position=2, actor=factories.OFFICER,
    )  # fmt: skip
    for app in world.apps.values():
        for purpose, signals in ((world.purpose, SIGNALS[2:]), (second, SIGNALS[:3])):
            services.allow_in_purpose(
                purpose=purpose, app=app, signals=[Signal(s) for s in signals],
                actor=factories.OFFICER,
            )  # fmt: skip
    publish_notice(second)
    with services.refresh_once():
        for purpose in (world.purpose, second):
            for place in PLACES:
                factories.close_all_gates(purpose, place)
    world.extra["purposes"] = {p.code: p for p in (world.purpose, second)}
    return world


def publish_notice(purpose: Any, at: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> Any:
    from consent import services

    texts = {"en": ("About it", factories.sections(f"As of {at:%d %B %Y}."))}
    return services.publish_notice(purpose=purpose, texts=texts, actor=factories.OFFICER, at=at)


def people(world: factories.World, count: int, dice: random.Random) -> list[Any]:
    """So many people of all kinds: places, answers, their age, notices read and outdated."""
    found = []
    for number in range(count):
        if number == count // 2:
            publish_notice(world.extra["purposes"]["improve-forms"])
        person = factories.make_subject(dice.choice(PLACES))
        for purpose in world.extra["purposes"].values():
            if dice.random() < 0.85:
                answer(person, purpose, dice)
        found.append(person)
    return found


def answer(person: Any, purpose: Any, dice: random.Random) -> None:
    from consent import selectors, services
    from consent.services import Pair

    notice = selectors.current_notice(purpose)
    assert notice is not None
    if dice.random() < 0.6:
        services.acknowledge_notice(subject=person, notice=notice)
    offered = sorted(selectors.offered_pairs(purpose))
    services.give_consent(
        subject=person,
        purpose=purpose.code,
        notice=notice,
        pairs=[Pair(*pair) for pair in dice.sample(offered, dice.randint(1, len(offered)))],
        language="en",
        event_time=datetime.now(UTC)
        - timedelta(days=dice.choice([1, 100, 200, 364, 366, 500, 800])),
        imported=True,
    )
    if dice.random() < 0.15:
        services.withdraw_consent(subject=person, purpose=purpose.code)


def answer_anew(some: list[Any], dice: random.Random) -> None:
    """Let some people answer again: what was listed anew counts for nobody else."""
    from consent import selectors
    from consent.models import Purpose

    for purpose in Purpose.objects.filter(published_at__isnull=False).order_by("pk"):
        if selectors.offered_pairs(purpose):
            for person in some:
                answer(person, purpose, dice)


def kept(person: Any) -> Kept:
    """By the person's own verdicts, as an agent would get them."""
    from consent import selectors

    person.refresh_from_db()
    allow = selectors.verdicts_for(person, at=datetime.now(UTC)).allow()
    return {
        (purpose, app, signal): days
        for purpose, apps in allow.items()
        for app, signals in apps.items()
        for signal, days in signals.items()
    }


def brute(before: list[Kept], after: list[Kept]) -> dict[tuple[str, str, str], int]:
    """(purpose, signal, effect) -> people, by looking at each of them before and after."""
    found: dict[tuple[str, str, str], int] = {}
    for old, new in zip(before, after, strict=True):
        effects = {
            (purpose, signal, effect)
            for purpose, app, signal in {*old, *new}
            for effect in effect_of(
                old.get((purpose, app, signal)), new.get((purpose, app, signal))
            )
        }
        for key in effects:
            found[key] = found.get(key, 0) + 1
    return found


def effect_of(old: int | None, new: int | None) -> Iterator[str]:
    if old is None and new is not None:
        yield "gain"
    elif new is None and old is not None:
        yield "lose"
    elif old is not None and new is not None and old != new:
        yield "shorter" if new < old else "longer"


def told(impact: Any) -> dict[tuple[str, str, str], int | None]:
    return {
        (line.purpose, line.signal, effect): getattr(line, effect)
        for line in impact.lines
        for effect in ("lose", "gain", "shorter", "longer")
    }


def agrees(impact: Any, expected: dict[tuple[str, str, str], int]) -> None:
    """Every figure is the brute one; no line is missing and none is too much."""
    assert {key: count for key, count in told(impact).items() if count} == expected


def everywhere(before: dict[str, Kept], after: dict[str, Kept], count: Counter[str]) -> Any:
    """(purpose, signal, effect) -> people at the places where it befalls who says yes to all."""
    found: dict[tuple[str, str, str], int] = {}
    for place, old in before.items():
        for key in brute([old], [after[place]]):
            found[key] = found.get(key, 0) + count[place]
    return found


def at_most(some: dict[tuple[str, str, str], int], others: dict[tuple[str, str, str], int]) -> bool:
    return all(count <= others.get(key, 0) for key, count in some.items())


def make(kind: str, payload: dict[str, Any]) -> None:
    """Make the change without asking anybody."""
    from django.db import transaction

    from audit.ledger import Actor
    from consent import services
    from consent.services.changes import read_change

    with transaction.atomic(), services.refresh_once():
        read_change(kind, payload).apply(actor=Actor.staff(AUTHOR))


def a_change(dice: random.Random, database: Any) -> tuple[str, dict[str, Any]]:
    """Some change that fits what stands."""
    from consent.models import AllowlistEntry, GateEvidence, Purpose

    purpose, app = dice.choice(PURPOSES), dice.choice(("tracker", "sheet"))
    kind = dice.choice(
        ["allowlist.change", "allowlist.change", "purpose.change", "app.change", "gate.reopen",
         "gate.close", "agreement.record", "notice.publish", "purpose.retire", "override.grant",
         "override.grant", "app.block"]
    )  # fmt: skip
    if kind == "allowlist.change":
        entries = AllowlistEntry.objects.filter(
            purpose__code=purpose, app__code=app, delisted_at=None
        )
        listed = sorted(entries.values_list("signal", flat=True))
        absent = sorted(set(SIGNALS) - set(listed))
        return kind, {
            "purpose": purpose, "app": app,
            "add": dice.sample(absent, dice.randint(0, len(absent))),
            "remove": dice.sample(listed, dice.randint(0, len(listed))),
        }  # fmt: skip
    if kind == "purpose.change":
        days = dice.randint(1, 120)
        longer = days > Purpose.objects.get(code=purpose).retention_days
        told = {"texts": NEWER} if longer else {}
        return kind, {"purpose": purpose, "retention_days": days, **told}
    if kind == "app.change":
        fields = dice.choice(
            [{"category": "unknown"}, {"category": "office"}, {"data_of": "customers"},
             {"data_of": "own"}, {"data_of": "customers", "counterparties": ["DE"]},
             {"counterparties_masked": True}]
        )  # fmt: skip
        return kind, {"app": app, "fields": fields}
    if kind == "gate.reopen":
        standing = GateEvidence.objects.filter(reopening__isnull=True, purpose__code=purpose)
        return kind, {"evidence": dice.choice(list(standing.values_list("pk", flat=True)))}
    if kind == "gate.close":
        taken = GateEvidence.objects.filter(reopening__isnull=False)
        rows = list(taken.values_list("purpose__code", "jurisdiction", "gate"))
        code, place, gate = dice.choice(rows or [(purpose, "IE", "dpia")])
        return kind, {
            "purpose": code, "gates": [[place, gate]], "document_title": "Again",
            "document_sha256": "e" * 64, "not_applicable_reason": "",
            "valid_from": "2020-01-01", "valid_until": None,
        }  # fmt: skip
    if kind == "agreement.record":
        return kind, {
            "code": f"BV-{dice.randint(1, 10**6)}", "title": "Agreement", "parties": "All",
            "jurisdictions": [dice.choice(["DE", "GB"])], "sites": [], "purposes": [purpose],
            "apps": dice.choice([[], ["tracker"]]),
            "signals": dice.choice([[], ["mouse_click", "scroll", "key_meta"]]),
            "retention_cap_days": dice.choice([None, 25]), "valid_from": "2025-01-01",
            "valid_until": None, "document_sha256": "f" * 64, "council_may_veto": False,
            "council_units": [], "replaces": None,
        }  # fmt: skip
    if kind == "notice.publish":
        text = {"title": "Newer", "sections": factories.sections(str(dice.random()))}
        return kind, {"purpose": purpose, "texts": {"en": text}}
    if kind == "override.grant":
        return kind, {
            "purpose": purpose, "jurisdiction": dice.choice(["IE", "DE", "GB"]),
            "signal": "key_timing", "document_title": "Exception", "document_sha256": "a" * 64,
            "reason": "Once", **factories.A_YEAR,
        }  # fmt: skip
    if kind == "app.block":
        return kind, {"app": app, "suspected": "health"}
    return kind, {"purpose": purpose}


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_of_the_places_where_whoever_says_yes_is_concerned(
    world: Any, database: Any, settings: Any, seed: int
) -> None:
    """A random walk of changes: each one's figures, before, against everybody, after.

    At each place one person keeps saying yes to all there is, by the newest notice; the others
    answer anyhow, and nothing befalls more of them than the figure says.
    """
    from consent import services
    from consent.exceptions import ConsentError

    settings.SMALLEST_GROUP = 1
    dice = random.Random(seed)
    everybody = people(world, 12, dice)
    willing = {place: factories.make_subject(place) for place in PLACES}
    count = Counter(places_of([world.subject, *everybody, *willing.values()]))
    agree_to_all(willing.values())
    before, yes = [kept(one) for one in everybody], {p: kept(one) for p, one in willing.items()}
    made: list[str] = []
    seen: set[str] = set()
    while len(made) < 10:
        kind, payload = a_change(dice, database)
        if made.count(kind) > 3 or (kind == "purpose.retire" and len(made) < 8):
            continue
        try:
            impact = services.impact_of(kind, payload)
        except ConsentError:
            continue  # nothing would change, or nothing is restricted there
        make(kind, payload)
        after = [kept(one) for one in everybody]
        now = {place: kept(one) for place, one in willing.items()}

        agrees(impact, everywhere(yes, now, count))

        assert at_most(brute(before, after), everywhere(yes, now, count))
        assert impact.lose == sum(count[p] for p, old in yes.items() if lost(old, now[p]))
        assert impact.gain == sum(count[p] for p, old in yes.items() if lost(now[p], old))
        assert impact.widens or not any(
            lost(new, old) for old, new in zip(before, after, strict=True)
        )
        seen |= {effect for _, _, effect in everywhere(yes, now, count)}
        made.append(kind)
        answer_anew(dice.sample(everybody, 3), dice)
        agree_to_all(willing.values())
        before, yes = [kept(one) for one in everybody], {p: kept(one) for p, one in willing.items()}
    assert "lose" in seen
    assert len(seen) > 1


def places_of(some: Iterable[Any]) -> list[str]:
    from consent.models import SubjectFact

    facts = SubjectFact.objects.filter(subject__in=list(some), kind="work_location")
    return list(facts.values_list("value", flat=True))


def agree_to_all(
    some: Iterable[Any], *, days: int = 1, confirm: bool = True, purposes: Any = None
) -> None:
    """Say yes to all that is asked, by the newest notice."""
    from consent import selectors, services
    from consent.models import Purpose
    from consent.services import Pair

    for purpose in purposes or Purpose.objects.filter(published_at__isnull=False).order_by("pk"):
        notice = selectors.current_notice(purpose)
        assert notice is not None
        offered = sorted(selectors.offered_pairs(purpose))
        for person in some if offered else ():
            if confirm:
                services.acknowledge_notice(subject=person, notice=notice)
            services.give_consent(
                subject=person,
                purpose=purpose.code,
                notice=notice,
                pairs=[Pair(*pair) for pair in offered],
                language="en",
                event_time=datetime.now(UTC) - timedelta(days=days),
                imported=True,
            )


def test_what_is_asked_for_again_is_gained_again(world: Any, database: Any, settings: Any) -> None:
    """Nobody can have said yes to what is listed anew, and anybody to what was there before."""
    from consent import services

    settings.SMALLEST_GROUP = 1
    here = world.another_subject()
    agree_to_all([here])
    before = kept(here)
    make("purpose.retire", RETIRE)

    reopened = services.impact_of("purpose.reopen", RETIRE)
    added = services.impact_of(
        "allowlist.change",
        {"purpose": "improve-forms", "app": "tracker", "add": ["window_title"], "remove": []},
    )
    make("purpose.reopen", RETIRE)

    assert kept(here) == before
    gained = {signal for purpose, _, signal in before if purpose == "train-agents"}
    assert {line.signal for line in reopened.lines if line.gain == 2} == gained
    assert [(line.signal, line.gain, line.asked) for line in added.lines] == [
        ("window_title", 0, 2)
    ]


def lost(old: Kept, new: Kept) -> set[tuple[str, str, str]]:
    return set(old) - set(new)


def test_rules_that_tell_by_age_and_acknowledgement_are_counted_person_by_person(
    world: Any, database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adopting what came with the program: consent that lives longer, nothing to acknowledge."""
    from consent import rules, services

    settings.SMALLEST_GROUP = 1
    services.adopt_first_rules(at=datetime.now(UTC))
    kinds = [(days, confirm) for days in (1, 100, 200, 500) for confirm in (True, False)]
    everybody = {place: [factories.make_subject(place) for _ in kinds] for place in PLACES}
    count = Counter(places_of([world.subject, *itertools.chain(*everybody.values())]))
    for (days, confirm), *some in zip(kinds, *everybody.values(), strict=True):
        agree_to_all(some, days=days, confirm=confirm)
    pack = rules.shipped()
    strict = {
        **pack.tables,
        "IE.toml": {**pack.tables["IE.toml"], "reconsent_months": 6},
        "GB.toml": {**pack.tables["GB.toml"], "acknowledgement_required": True},
    }
    for number, tables in enumerate((strict, pack.tables)):
        shipped = rules.rulebook_of_tables(tables)
        assert not shipped.problems
        monkeypatch.setattr(rules, "shipped", lambda shipped=shipped: shipped)
        monkeypatch.setattr("consent.services.changes.rules.shipped", lambda s=shipped: s)
        # The stricter of the two counts at once: adopting the first changes nothing for anybody.
        services.follow_rules(at=datetime.now(UTC))
        before = {place: [kept(one) for one in some] for place, some in everybody.items()}
        payload = {"codes": ["IE", "GB"]}
        impact = services.impact_of("rules.adopt", payload)
        make("rules.adopt", payload)
        after = {place: [kept(one) for one in some] for place, some in everybody.items()}

        expected: dict[tuple[str, str, str], int] = {}
        for place in PLACES:
            for key in brute(before[place], after[place]):
                expected[key] = expected.get(key, 0) + count[place]
        agrees(impact, expected)

        assert impact.widens is bool(number)
        assert {effect for _, _, effect in expected} == ({"gain"} if number else set())


# --- small groups ----------------------------------------------------------------------------


def say_nothing(world: factories.World, count: int) -> None:
    for _ in range(count):
        world.another_subject()


def say_yes(world: factories.World, count: int, signal: str = "mouse_click") -> None:
    from consent.policy.types import Signal

    for _ in range(count):
        world.subject = world.another_subject()
        world.say_yes(("tracker", Signal(signal)), ("sheet", Signal(signal)))


REMOVE = {"purpose": "train-agents", "app": "tracker", "add": [], "remove": ["mouse_click"]}


def test_ten_are_told_nine_are_fewer_than_ten(world: Any, database: Any) -> None:
    from consent import selectors, services
    from consent.selectors.proposals import impact_lines

    say_nothing(world, 8)
    nine = services.impact_of("allowlist.change", REMOVE)
    say_nothing(world, 1)
    ten = services.impact_of("allowlist.change", REMOVE)

    assert [(line.signal, line.lose, line.gain) for line in nine.lines] == [
        ("mouse_click", None, 0)
    ]
    assert [(line.signal, line.lose, line.gain) for line in ten.lines] == [("mouse_click", 10, 0)]
    assert "(not shown) people lose mouse_click, 0 gain" in impact_lines(nine)
    assert "10 people lose mouse_click, 0 gain" in impact_lines(ten)
    assert isinstance(ten, selectors.Impact)


def test_a_place_of_few_is_counted_with_its_neighbours(world: Any, database: Any) -> None:
    """An exception for Ireland alone, where three work, counts the seven in Germany too."""
    from consent import services

    say_nothing(world, 2)
    for place, count in (("DE", 7), ("GB", 12)):
        for _ in range(count):
            factories.make_subject(place)
    told = {}
    for place in ("IE", "GB"):
        exception = {
            "purpose": "train-agents", "jurisdiction": place, "signal": "key_timing",
            "document_title": "Exception", "document_sha256": "a" * 64, "reason": "Once",
            **factories.A_YEAR,
        }  # fmt: skip
        told[place] = services.impact_of("override.grant", exception)

    assert [(line.signal, line.asked) for line in told["IE"].lines] == [("key_timing", 10)]
    assert [(line.signal, line.asked) for line in told["GB"].lines] == [("key_timing", 12)]


def test_a_person_counts_once_however_many_apps(world: Any, database: Any, settings: Any) -> None:
    from consent import services

    say_nothing(world, 11)

    impact = services.impact_of("purpose.retire", RETIRE)

    assert {line.signal: line.lose for line in impact.lines}["mouse_click"] == 12
    assert impact.lose == 12


RETIRE = {"purpose": "train-agents"}
NEWER = {"en": {"title": "Newer", "sections": factories.sections("Newer.")}}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("allowlist.change", REMOVE),
    ("allowlist.change", {**REMOVE, "add": ["mouse_move"], "remove": ["scroll", "key_meta"]}),
    ("purpose.change", {"purpose": "train-agents", "retention_days": 5}),
    ("purpose.retire", RETIRE),
    ("notice.publish", {"purpose": "train-agents", "texts": NEWER}),
    ("app.change", {"app": "tracker", "fields": {"category": "unknown"}}),
]


@pytest.mark.parametrize("others", [0, 40], ids=["a few people", "many people"])
def test_no_preview_differs_by_what_anybody_did(world: Any, database: Any, others: int) -> None:
    """The same bytes by the same queries, before and after each choice, of whatever proposal."""
    from tests.integration.test_ledger_to_others import DOES

    say_nothing(world, others)
    doing = [world.another_subject() for _ in DOES]

    def seen() -> list[Any]:
        found = []
        for change in CHANGES:
            with CaptureQueriesContext(connection) as caught:
                document = services.impact_of(*change).document()
            found.append((json.dumps(document, default=str), len(caught)))
        return found

    from consent import services

    seen()  # what is remembered from preview to preview is warm
    expected = seen()
    assert all('"signal"' in document for document, _ in expected)
    for does, world.subject in zip(DOES, doing, strict=True):
        does(world)

        assert seen() == expected, does.__name__


def test_two_proposals_never_differ_by_a_few_people(world: Any, database: Any) -> None:
    """Whoever files one for a place, and one for it and a place of one person, learns nothing."""
    from consent import services

    for place, count in (("IE", 14), ("DE", 1), ("GB", 3), ("FR", 2), ("US-NY", 25), ("PL", 4)):
        for _ in range(count):
            factories.make_subject(place)
    found = set()
    for places in (["IE"], ["IE", "DE"], ["US-NY", "IE"], ["US-NY", "IE", "PL"], ["PL"], ["FR"]):
        agreement = {
            "code": f"BV-{len(found)}", "title": "Agreement", "parties": "All",
            "jurisdictions": places, "sites": [], "purposes": ["train-agents"], "apps": [],
            "signals": ["scroll"], "retention_cap_days": None, "valid_from": "2025-01-01",
            "valid_until": None, "document_sha256": "f" * 64, "council_may_veto": False,
            "council_units": [], "replaces": None,
        }  # fmt: skip
        impact = services.impact_of("agreement.record", agreement)
        found |= {line.unasked for line in impact.lines} | {0}

    assert len(found) > 2
    assert all(abs(one - two) >= 10 for one in found for two in found if one != two), found


# --- what is in the way ------------------------------------------------------------------------


def test_what_an_agreement_blocks_is_named_with_its_place(world: Any, database: Any) -> None:
    from consent import services
    from consent.models import Agreement
    from consent.selectors.proposals import impact_lines

    services.record_agreement(
        agreement=Agreement(
            code="2026-07", title="Agreement", parties="All", jurisdictions=["DE"],
            signals=["scroll"], valid_from=date(2025, 1, 1), document_sha256="5" * 64,
        ),
        actor=factories.OFFICER,
    )  # fmt: skip
    for _ in range(12):
        factories.make_subject("DE")
        factories.make_subject("IE")
    make("allowlist.change", {**REMOVE, "remove": ["mouse_click"]})

    impact = services.impact_of(
        "allowlist.change", {**REMOVE, "add": ["mouse_click"], "remove": []}
    )

    (row,) = impact.blocked
    assert (row.jurisdictions, row.signals, row.agreement) == (("DE",), ("mouse_click",), "2026-07")
    assert "DE: blocked by agreement 2026-07 (mouse_click)" in impact_lines(impact)
    line = next(line for line in impact.lines if line.signal == "mouse_click")
    assert line.asked == 13, "twelve of Ireland and the world's own; nobody of Germany"


def test_no_place_of_few_people_is_named(world: Any, database: Any) -> None:
    """Ten in Poland are named; nine in France, who lives elsewhere, and who works nowhere are not.

    Nor is what stands in the way of them left out.
    """
    from consent import services
    from consent.models import Subject
    from consent.selectors.proposals import impact_lines

    def people(count: int, **facts: str) -> list[Subject]:
        return [
            services.record_subject(
                language="en", facts=facts, since=factories.LONG_AGO, source="test",
                actor=factories.OFFICER,
            )
            for _ in range(count)
        ]  # fmt: skip

    people(10, work_location="PL")
    people(9, work_location="FR")
    people(1, work_location="PL", residence="DE")
    nowhere = {"unit": "research"}
    people(9, **nowhere)

    def places() -> set[tuple[tuple[str, ...], bool]]:
        found = services.impact_of(
            "allowlist.change", {**REMOVE, "add": ["dom_text"], "remove": []}
        )
        told = "\n".join(impact_lines(found))
        assert "FR" not in told
        assert "DE" not in told
        return {(row.jurisdictions, row.few) for row in found.blocked}

    assert places() == {(("PL",), False), ((), True)}
    people(1, **nowhere)
    assert places() == {(("PL",), False), ((), True), ((), False)}


def test_an_impact_survives_being_frozen(world: Any, database: Any) -> None:
    from consent import selectors, services
    from consent.models import Proposal

    say_nothing(world, 10)
    impact = services.impact_of("allowlist.change", REMOVE)

    proposal = services.propose(kind="allowlist.change", payload=REMOVE, proposed_by=AUTHOR)

    stored = Proposal.objects.get(pk=proposal.pk)
    assert selectors.Impact.of(stored.impact) == impact
    view = selectors.proposal_view(stored)
    assert view["impact"] == impact
    assert "11 people lose mouse_click, 0 gain" in view["impact_lines"]
    assert [(row.field, row.removed) for row in view["diff"]] == [("signals", ("mouse_click",))]


# --- scale -----------------------------------------------------------------------------------


def test_the_number_of_queries_grows_with_neither_people_nor_cohorts(
    world: Any, database: Any
) -> None:
    from consent import services
    from consent.models import Cohort

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            services.impact_of("allowlist.change", REMOVE)
        return len(caught)

    say_yes(world, 3)
    few = queries()
    say_yes(world, 20)
    assert queries() == few
    for place in ("DE", "GB", "FR", "PL"):
        factories.make_subject(place)
    assert Cohort.objects.count() > 4
    assert queries() == few
