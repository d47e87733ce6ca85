"""The ledger as others than the person see it."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from audit import events, ledger, others, selectors
from audit.event import Event, event, sealed
from audit.ledger import Actor
from audit.reporting.activity import activity

ALICE = uuid4()


@event
class FromLater(Event):
    """Something that a later version of the program entered."""

    type = "later.thing"
    title = "Later thing"

    what: str
    why: str | None = sealed(default=None)


def tell(said: Event, actor: Actor, **more: Any) -> int:
    with transaction.atomic():
        return ledger.append(said, actor=actor, **more)


@pytest.fixture
def told(database: Any) -> dict[str, int]:
    refused = events.ConsentRefused(purpose="train-agents", notice_version=1, position=1)
    return {
        "demo": tell(events.DemoLoaded(people=2), Actor.system("demo")),
        "fact": tell(events.SubjectFactEnded(kind="unit"), Actor.staff(uuid4()), subject=ALICE),
        "own": tell(refused, Actor.subject(ALICE), subject=ALICE, covers=[("event", 1)]),
        "later": tell(FromLater(what="secret"), Actor.subject(ALICE), subject=ALICE),
    }


def numbers(**terms: Any) -> list[int]:
    return [row.id for row in others.search(**terms)]


def test_what_is_somebodys_own_is_found_only_by_asking_for_all_of_it(
    told: dict[str, int],
) -> None:
    assert numbers() == [told["fact"], told["demo"]]
    assert numbers(subject_ref=ALICE) == [told["fact"]]
    assert numbers(actor_kind="subject") == []
    assert numbers(type="consent.refused") == []
    assert numbers(type=others.OWN) == [told["later"], told["own"]]
    assert numbers(type=others.OWN, limit=1) == [told["later"]]
    assert numbers(type=others.OWN, before=told["later"]) == [told["own"]]
    assert numbers(type=others.OWN, subject_ref=ALICE) == []
    assert numbers(type=others.OWN, actor_kind="subject") == []


@pytest.mark.parametrize("which", ["own", "later"])
def test_of_an_own_entry_number_hour_and_leaf_are_told(told: dict[str, int], which: str) -> None:
    whole, veiled = selectors.entry_detail(told[which]), others.entry_detail(told[which])

    assert whole
    assert veiled
    assert (veiled.row.id, veiled.leaf_hash) == (whole.row.id, whole.leaf_hash)
    assert (veiled.row.type, veiled.row.title, veiled.row.actor_kind) == (
        others.OWN,
        others.TITLE,
        "",
    )
    at = veiled.row.recorded_at
    assert (at.minute, at.second, at.microsecond) == (0, 0, 0)
    assert at <= whole.row.recorded_at
    empty: tuple[Any, ...] = (None, None, {}, {}, {}, ())
    assert empty == (
        veiled.subject_ref, veiled.actor_ref, veiled.detail, veiled.body, veiled.row.data,
        veiled.covers,
    )  # fmt: skip
    assert veiled.opening == "closed"


def test_what_others_did_about_a_person_is_told_as_it_is(told: dict[str, int]) -> None:
    assert others.entry_detail(told["fact"]) == selectors.entry_detail(told["fact"])
    assert others.entry_detail(10**9) is None


def test_own_entries_are_not_counted_by_day_and_type(told: dict[str, int]) -> None:
    from django.utils import timezone

    found = activity(since=None, until=timezone.now())

    assert {row.type: row.entries for row in found} == {"demo.loaded": 1, "subject.fact_ended": 1}


def test_the_proof_of_an_own_entry_is_had_like_any_other(
    told: dict[str, int], sequencer: Any
) -> None:
    sequencer.step()
    veiled = others.entry_detail(told["own"])
    proof = selectors.inclusion_proof(told["own"])

    assert veiled
    assert proof
    assert proof.leaf == veiled.leaf_hash
