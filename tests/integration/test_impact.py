"""What a change is said to mean is what it then does, person by person, and tells of nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator
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
    """Every figure is the brute one; a hidden or a nought one is nobody."""
    said = told(impact)
    assert {key for key, people in expected.items() if people} <= set(said), "a line is missing"
    for key, count in said.items():
        assert count == expected.get(key, 0) or (count is None and not expected.get(key)), key


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
    from consent.models import AllowlistEntry, GateEvidence

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
        return kind, {"purpose": purpose, "retention_days": dice.randint(1, 120)}
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
            "valid_from": "2025-01-01", "valid_until": "2099-01-01",
        }  # fmt: skip
    if kind == "app.block":
        return kind, {"app": app, "suspected": "health"}
    return kind, {"purpose": purpose}


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_those_of_every_person_looked_at_alone(
    world: Any, database: Any, settings: Any, seed: int
) -> None:
    """A random walk of changes: each one's figures, before, against everybody, after."""
    from consent import services
    from consent.exceptions import ConsentError

    settings.SMALLEST_GROUP = 1
    dice = random.Random(seed)
    everybody = people(world, 32, dice)
    before = [kept(person) for person in everybody]
    made: list[str] = []
    seen: set[str] = set()
    while len(made) < 11:
        kind, payload = a_change(dice, database)
        if made.count(kind) > 3 or (kind == "purpose.retire" and len(made) < 8):
            continue
        try:
            impact = services.impact_of(kind, payload)
        except ConsentError:
            continue  # nothing would change, or nothing is restricted there
        make(kind, payload)
        after = [kept(person) for person in everybody]

        agrees(impact, brute(before, after))

        assert impact.lose == sum(bool(lost(*two)) for two in zip(before, after, strict=True)) or (
            impact.lose is None and before == after
        )
        assert impact.widens or not any(
            lost(new, old) for old, new in zip(before, after, strict=True)
        )
        seen |= {effect for (_, _, effect), count in brute(before, after).items() if count}
        made.append(kind)
        answer_anew(dice.sample(everybody, 6), dice)
        before = [kept(person) for person in everybody]
    assert "lose" in seen
    assert len(seen) > 1


def lost(old: Kept, new: Kept) -> set[tuple[str, str, str]]:
    return set(old) - set(new)


def test_rules_that_tell_by_age_and_acknowledgement_are_counted_person_by_person(
    world: Any, database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adopting what came with the program: consent that lives longer, nothing to acknowledge."""
    from consent import rules, services

    settings.SMALLEST_GROUP = 1
    services.adopt_first_rules(at=datetime.now(UTC))
    everybody = people(world, 40, random.Random(7))
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
        before = [kept(person) for person in everybody]
        payload = {"codes": ["IE", "GB"]}
        impact = services.impact_of("rules.adopt", payload)
        make("rules.adopt", payload)
        after = [kept(person) for person in everybody]

        agrees(impact, brute(before, after))

        gained = sum(bool(lost(new, old)) for old, new in zip(before, after, strict=True))
        assert impact.widens is bool(number)
        assert bool(gained) is bool(number)


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

    say_nothing(world, 12)
    say_yes(world, 9)
    nine = services.impact_of("allowlist.change", REMOVE)
    say_yes(world, 1)
    ten = services.impact_of("allowlist.change", REMOVE)

    assert [(line.signal, line.lose, line.gain) for line in nine.lines] == [
        ("mouse_click", None, 0)
    ]
    assert [(line.signal, line.lose, line.gain) for line in ten.lines] == [("mouse_click", 10, 0)]
    assert "(not shown) people lose mouse_click, 0 gain" in impact_lines(nine)
    assert "10 people lose mouse_click, 0 gain" in impact_lines(ten)
    assert isinstance(ten, selectors.Impact)


def test_a_person_counts_once_however_many_apps(world: Any, database: Any, settings: Any) -> None:
    from consent import services

    settings.SMALLEST_GROUP = 2
    say_nothing(world, 2)
    say_yes(world, 4)

    impact = services.impact_of("purpose.retire", {"purpose": "train-agents"})

    assert {line.signal: line.lose for line in impact.lines}["mouse_click"] == 4
    assert impact.lose == 4


RETIRE = {"purpose": "train-agents"}


def figures(impact: Any) -> dict[str, int | None]:
    return {line.signal: line.lose for line in impact.lines}


def test_a_few_cannot_be_worked_out_from_two_figures(world: Any, database: Any) -> None:
    """25 said yes to clicks, 4 of them to scrolling as well: shown together, 21 would tell of 4."""
    from consent import services
    from consent.policy.types import Signal

    say_nothing(world, 15)
    say_yes(world, 21)
    for _ in range(25):
        world.subject = world.another_subject()
        world.say_yes(("tracker", Signal.SCROLL))
    before = services.impact_of("purpose.retire", RETIRE)
    for _ in range(4):
        world.subject = world.another_subject()
        world.say_yes(("tracker", Signal.SCROLL), ("tracker", Signal.MOUSE_CLICK))
    after = services.impact_of("purpose.retire", RETIRE)

    assert (figures(before)["mouse_click"], figures(before)["scroll"], before.lose) == (21, 25, 46)
    assert figures(after)["scroll"] == 29
    assert figures(after)["mouse_click"] is None, "25 + 29 - 50 would be the four"


def test_who_did_not_say_yes_cannot_be_worked_out(world: Any, database: Any) -> None:
    """All but three of those who may be asked said yes, and how many may be asked is told."""
    from consent import services

    say_nothing(world, 2)
    say_yes(world, 40)

    impact = services.impact_of("purpose.retire", RETIRE)

    (unasked,) = {line.unasked for line in impact.lines if line.signal == "mouse_click"}
    assert (unasked, figures(impact)["mouse_click"], impact.lose) == (43, None, None)


def test_while_groups_are_small_nothing_told_depends_on_anybody(world: Any, database: Any) -> None:
    """Nobody said yes, one did, nine did: it is said with the very same bytes."""
    from consent import services

    changes = [
        ("allowlist.change", REMOVE),
        ("purpose.change", {"purpose": "train-agents", "retention_days": 5}),
        ("purpose.retire", {"purpose": "train-agents"}),
        (
            "notice.publish",
            {
                "purpose": "train-agents",
                "texts": {"en": {"title": "Newer", "sections": factories.sections("Newer.")}},
            },
        ),
    ]
    nine = [world.another_subject() for _ in range(9)]
    told = []
    for more in ([], nine[:1], nine[1:]):
        for person in more:
            world.subject = person
            world.say_yes()
        told.append([services.impact_of(*change).document() for change in changes])

    assert told[0] == told[1] == told[2]
    assert told[0][0]["lines"], "and yet there is a line"


# --- what is in the way ------------------------------------------------------------------------


def test_what_an_agreement_blocks_is_named_with_its_place(world: Any, database: Any) -> None:
    from consent import services
    from consent.models import Agreement
    from consent.selectors.proposals import impact_lines

    services.record_agreement(
        agreement=Agreement(
            code="2026-07", title="Agreement", parties="All", jurisdictions=["DE"],
            signals=["scroll"], valid_from=date(2025, 1, 1), document_sha256="0" * 64,
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


def test_an_impact_survives_being_frozen(world: Any, database: Any) -> None:
    from consent import selectors, services
    from consent.models import Proposal

    say_nothing(world, 12)
    say_yes(world, 11)
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
