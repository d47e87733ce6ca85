"""Apps that are alike are decided together, and each is told what it would be told by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy import policy_factories

KINDS = ["office", "office", "tracker", "browser", "unknown", "hr"]
CODES = ["one", "two", "three", "four", "five"]
SIGNALS = ["app_focus", "mouse_click", "window_title", "screenshot"]
PAIRS = st.sets(st.tuples(st.sampled_from(CODES), st.sampled_from(SIGNALS)))


@st.composite
def papers(draw: st.DrawFn, most: int) -> tuple[Any, ...]:
    from consent.policy.facts import Agreement
    from consent.policy.types import Signal

    some = st.none() | st.frozensets(st.sampled_from(CODES))
    signals = st.none() | st.frozensets(st.sampled_from(SIGNALS).map(Signal), min_size=2)
    return tuple(
        Agreement(name=f"paper-{n}", apps=draw(some), signals=draw(signals), retention_days=20 + n)
        for n in range(draw(st.integers(0, most)))
    )


@st.composite
def some_apps(draw: st.DrawFn) -> tuple[Any, ...]:
    """Two shapes, so that apps are often alike, and of some kind each."""
    from consent.policy.types import AppCategory, Signal

    shapes = [
        {
            "listed_signals": frozenset(map(Signal, draw(st.sampled_from([SIGNALS, SIGNALS[:2]])))),
            "app_reported": draw(st.sampled_from([False] * 4 + [True])),
            "counterparties": draw(st.sampled_from([frozenset(), frozenset({"GB"}), None])),
            "counterparty_masked": draw(st.booleans()),
            "agreements_of_others": draw(papers(2)),
        }
        for _ in range(2)
    ]
    return tuple(
        policy_factories.an_app(
            app=code,
            app_category=AppCategory(draw(st.sampled_from(KINDS))),
            **draw(st.sampled_from(shapes)),
        )
        for code in CODES
    )


SINCE = st.sampled_from([-1, 0, 5, 13, 14, 15, 60, 364, 365, 366])
"""Days since a yes or a notice; some laws wait for so many, and end a yes after so many."""


@st.composite
def on_days(draw: st.DrawFn, *, paused: bool) -> tuple[Any, ...]:
    """What is told of a person: for each day that it is, of which there may be two."""
    return tuple(
        policy_factories.person(
            at=policy_factories.TODAY + timedelta(days=n),
            agreements=draw(papers(2)),
            paused=paused,
            consent_given_on=policy_factories.TODAY - timedelta(days=draw(SINCE)),
            notice_on=policy_factories.TODAY - timedelta(days=draw(SINCE)),
        )
        for n in range(draw(st.integers(1, 2)))
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_each_app_is_told_what_it_would_be_told_by_itself(data: st.DataObject) -> None:
    from consent.policy.types import Signal
    from consent.rules import shipped
    from consent.selectors import terms
    from consent.selectors.decisions import Question, answered
    from consent.selectors.verdicts import allow_of, allowed_of, denied_of

    apps = data.draw(some_apps())
    chosen, lapsed = (
        frozenset((app, Signal(signal)) for app, signal in data.draw(PAIRS)) for _ in "12"
    )
    paused = data.draw(st.sampled_from([False, False, True]))
    asked = Question(
        code="purpose",
        purpose={"gates": [], "overrides": []},
        persons=data.draw(on_days(paused=paused)),
        among_others=tuple(
            (frozenset({place}), data.draw(on_days(paused=paused)))
            for place in data.draw(st.sampled_from([[], ["GB"]]))
        ),
        places=frozenset({"IE"}),
        chosen=chosen - lapsed,
        lapsed=lapsed,
        schedules=frozenset(),
        hours=None,
    )

    shaped = terms._shaped(apps)
    persons, among_others = terms._settled(asked, shaped, shipped())
    told = replace(asked, persons=persons, among_others=among_others)
    piece = terms._worked_out(told, shaped, shipped())

    pairs = answered(asked, apps, shipped())
    assert piece.allow == allow_of(pairs).get("purpose", {})
    assert json.loads(f"[{piece.allowed}]") == allowed_of(pairs)
    assert json.loads(f"[{piece.denied}]") == denied_of(pairs)
    assert piece.allows == len(allowed_of(pairs))
