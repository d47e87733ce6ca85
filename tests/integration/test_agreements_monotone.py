"""One more agreement permits nothing, to nobody and on no day, unless it was voted for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_proposals import (
    AUTHOR,
    BERLIN,
    MUNICH,
    OTHER,
    agree,
    propose,
    seat,
    vote,
)

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
YEAR = 366
AGAINST = {"agreement_does_not_cover", "gates_open"}
PAPER = "0" * 64
"""By this document all gates of a world from the factory are closed."""

TERMS: dict[str, Any] = {
    "title": "Agreement",
    "parties": "Both",
    "jurisdictions": ["IE"],
    "sites": [],
    "purposes": [],
    "apps": [],
    "signals": [],
    "retention_cap_days": None,
    "working_hours": None,
    "valid_until": None,
    "document_sha256": "1" * 64,
    "council_may_veto": False,
    "council_units": [],
    "replaces": None,
}


@st.composite
def papers(draw: st.DrawFn) -> dict[str, Any]:
    """An agreement of some places, sites and purposes, for some days about now."""
    since = TODAY + draw(st.integers(-40, 200)) * DAY
    lasts = draw(st.none() | st.integers(1, 200))
    return {
        "jurisdictions": draw(st.sampled_from([["IE"], ["EU"], ["IE", "EU"], ["FR"], ["DE"]])),
        "sites": draw(st.sampled_from([[], [], ["Cork"], ["Dublin"], ["Cork", "Dublin"]])),
        "purposes": draw(st.sampled_from([[], [], ["train-agents"], ["another"]])),
        "apps": draw(st.sampled_from([[], [], ["tracker"]])),
        "signals": draw(st.sampled_from([[], [], ["scroll", "window_title"]])),
        "retention_cap_days": draw(st.sampled_from([None, None, 5, 20])),
        "valid_from": since,
        "valid_until": since + lasts * DAY if lasts else None,
        "document_sha256": draw(st.sampled_from([PAPER, PAPER, "1" * 64])),
    }


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world("IE")
    world.say_yes()
    return world


def permitted(subjects: list[Any], days: list[date]) -> dict[tuple[int, date, str, str], int]:
    """Return (person, day, app, signal) of all that agreements and evidence leave -> days kept."""
    from consent import selectors

    found = {}
    for who, subject in enumerate(subjects):
        subject.refresh_from_db()
        for day in days:
            at = datetime.combine(day, time(12), UTC) if day > TODAY else datetime.now(UTC)
            for pair in selectors.verdicts_for(subject, at=at).pairs:
                if AGAINST.isdisjoint(pair.decision.codes):
                    key = (who, day, pair.app, str(pair.signal))
                    found[key] = pair.decision.retention_days or 1
    return found


def gained(before: dict[Any, int], after: dict[Any, int]) -> list[Any]:
    return [key for key, days in after.items() if days > before.get(key, 0)]


def all_people(world: factories.World) -> list[Any]:
    """Somebody at no site, in two of them, and one who sees the words of colleagues abroad."""
    from consent import services

    content = [Signal.WINDOW_TITLE, Signal.MOUSE_CLICK, Signal.SCROLL]
    sheet = world.apps["sheet"]
    services.allow_in_purpose(
        purpose=world.purpose, app=sheet, signals=content[:1], actor=factories.OFFICER
    )
    factories.close_all_gates(world.purpose, "DE")
    services.change_app(
        app=sheet,
        fields={"data_of": "colleagues", "counterparties": ["DE"]},
        actor=factories.OFFICER,
    )
    found = [world.subject]
    for site in ("Cork", "Dublin"):
        subject = world.another_subject()
        services.record_fact(
            subject=subject,
            kind="site",
            value=site,
            valid_from=TODAY,
            source="test",
            actor=factories.OFFICER,
        )
        found.append(subject)
    for subject in found:
        world.subject = subject
        world.say_yes(*(("sheet", signal) for signal in content), ("tracker", Signal.SCROLL))
    return found


def test_one_more_agreement_permits_nothing_on_any_day_of_a_year(world: factories.World) -> None:
    """Whoever it is about: directly, and by way of the service that acts at once."""
    from django.db import transaction

    people, numbers = all_people(world), count()
    told = {(app, signal) for _, _, app, signal in permitted(people, [TODAY])}
    assert {("tracker", "scroll"), ("sheet", "window_title")} <= told, "it is really tried"

    @settings(max_examples=25, deadline=None)
    @given(stood=st.lists(papers(), max_size=3), more=papers(), old=st.booleans())
    def permits_nothing(stood: list[dict[str, Any]], more: dict[str, Any], old: bool) -> None:
        with transaction.atomic():
            judge(stood, more, old)
            transaction.set_rollback(True)

    def judge(stood: list[dict[str, Any]], more: dict[str, Any], old: bool) -> None:
        for terms in stood:
            agree(f"A-{next(numbers)}", **{**terms, "completes": old})
        # Nothing changes between one day that any of them names and the next one.
        named = {terms[key] for terms in [*stood, more] for key in ("valid_from", "valid_until")}
        days = sorted({TODAY, *(day for day in named if day and TODAY < day < TODAY + YEAR * DAY)})
        before = permitted(people, days)
        payload = {
            **TERMS,
            **more,
            "code": f"A-{next(numbers)}",
            "valid_from": more["valid_from"].isoformat(),
            "valid_until": more["valid_until"] and more["valid_until"].isoformat(),
        }
        proposal = propose("agreement.record", payload)
        assert proposal.tightens
        assert proposal.applied_at
        after = permitted(people, days)
        event(f"something was permitted: {bool(before)}; taken away: {before != after}")
        assert gained(before, after) == []

    permits_nothing()


@pytest.mark.parametrize(
    ("stood", "more"),
    [
        ({"sites": ["Cork"]}, {}),
        ({"purposes": ["other"]}, {}),
        ({"purposes": ["other"]}, {"purposes": ["train-agents"]}),
        ({"sites": ["Cork"], "document_sha256": PAPER}, {"document_sha256": PAPER}),
    ],
    ids=["sites", "purposes", "its own purpose", "its document"],
)
@pytest.mark.parametrize("begins", [0, 1, 90])
def test_speaking_for_whom_others_leave_out_waits_for_their_councils(
    world: factories.World, stood: dict[str, Any], more: dict[str, Any], begins: int
) -> None:
    agree("S", council_may_veto=True, council_units=["munich"], **stood)
    ahead = {"council_may_veto": True, "council_units": ["berlin"]}
    agree("LATER", valid_from=TODAY + 30 * DAY, **ahead)
    seat(MUNICH, "munich")
    seat(BERLIN, "berlin")
    first = TODAY + begins * DAY
    days = [TODAY, TODAY + DAY, first, first + DAY]
    terms = {**TERMS, **more, "valid_from": first.isoformat()}
    assert permitted([world.subject], days) == {}

    narrow = propose("agreement.record", {**terms, "code": "N"})
    assert (narrow.tightens, narrow.impact["widens"]) == (True, False)
    assert permitted([world.subject], days) == {}

    wide = propose("agreement.record", {**terms, "code": "W", "completes": True})
    assert (wide.tightens, wide.applied_at) == (False, None)
    assert wide.council_units == ["berlin", "munich"]
    assert wide.impact["widens"]
    assert wide.impact["ahead"] == (first.isoformat() if begins else None)
    assert permitted([world.subject], days) == {}
    vote(wide, OTHER)
    vote(wide, MUNICH, unit="munich")
    assert permitted([world.subject], days) == {}
    vote(wide, BERLIN, unit="berlin")
    wide.refresh_from_db()
    assert wide.state == "applied"
    assert {day for _, day, *_ in permitted([world.subject], days)} == {
        day for day in days if day >= first
    }


def test_leading_back_what_only_narrowed_lifts_no_other_silence(world: factories.World) -> None:
    from consent import services

    agree("S", sites=["Cork"])
    narrow = propose("agreement.record", {**TERMS, "code": "N", "valid_from": TODAY.isoformat()})
    back = services.revert_proposal(proposal=narrow.uuid, by=OTHER)
    vote(back, AUTHOR)
    back.refresh_from_db()

    assert back.state == "applied"
    assert permitted([world.subject], [TODAY, TODAY + DAY]) == {}


def test_a_renewal_has_the_place_of_what_it_replaces(world: factories.World) -> None:
    first = agree("A")
    agree("S", sites=["Cork"])
    assert permitted([world.subject], [TODAY])

    agree("B", replaces=first)
    assert permitted([world.subject], [TODAY])


def test_more_places_of_colleagues_lift_the_silence_of_no_agreement(database: Any) -> None:
    """An agreement of two places names another purpose; in one of them somebody speaks of this."""
    from django.db import transaction

    from consent import services

    world = factories.make_world("IE")
    sheet = world.apps["sheet"]
    services.allow_in_purpose(
        purpose=world.purpose, app=sheet, signals=[Signal.WINDOW_TITLE], actor=factories.OFFICER
    )
    for place in ("DE", "FR"):
        factories.close_all_gates(world.purpose, place)
    world.say_yes(("sheet", Signal.WINDOW_TITLE))

    def seen(*places: str) -> bool:
        services.change_app(
            app=sheet,
            fields={"data_of": "colleagues", "counterparties": list(places)},
            actor=factories.OFFICER,
        )
        return ("sheet", "window_title") in {key[2:] for key in permitted([world.subject], [TODAY])}

    for speaking in (["DE"], ["FR"], ["DE", "FR"]):
        with transaction.atomic():
            agree("Z", jurisdictions=speaking)
            agree("X", jurisdictions=["DE", "FR"], purposes=["another"])
            few, many = seen("DE"), seen("DE", "FR")
            assert few is ("DE" in speaking)
            assert many is (speaking == ["DE", "FR"])
            transaction.set_rollback(True)


def test_a_stranger_to_all_is_asked_by_nobody(world: factories.World) -> None:
    """The councils of other places have no say in what completes the agreements here."""
    agree("S", sites=["Cork"])
    agree("F", jurisdictions=["FR"], council_may_veto=True, council_units=["paris"])
    seat(UUID(int=77), "paris")

    wide = propose(
        "agreement.record",
        {**TERMS, "code": "W", "completes": True, "valid_from": (TODAY + DAY).isoformat()},
    )

    assert wide.council_units == []
    assert wide.state == "open"
