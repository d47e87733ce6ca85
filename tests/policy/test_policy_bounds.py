"""The algebra of "most protective wins": over all pairs of jurisdictions and random triples."""

from dataclasses import fields, replace
from datetime import date
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_factories import TODAY, allowed

from consent.policy.bounds import JOINS, Bounds, Floor, Rank, combine, join, tightened
from consent.policy.evaluate import evaluate
from consent.policy.facts import EVERY
from consent.policy.rulebook import load_rulebook
from consent.policy.types import ConsentState, NeverSignal, Signal

RULEBOOK = load_rulebook()
CODES = sorted(RULEBOOK.rows)
EACH = {code: RULEBOOK.law({code}, TODAY).bounds for code in CODES}


def of(*codes: str) -> Bounds:
    found = RULEBOOK.law(codes, TODAY).bounds
    assert found
    return found


def one(code: str) -> Bounds:
    found = EACH[code]
    assert found
    return found


def no_looser(strict: Bounds, loose: Bounds) -> bool:
    """Compare key by key with plain comparisons, not with the join under test."""
    none_is_long = float("inf")

    def longest(value: int | None) -> float:
        return none_is_long if value is None else value

    return all(
        (
            strict.default >= loose.default,
            strict.legal_floor >= loose.legal_floor,
            strict.legal_basis_allowed <= loose.legal_basis_allowed,
            strict.consent_sufficient <= loose.consent_sufficient,
            strict.adm_allowed <= loose.adm_allowed,
            strict.export_allowed <= loose.export_allowed,
            strict.notice_waivable <= loose.notice_waivable,
            strict.acknowledgement_required >= loose.acknowledgement_required,
            strict.posting_required >= loose.posting_required,
            strict.gates >= loose.gates,
            all(strict.lead_days(gate) >= loose.lead_days(gate) for gate in loose.gates),
            strict.notice_days >= loose.notice_days,
            strict.reprompt_cooldown_months >= loose.reprompt_cooldown_months,
            longest(strict.reconsent_months) <= longest(loose.reconsent_months),
            (strict.record_keeping or (0, 0)) >= (loose.record_keeping or (0, 0)),
            (strict.risk_assessment_keep_months or 0) >= (loose.risk_assessment_keep_months or 0),
            strict.prohibited_signals >= loose.prohibited_signals,
            strict.prohibited_signals | strict.restricted_signals
            >= loose.prohibited_signals | loose.restricted_signals,
            not strict.prohibited_signals & strict.restricted_signals,
            longest(strict.retention_cap_days) <= longest(loose.retention_cap_days),
            longest(strict.biometric_retention_cap_days)
            <= longest(loose.biometric_retention_cap_days),
            longest(strict.delete_after_purpose_days) <= longest(loose.delete_after_purpose_days),
            strict.retention_floors >= loose.retention_floors,
            longest(strict.dsar_days) <= longest(loose.dsar_days),
            longest(strict.dsar_period_months) <= longest(loose.dsar_period_months),
            loose.dsar_extension is None
            or (
                strict.dsar_extension is not None and strict.dsar_extension <= loose.dsar_extension
            ),
            longest(strict.dsar_ack_days) <= longest(loose.dsar_ack_days),
            longest(strict.dsar_ack_business_days) <= longest(loose.dsar_ack_business_days),
            strict.answers >= loose.answers,
            longest(strict.complaint_ack_days) <= longest(loose.complaint_ack_days),
            longest(strict.limit_spi_business_days) <= longest(loose.limit_spi_business_days),
            longest(strict.policy_copy_days) <= longest(loose.policy_copy_days),
            longest(strict.erasure_days) <= longest(loose.erasure_days),
            longest(strict.withdrawal_effect_days) <= longest(loose.withdrawal_effect_days),
            strict.confidence <= loose.confidence,
            strict.needs_counsel >= loose.needs_counsel,
            strict.codes >= loose.codes,
        )
    )


def test_every_field_of_bounds_has_a_rule_of_combination() -> None:
    assert set(JOINS) == {field.name for field in fields(Bounds)}


@pytest.mark.parametrize("code", CODES)
def test_a_jurisdiction_twice_is_the_jurisdiction(code: str) -> None:
    assert join(one(code), one(code)) == one(code)
    assert of(code, code) == one(code)


def test_the_order_of_two_jurisdictions_does_not_matter() -> None:
    for a, b in combinations(CODES, 2):
        assert join(one(a), one(b)) == join(one(b), one(a)) == of(a, b)


def test_adding_a_jurisdiction_never_loosens_anything() -> None:
    for a, b in combinations(CODES, 2):
        both = of(a, b)
        assert no_looser(both, one(a)), (a, b)
        assert no_looser(both, one(b)), (b, a)


@given(st.tuples(*[st.sampled_from(CODES)] * 3))
def test_the_groups_of_three_jurisdictions_do_not_matter(codes: tuple[str, str, str]) -> None:
    a, b, c = (one(code) for code in codes)

    assert join(join(a, b), c) == join(a, join(b, c)) == of(*codes)
    assert no_looser(of(*codes), join(a, b))


@given(st.sampled_from(CODES))
def test_a_child_is_at_least_as_strict_as_its_parent(code: str) -> None:
    for row in RULEBOOK.lineage(code)[1:]:
        assert no_looser(one(code), one(row.code))


def signals() -> st.SearchStrategy[frozenset[Signal]]:
    return st.frozensets(st.sampled_from(Signal))


days = st.none() | st.integers(0, 400)


@st.composite
def made_up(draw: st.DrawFn) -> Bounds:
    """Make bounds no law has, so that the algebra does not rest on the pack of the day."""
    base = one("EU")
    prohibited = draw(signals())
    order = ("notice", "legitimate_interest", "consent", "collective_agreement_plus_consent")
    return replace(
        base,
        codes=draw(st.frozensets(st.sampled_from(CODES), min_size=1)),
        default=draw(st.sampled_from([Rank(1, "opt_in"), Rank(2, "prohibited")])),
        legal_basis_allowed=frozenset(order[draw(st.integers(0, 4)) :]),
        consent_sufficient=draw(st.booleans()),
        export_allowed=draw(st.booleans()),
        notice_waivable=draw(st.booleans()),
        acknowledgement_required=draw(st.booleans()),
        gates=draw(st.frozensets(st.sampled_from(sorted(RULEBOOK.gates)))),
        gate_lead_days=frozenset(
            draw(st.dictionaries(st.sampled_from(["dpia", "ripd"]), st.integers(1, 99))).items()
        ),
        notice_days=draw(st.integers(0, 60)),
        prohibited_signals=prohibited,
        restricted_signals=draw(signals()) - prohibited,
        retention_cap_days=draw(days),
        retention_floors=draw(
            st.frozensets(st.builds(Floor, st.integers(1, 400), st.just("logs"), st.just(TODAY)))
        ),
        dsar_days=draw(days),
        erasure_days=draw(days),
        reconsent_months=draw(st.integers(1, 24)),
    )


@given(made_up(), made_up(), made_up())
def test_made_up_bounds_obey_the_algebra_too(a: Bounds, b: Bounds, c: Bounds) -> None:
    assert join(a, a) == a
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert no_looser(join(a, b), a)


@given(made_up(), made_up())
def test_what_a_new_pack_tightens_is_named(before: Bounds, after: Bounds) -> None:
    named = tightened(before, after)

    assert tightened(before, before) == ()
    if not named:
        assert join(before, after) == replace(
            before, codes=before.codes | after.codes, answers=before.answers | after.answers
        )
    if after.notice_days > before.notice_days:
        assert "notice_days" in named
    if after.retention_cap_days is not None and before.retention_cap_days is None:
        assert "retention_cap_days" in named


def test_a_loosening_is_not_a_tightening() -> None:
    before = replace(one("DE"), notice_days=14, gate_lead_days=frozenset({("dpia", 60)}))
    after = replace(before, notice_days=0, gate_lead_days=frozenset({("dpia", 30)}))

    assert tightened(before, after) == ()
    assert tightened(after, before) == ("gate_lead_days", "notice_days")


def test_no_bounds_at_all_are_not_bounds_that_permit() -> None:
    assert combine([]) is None


def test_a_floor_above_a_cap_is_shown_as_a_conflict_and_changes_no_cap() -> None:
    law = RULEBOOK.law({"IN"}, date(2027, 5, 13))
    assert law.bounds

    assert [floor.days for floor in law.bounds.floors_above(14)] == [365]
    assert not law.bounds.floors_above(365)
    assert law.bounds.retention_cap_days is None


everything = frozenset({*Signal, *NeverSignal})
code_sets = st.frozensets(st.sampled_from([*CODES, "XX"]), min_size=1, max_size=4)
some_facts = st.fixed_dictionaries(
    {
        "jurisdictions": code_sets,
        "signal": st.sampled_from(sorted(everything)),
        "consent": st.sampled_from([ConsentState.GIVEN] * 4 + [ConsentState.REFUSED]),
        "overrides": st.sampled_from([frozenset(), everything]),
        "ack": st.booleans(),
        "notice_waived": st.booleans(),
        "counterparties": st.frozensets(st.sampled_from(CODES), max_size=2),
        "counterparty_masked": st.booleans(),
        "gates": st.sampled_from([EVERY, {}, dict.fromkeys(RULEBOOK.gates, date(2026, 11, 1))]),
    }
)


@given(some_facts, st.sampled_from([*CODES, "XX"]))
@settings(max_examples=300)
def test_another_jurisdiction_never_permits_more(known: dict[str, object], code: str) -> None:
    before = evaluate(allowed(**known), RULEBOOK)
    wider = allowed(**known | {"jurisdictions": known["jurisdictions"] | {code}})
    after = evaluate(wider, RULEBOOK)

    assert not (after.permitted and not before.permitted)
    if after.permitted:
        assert after.retention_days <= before.retention_days
    # A restricted signal may become a prohibited one; every other objection stays.
    lost = set(before.codes) - set(after.codes)
    assert lost <= {"signal_restricted_no_override"}
    assert not lost or "signal_prohibited" in after.codes


@given(some_facts)
def test_who_works_nowhere_is_denied_whoever_they_write_to(known: dict[str, object]) -> None:
    nowhere = evaluate(allowed(**known | {"jurisdictions": frozenset()}), RULEBOOK)

    assert "unknown_jurisdiction" in nowhere.codes


@given(some_facts, st.sampled_from([*CODES, "XX"]))
def test_another_counterparty_never_permits_more(known: dict[str, object], code: str) -> None:
    before = evaluate(allowed(**known), RULEBOOK)
    wider = allowed(**known | {"counterparties": known["counterparties"] | {code}})

    assert not (evaluate(wider, RULEBOOK).permitted and not before.permitted)


@given(some_facts, st.sampled_from(sorted(RULEBOOK.gates)))
def test_opening_a_gate_never_permits_more(known: dict[str, object], gate: str) -> None:
    closed = dict.fromkeys(RULEBOOK.gates, date(2026, 1, 1))
    before = evaluate(allowed(**known | {"gates": closed}), RULEBOOK)
    fewer = {name: day for name, day in closed.items() if name != gate}
    after = evaluate(allowed(**known | {"gates": fewer}), RULEBOOK)

    assert not (after.permitted and not before.permitted)
    asked = RULEBOOK.law(known["jurisdictions"], TODAY).bounds
    if asked and gate in asked.gates:
        assert "gates_open" in after.codes


@given(some_facts)
def test_a_decision_permits_or_says_why_not(known: dict[str, object]) -> None:
    decision = evaluate(allowed(**known), RULEBOOK)

    assert decision.permitted != bool(decision.reasons)
    assert decision.permitted == (decision.retention_days is not None)
    assert len(set(decision.codes)) == len(decision.codes)


@given(some_facts)
def test_unknown_never_permits(known: dict[str, object]) -> None:
    if "XX" in known["jurisdictions"]:
        assert "unknown_jurisdiction" in evaluate(allowed(**known), RULEBOOK).codes


@given(some_facts)
def test_what_is_never_recorded_is_never_permitted(known: dict[str, object]) -> None:
    if known["signal"] in NeverSignal.__members__.values():
        assert "signal_prohibited" in evaluate(allowed(**known), RULEBOOK).codes
