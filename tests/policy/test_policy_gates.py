"""Gates are closed place by place: evidence of one country closes nothing of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.policy.bounds import Bounds
from consent.policy.evaluate import evaluate, next_change
from consent.policy.facts import Evidence
from consent.policy.gates import asked_gates
from consent.policy.reasons import Reason, ReasonCode
from consent.policy.rulebook import Rulebook, load_rulebook, with_rows
from consent.policy.types import Signal
from tests.policy.policy_factories import TODAY, allowed, person

RULEBOOK = load_rulebook()
CODES = sorted(RULEBOOK.rows)
SINCE = date(2026, 1, 1)
LEADS = {gate: days for row in RULEBOOK.rows.values() for gate, days in row.own.gate_lead_days}
"""The gates after which people wait."""


def evidence(*codes: str, since: date = SINCE, until: date | None = None) -> frozenset[Evidence]:
    """Return evidence for all that the rules of these places alone ask for."""
    return frozenset(
        Evidence(jurisdiction=code, gate=gate, valid_from=since, valid_until=until)
        for code in codes
        for gate in RULEBOOK.rows[code].own.gates
    )


def lineage(*codes: str) -> frozenset[Evidence]:
    """Return evidence for these places and all above them."""
    return evidence(*(row.code for code in codes for row in RULEBOOK.lineage(code)))


def gate_reason(**changes: Any) -> Reason | None:
    """Somebody reads text in an app that shows people of other places, who are masked."""
    known = {
        "jurisdictions": frozenset({"IE"}),
        "signal": Signal.DOM_TEXT,
        "counterparties": frozenset({"FR"}),
        "counterparty_masked": True,
        "notice_on": date(2024, 1, 1),
        **changes,
    }
    reasons = evaluate(allowed(**known), RULEBOOK).reasons
    return next((one for one in reasons if one.code is ReasonCode.GATES_OPEN), None)


@pytest.mark.parametrize("code", [c for c in CODES if RULEBOOK.rows[c].own.posting_required])
def test_a_notice_that_must_hang_is_shown_by_the_evidence_for_its_gate(code: str) -> None:
    """Everything else is there; without the proof of posting nothing is recorded."""
    gate = RULEBOOK.rows[code].posting_gate
    assert gate
    assert "posted" in RULEBOOK.gates[gate].evidence
    assert RULEBOOK.gates[gate].condition is None, "no reason stands in for the notice"
    papers = lineage(code)
    facts = {"jurisdictions": frozenset({code}), "notice_on": date(2024, 1, 1)}
    facts |= {"signal": Signal.MOUSE_CLICK, "counterparties": frozenset()}
    without = frozenset(paper for paper in papers if paper.gate != gate)

    reason = gate_reason(**facts, gates=without)

    assert gate_reason(**facts, gates=papers) is None
    assert reason
    assert dict(reason.params)["gates"] == (gate,)


def test_a_gate_closed_at_home_is_not_closed_for_the_place_of_others() -> None:
    reason = gate_reason(gates=lineage("IE"))

    assert reason
    assert reason.jurisdictions == ("FR",)
    assert dict(reason.params)["gates"] == tuple(sorted(RULEBOOK.rows["FR"].own.gates))


def test_evidence_for_both_places_closes_them() -> None:
    assert gate_reason(gates=lineage("IE", "FR")) is None


def test_evidence_for_the_place_of_others_closes_nothing_at_home() -> None:
    papers = evidence("FR") | {
        Evidence(jurisdiction="FR", gate=gate, valid_from=SINCE)
        for gate in RULEBOOK.rows["EU"].own.gates
    }

    reason = gate_reason(gates=papers)

    assert reason
    assert "FR" not in reason.jurisdictions
    assert gate_reason(gates=papers | lineage("IE")) is None


def test_a_signal_without_content_asks_nothing_of_the_place_of_others() -> None:
    assert gate_reason(gates=lineage("IE"), signal=Signal.MOUSE_CLICK) is None


def test_names_alone_go_on_meaning_every_place() -> None:
    asked = RULEBOOK.law({"IE", "FR"}, TODAY).bounds
    assert asked

    assert gate_reason(gates=dict.fromkeys(asked.gates, SINCE)) is None
    assert gate_reason(gates="all") is None
    assert gate_reason(gates={}) is not None


DECLARED = "cai_biometric_declaration_if_biometric"


def declared(since: date, until: date | None = None, **more: Any) -> Evidence:
    return Evidence(
        jurisdiction="CA-QC", gate=DECLARED, valid_from=since, valid_until=until, **more
    )


def in_quebec(*papers: Evidence, at: date = TODAY) -> Reason | None:
    """Somebody in Quebec, where everything but the declaration is there."""
    others = frozenset(paper for paper in lineage("CA-QC") if paper.gate != DECLARED)
    place = {"jurisdictions": frozenset({"CA-QC"}), "counterparties": frozenset()}
    return gate_reason(**place, signal=Signal.MOUSE_CLICK, gates=others | set(papers), at=at)


def test_what_does_not_apply_is_not_waited_for() -> None:
    """Quebec: 60 days after a declaration. Where no biometric data is there to declare, none."""
    waiting = in_quebec(declared(TODAY))

    assert waiting
    assert dict(waiting.params)["allowed_from"] == TODAY + timedelta(days=LEADS[DECLARED])
    assert in_quebec(declared(TODAY, not_applicable=True)) is None
    assert in_quebec(declared(TODAY + timedelta(days=1), not_applicable=True)), "not before it says"


def test_what_begins_to_apply_is_waited_for_in_full() -> None:
    """The days on which there was nothing to declare are none since the declaration."""
    lead, day = timedelta(days=LEADS[DECLARED]), timedelta(days=1)
    papers = declared(SINCE, TODAY, not_applicable=True), declared(TODAY)

    assert in_quebec(*papers, at=TODAY - day) is None
    assert in_quebec(*papers)
    assert in_quebec(*papers, at=TODAY + lead - day)
    assert in_quebec(*papers, at=TODAY + lead) is None


def test_a_declaration_made_in_time_follows_without_a_break() -> None:
    ends = TODAY + timedelta(days=LEADS[DECLARED])
    papers = declared(SINCE, ends, not_applicable=True), declared(TODAY)

    assert all(in_quebec(*papers, at=TODAY + timedelta(days=n)) is None for n in range(70))


def test_the_lead_time_runs_from_the_evidence_of_that_very_place() -> None:
    lead = RULEBOOK.rows["BE"].own.lead_days("cao39_consultation")
    fresh = evidence("BE", since=TODAY - timedelta(days=lead - 1))
    known = {"jurisdictions": frozenset({"IE"}), "counterparties": frozenset({"BE"})}

    reason = gate_reason(**known, gates=fresh | lineage("IE") | evidence("EU"))

    assert reason
    assert reason.jurisdictions == ("BE",)
    assert dict(reason.params) == {
        "gates": ("cao39_consultation",),
        "allowed_from": TODAY + timedelta(days=1),
    }


@pytest.mark.parametrize(("until", "expected"), [(TODAY, True), (TODAY + timedelta(days=1), False)])
def test_evidence_for_the_place_of_others_lapses_like_any_other(
    until: date, expected: bool
) -> None:
    papers = lineage("IE", "FR") - evidence("FR") | evidence("FR", until=until)

    assert (gate_reason(gates=papers) is not None) is expected


def test_the_end_of_evidence_for_others_is_a_change_to_come() -> None:
    ends = TODAY + timedelta(days=3)
    facts = allowed(
        jurisdictions=frozenset({"IE"}),
        signal=Signal.DOM_TEXT,
        counterparties=frozenset({"FR"}),
        gates=lineage("IE", "FR") - evidence("FR") | evidence("FR", until=ends),
    )

    assert next_change(facts, RULEBOOK) == ends


places = st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3)
papers_of_all = sorted(
    {
        (place, gate)
        for code in CODES
        for row in RULEBOOK.lineage(code)
        for gate in row.own.gates
        for place in (code, row.code)
    }
)
some_papers = st.builds(
    lambda left_out, days, inapplicable, since: frozenset(
        Evidence(
            jurisdiction=place,
            gate=gate,
            valid_from=since,
            valid_until=TODAY + timedelta(days=days) if place in left_out else None,
            not_applicable=gate in inapplicable,
        )
        for place, gate in papers_of_all
    ),
    st.frozensets(st.sampled_from(CODES), max_size=4),
    st.integers(-2, 2),
    st.frozensets(st.sampled_from(sorted(LEADS))),
    st.sampled_from([SINCE, TODAY - timedelta(days=1)]),
)


def plainly_open(codes: frozenset[str], papers: frozenset[Evidence], on: date) -> set[str]:
    """The plainest model: for each place and rule, is there a paper in force, and long enough?"""
    bounds = RULEBOOK.law(codes, on).bounds
    assert bounds
    found = set()
    for code in codes:
        for row in RULEBOOK.lineage(code):
            for gate in row.own.gates if row.in_force(on) else ():
                if not any(_counts(paper, gate, {code, row.code}, bounds, on) for paper in papers):
                    found.add(gate)
    return found & bounds.gates


def _counts(paper: Evidence, gate: str, where: set[str], bounds: Bounds, on: date) -> bool:
    lead = timedelta(days=0 if paper.not_applicable else bounds.lead_days(gate))
    in_force = paper.valid_until is None or on < paper.valid_until
    return (
        paper.gate == gate
        and paper.jurisdiction in where
        and in_force
        and paper.valid_from + lead <= on
    )


@given(places, places, some_papers)
def test_what_is_open_is_what_some_place_lacks_evidence_for(
    own: frozenset[str], others: frozenset[str], papers: frozenset[Evidence]
) -> None:
    reason = gate_reason(jurisdictions=own, counterparties=others, gates=papers)

    expected = plainly_open(own | others, papers, TODAY)
    assert set(dict(reason.params)["gates"] if reason else ()) == expected  # type: ignore[arg-type]


@given(places, places, some_papers, st.data())
def test_less_evidence_and_more_places_never_permit_more(
    own: frozenset[str], others: frozenset[str], papers: frozenset[Evidence], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(papers_of_all)))
    code = data.draw(st.sampled_from(CODES))
    fewer = frozenset(p for p in papers if (p.jurisdiction, p.gate) != gone)
    known = {"jurisdictions": own, "counterparties": others, "gates": papers}
    if gate_reason(**known) is None:
        return

    assert gate_reason(**known | {"gates": fewer}) is not None
    assert gate_reason(**known | {"counterparties": others | {code}}) is not None
    assert gate_reason(**known | {"jurisdictions": own | {code}}) is not None


@given(places, places, some_papers)
def test_before_the_next_change_the_gates_stand(
    own: frozenset[str], others: frozenset[str], papers: frozenset[Evidence]
) -> None:
    known: dict[str, Any] = {"jurisdictions": own, "counterparties": others, "gates": papers}
    facts = allowed(**known, signal=Signal.DOM_TEXT, counterparty_masked=True)
    change = next_change(facts, RULEBOOK)
    now = gate_reason(**known)

    for days in (1, 2, 3):
        later = TODAY + timedelta(days=days)
        if change is None or later < change:
            then = gate_reason(**known, at=later)
            assert (now and dict(now.params)) == (then and dict(then.params))


def test_every_place_is_asked_with_the_rules_of_the_day() -> None:
    """A rule that is not in force asks for no evidence."""
    early = _with_days(RULEBOOK, "US-CT", TODAY + timedelta(days=5))

    assert _asked("US-CT", early) == _asked("US", RULEBOOK)


def _with_days(rulebook: Rulebook, code: str, effective_from: date) -> Rulebook:
    row = replace(rulebook.rows[code], effective_from=effective_from)
    return with_rows(rulebook, {**rulebook.rows, code: row})


def _asked(code: str, rulebook: Rulebook) -> set[str]:
    bounds = rulebook.law({code}, TODAY).bounds
    assert bounds
    nothing: frozenset[Evidence] = frozenset()
    return {one.gate for one in asked_gates(person(gates=nothing), {code}, bounds, rulebook)}


def waiting(**gates: date) -> dict[str, object]:
    """Return what the reason says where Belgium's gates are closed on these days."""
    asked = RULEBOOK.law({"BE"}, TODAY).bounds
    assert asked
    closed = {gate: day for gate in asked.gates if (day := gates.get(gate, SINCE)) != date.max}
    reason = gate_reason(jurisdictions=frozenset({"BE"}), counterparties=frozenset(), gates=closed)
    return dict(reason.params) if reason else {}


def test_the_last_of_several_gates_that_wait_says_from_when() -> None:
    said = waiting(cao39_consultation=date(2026, 12, 1), dpia=date(2027, 1, 5))

    assert said == {"gates": ("cao39_consultation", "dpia"), "allowed_from": date(2027, 3, 1)}


def test_where_one_is_open_for_good_no_day_is_named() -> None:
    said = waiting(cao39_consultation=date(2026, 12, 1), dpia=date.max)

    assert said == {"gates": ("cao39_consultation", "dpia")}


def test_evidence_for_the_place_itself_closes_what_the_one_above_asks() -> None:
    papers = frozenset(
        Evidence(jurisdiction="IE", gate=gate, valid_from=SINCE)
        for gate in RULEBOOK.rows["EU"].own.gates | RULEBOOK.rows["IE"].own.gates
    )
    home = {"jurisdictions": frozenset({"IE"}), "counterparties": frozenset()}

    assert gate_reason(**home, gates=papers) is None
    assert gate_reason(jurisdictions=frozenset({"FR"}), counterparties=frozenset(), gates=papers)


def test_a_rule_to_come_asks_for_nothing_even_where_another_place_asks_the_same() -> None:
    like_france = replace(RULEBOOK.rows["PL"].own, gates=RULEBOOK.rows["FR"].own.gates)
    pending = replace(
        RULEBOOK.rows["PL"], own=like_france, effective_from=TODAY + timedelta(days=5)
    )
    rules = with_rows(RULEBOOK, {**RULEBOOK.rows, "PL": pending})
    known = person(jurisdictions=frozenset({"FR", "PL"}), gates=lineage("FR"))
    bounds = rules.law({"FR", "PL"}, TODAY).bounds
    assert bounds

    asked = list(asked_gates(known, {"FR", "PL"}, bounds, rules))

    assert asked
    assert not [one for one in asked if one.is_open(TODAY)]
