"""What differs between two texts of rules, and what of it loosens: nothing looser goes unmarked."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.policy.bounds import tightened
from consent.policy.differences import key_changes
from consent.policy.rows import read_row
from consent.policy.rulebook import read_rulebook
from consent.policy.schema import RulebookError

PACK = read_rulebook()


def changed(code: str, **values: Any) -> dict[str, tuple[Any, Any, bool]]:
    old = PACK.tables[f"{code}.toml"]
    found = key_changes(code, old, {**old, **values}, meta=PACK.meta, gates=PACK.gates)
    return {change.key: (change.before, change.after, change.loosens) for change in found}


LOOSER: list[tuple[str, str, Any]] = [
    ("US-NY", "acknowledgement_required", False),
    ("US-NY", "restricted_signals", []),
    ("US-NY", "gates", []),
    ("US-NY", "reconsent_months", 24),
    ("US-NY", "review_by", date(2030, 1, 1)),
    ("US-NY", "effective_from", date(2030, 1, 1)),
    ("US-NY", "effective_until", date(2030, 1, 1)),
    ("US-NY", "status", "pending"),
    ("US-NY", "parent", "none"),
    ("US-NY", "overrides", [{"key": "default", "override_reason": "", "citation": "",
                             "sign_offs": []}]),
    ("JP", "confidence", "high"),
    ("DE", "posting_gate", "dpia"),
    ("PL", "notice_days", 0),
    ("meta", "review_grace_days", 400),
    ("meta", "review_by", date(2030, 1, 1)),
    ("meta", "content_signals", ["clipboard"]),
    ("meta", "order_floor", ["none"]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "key", "value"), LOOSER)
def test_what_loosens_is_marked(code: str, key: str, value: Any) -> None:
    before = PACK.tables[f"{code}.toml"][key]
    assert before != value

    assert changed(code, **{key: value}) == {key: (before, value, True)}


STRICTER: list[tuple[str, str, Any]] = [
    ("US-NY", "notice_days", 14),
    ("US-NY", "retention_cap_days", 9),
    ("US-NY", "review_by", date(2026, 12, 1)),
    ("US-NY", "consent_sufficient", False),
    ("US-NY", "prohibited_signals", ["key_timing"]),
    ("US-NY", "name", "The Empire State"),
    ("US-NY", "citations", []),
    ("US-NY", "confidence", "low"),
    ("meta", "review_grace_days", 3),
    ("meta", "content_signals", [*PACK.tables["meta.toml"]["content_signals"], "scroll"]),
]


@pytest.mark.parametrize(("code", "key", "value"), STRICTER)
def test_what_tightens_or_explains_is_shown_and_not_marked(code: str, key: str, value: Any) -> None:
    assert changed(code, **{key: value}) == {key: (PACK.tables[f"{code}.toml"][key], value, False)}


def test_words_for_a_gate_loosen_only_where_it_need_no_longer_be_closed() -> None:
    old = PACK.tables["gates.toml"]
    new = {**old, "dpia": {**old["dpia"], "title": "DPIA", "condition": "Where it is needed"}}
    new["another"] = {"title": "More", "evidence": "A paper", "condition": "none"}

    found = key_changes("gates", old, new, meta=PACK.meta, gates=PACK.gates)

    assert {change.key: change.loosens for change in found} == {
        "dpia.title": False,
        "dpia.condition": True,
        "another.title": False,
        "another.evidence": False,
        "another.condition": False,
    }


def test_a_place_that_nobody_adopted_yet_loosens_in_every_value() -> None:
    found = key_changes("US-TX", {}, PACK.tables["US-TX.toml"], meta=PACK.meta, gates=PACK.gates)

    marked = {change.key for change in found if change.loosens}
    assert {"default", "gates", "status", "retention_cap_days"} <= marked
    assert all(change.before is None for change in found)


def test_a_text_that_cannot_be_read_is_taken_for_looser() -> None:
    assert changed("US-NY", notice_days="soon")["notice_days"][2]


VALUES = {
    "default": st.sampled_from(PACK.meta.order_default),
    "legal_floor": st.sampled_from(PACK.meta.order_floor),
    "legal_basis_allowed": st.lists(st.sampled_from(PACK.meta.order_basis), unique=True),
    "consent_sufficient": st.booleans(),
    "gates": st.lists(st.sampled_from(sorted(PACK.gates)), unique=True, max_size=3),
    "notice_days": st.integers(0, 30),
    "acknowledgement_required": st.booleans(),
    "prohibited_signals": st.lists(st.sampled_from(["key_timing", "clipboard"]), unique=True),
    "restricted_signals": st.lists(st.sampled_from(["key_timing", "scroll"]), unique=True),
    "retention_cap_days": st.one_of(st.just("none"), st.integers(1, 90)),
    "record_keeping_months": st.one_of(st.just("none"), st.integers(1, 90)),
    "record_keeping_basis": st.sampled_from(["none", *PACK.meta.order_record_keeping_basis]),
    "reconsent_months": st.integers(1, 24),
}


@settings(max_examples=300, deadline=None)
@given(
    code=st.sampled_from(sorted(PACK.rows)),
    first=st.fixed_dictionaries({}, optional=VALUES),
    then=st.fixed_dictionaries({}, optional=VALUES),
)
def test_nothing_looser_goes_unmarked(
    code: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    """Where no key is marked, the new text is at least as strict as the old one in every value."""
    old = {**PACK.tables[f"{code}.toml"], **first}
    new = {**old, **then}
    found = key_changes(code, old, new, meta=PACK.meta, gates=PACK.gates)
    try:
        rows = [read_row(text, f"{code}.toml", PACK.meta, PACK.gates) for text in (old, new)]
    except RulebookError:
        assert all(change.loosens for change in found)
        return
    lost = tightened(rows[1].own, rows[0].own)

    assert {change.key for change in found} == {key for key in then if old[key] != new[key]}
    assert bool(lost) is any(change.loosens for change in found)
