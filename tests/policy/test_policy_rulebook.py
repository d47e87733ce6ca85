"""The rule pack: read strictly, every fault named by file and key, and a fault always denies."""

import re
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_factories import TODAY, a_pack, allowed, spoil

from consent.policy.answers import bounds_answer
from consent.policy.evaluate import evaluate
from consent.policy.rulebook import (
    FOLDER,
    load_rulebook,
    read_rulebook,
    rulebook_of_tables,
    with_rows,
)
from consent.policy.schema import ADDED_LATER, RulebookError, row_readers
from consent.policy.types import NeverSignal, Signal

RULEBOOK = load_rulebook()
KEYS = sorted(row_readers(RULEBOOK.meta, "x"))
SOURCE = (FOLDER / "DE.toml").read_text(encoding="utf-8")


def fault(pack: Path) -> str:
    with pytest.raises(RulebookError) as refused:
        load_rulebook(pack)
    return str(refused.value)


def without_key(text: str, key: str) -> str:
    """Cut a key and its value, of however many lines, out of a file."""
    if key == "citations":
        return text[: text.index("[[citations]]")]
    return re.sub(rf"^{key} = (\[\n(?:  .*\n)*\]|.*)\n", "", text, flags=re.MULTILINE)


def test_the_pack_holds_the_places_it_promises() -> None:
    assert len(RULEBOOK.rows) == 38
    assert {row.code for row in RULEBOOK.rows.values()} == set(RULEBOOK.rows)
    assert RULEBOOK.problems == ()
    assert re.fullmatch("[0-9a-f]{64}", RULEBOOK.digest)


def test_every_file_says_that_it_is_not_legal_advice() -> None:
    for file in FOLDER.glob("*.toml"):
        assert "Not legal advice" in file.read_text(encoding="utf-8"), file.name


def test_counsel_signs_off_where_confidence_is_below_medium_and_nowhere_else() -> None:
    unsure = {row.code for row in RULEBOOK.rows.values() if row.confidence == "low"}

    assert {row.confidence for row in RULEBOOK.rows.values()} == {"low", "medium", "high"}
    for row in RULEBOOK.rows.values():
        assert row.own.needs_counsel == ({row.code} & unsure)


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("IE", {"consent", "collective_agreement_plus_consent"}),
        ("JP", set(RULEBOOK.meta.order_basis)),
    ],
)
def test_what_accepts_a_weak_basis_accepts_every_stronger_one(code: str, allowed: set[str]) -> None:
    assert RULEBOOK.rows[code].own.legal_basis_allowed == allowed


def test_every_row_cites_a_source_and_the_law_of_its_parent() -> None:
    for row in RULEBOOK.rows.values():
        assert row.citations, row.code
        assert row.parent is None or row.parent in RULEBOOK.rows


def test_no_file_gives_a_worker_away_without_asking() -> None:
    for row in RULEBOOK.rows.values():
        assert row.own.default.word in {"opt_in", "prohibited"}
        assert row.own.adm_allowed is False


def test_every_gate_in_use_is_described_and_none_is_idle() -> None:
    used = {gate for row in RULEBOOK.rows.values() for gate in row.own.gates}

    assert used == set(RULEBOOK.gates)


def test_a_gate_has_a_condition_exactly_where_its_name_says_so() -> None:
    for name, words in RULEBOOK.gates.items():
        assert ("_if_" in name) == (words.condition is not None), name


def test_no_code_of_a_place_stands_in_the_program() -> None:
    names = {row.name for row in RULEBOOK.rows.values()} - {"European Union"}
    for file in FOLDER.parent.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        for code in RULEBOOK.rows:
            assert f'"{code}"' not in text, f"{file.name} names {code}"
        for name in names:
            assert name not in text, f"{file.name} names {name}"


def test_a_text_from_before_a_key_came_counts_as_it_was_meant() -> None:
    tables = {
        file: {key: said for key, said in table.items() if key not in ADDED_LATER}
        for file, table in RULEBOOK.tables.items()
    }

    kept = rulebook_of_tables(tables, kept=True)

    assert not kept.problems
    unchanged = {
        code: row
        for code, row in RULEBOOK.rows.items()
        if all(RULEBOOK.tables[row.file][key] == none for key, none in ADDED_LATER.items())
    }
    assert set(RULEBOOK.rows) - set(unchanged) == {"GB", "US-CT", "US-NY"}
    assert {code: kept.rows[code] for code in unchanged} == unchanged
    # Which rights a clock stops for was not said then: for none is what nobody can lose by.
    own = RULEBOOK.rows["GB"].own
    answers = frozenset(one._replace(clock_stops_for=frozenset()) for one in own.answers)
    assert kept.rows["GB"].own == replace(own, answers=answers)
    assert rulebook_of_tables(tables).rows == {}, "in a shipped file the line was forgotten"


def test_a_key_that_came_later_and_says_nothing_new_leaves_the_digest_as_it_was() -> None:
    def of(*, kept: bool) -> str:
        tables = {
            file: {key: said for key, said in table.items() if not kept or key not in ADDED_LATER}
            for file, table in RULEBOOK.tables.items()
            if file not in {"GB.toml", "US-CT.toml", "US-NY.toml"}
        }
        return rulebook_of_tables(tables, kept=kept).digest

    assert of(kept=True) == of(kept=False) != RULEBOOK.digest


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from(sorted(RULEBOOK.rows)))
def test_a_duty_that_is_still_to_come_has_no_effect_and_adds_to_nothing(
    on: date, code: str
) -> None:
    for row in RULEBOOK.lineage(code):
        begun = on >= row.complaint_ack_from
        asked = row.own.complaint_ack_days if begun else None
        assert row.bounds_on(on).complaint_ack_days == asked
        assert replace(row.bounds_on(on), complaint_ack_days=row.own.complaint_ack_days) == replace(
            row.own, retention_floors=row.own.floors_on(on)
        )
    assert RULEBOOK.turning_days(["GB"]) >= {date(2026, 6, 19)}


def test_the_pack_is_read_once() -> None:
    assert load_rulebook() is load_rulebook()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_required(tmp_path: Path, key: str) -> None:
    pack = a_pack(tmp_path)
    short = without_key(SOURCE, key)
    assert short != SOURCE
    assert key not in tomllib.loads(short)
    (pack / "DE.toml").write_text(short, encoding="utf-8")

    assert fault(pack) == f"DE.toml: {key}: this key is required"


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path, key: str) -> None:
    pack = a_pack(tmp_path)
    wrong = f"{key} = 1.5\n" + without_key(SOURCE, key)
    (pack / "DE.toml").write_text(wrong, encoding="utf-8")

    assert fault(pack).startswith(f"DE.toml: {key}: must be")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("DE.toml", "notice_days", "notice_dayz", "DE.toml: notice_days: this key is required"),
        ("DE.toml", 'name = "Germany"', 'name = "Germany"\nbonus = 1', "DE.toml: bonus: this key"),
        ("DE.toml", "consent_sufficient = false", 'consent_sufficient = "false"', "true or false"),
        ("DE.toml", "notice_days = 0", "notice_days = true", "DE.toml: notice_days: must be a wh"),
        ("DE.toml", "notice_days = 0", "notice_days = -1", "DE.toml: notice_days: must be a whol"),
        ("DE.toml", "review_by = 2027-02-22", 'review_by = "2027-02-22"', "DE.toml: review_by"),
        ("DE.toml", "review_by = 2027-02-22", "review_by = 2027-02-22T00:00:00", "review_by"),
        ("DE.toml", "review_by = 2027-02-22", "review_by = 2026-02-22", "DE.toml: review_by"),
        ("DE.toml", '"P1M"', '"1 month"', "DE.toml: dsar_period: must be a period"),
        ("DE.toml", '"P1M"', '"P0M"', "DE.toml: dsar_period: must be a period"),
        ("DE.toml", 'confidence = "high"', 'confidence = "sure"', "DE.toml: confidence: must be"),
        ("DE.toml", 'default = "opt_in"', 'default = "yes"', "DE.toml: default: must be one of"),
        ("DE.toml", 'default = "opt_in"', 'default = "opt_out"', "DE.toml: default: must be at le"),
        ("US.toml", 'legal_floor = "notice"', 'legal_floor = "prohibited"', "US.toml: default"),
        (
            "US.toml",
            'default = "opt_in"',
            'default = "opt_out"',
            "default: must be at least opt_in",
        ),
        ("DE.toml", '"key_content"', '"keyboard"', "DE.toml: prohibited_signals: 'keyboard' is"),
        ("DE.toml", '"clipboard"', '"screenshot"', "DE.toml: restricted_signals: 'screenshot' is"),
        ("DE.toml", '"clipboard"', '"key_timing"', "restricted_signals: names something twice"),
        (
            "DE.toml",
            '"works_council_agreement"',
            '"works_cuncil"',
            "DE.toml: gates: 'works_cuncil'",
        ),
        ("BE.toml", "{ cao39_consultation", "{ dpia", "BE.toml: gate_lead_days: 'dpia'"),
        ("DE.toml", '= ["consent"', '= ["wish"', "DE.toml: legal_basis_allowed: 'wish'"),
        ("DE.toml", 'parent = "EU"', 'parent = "EW"', "DE.toml: parent: the parent 'EW' is not"),
        ("DE.toml", 'code = "DE"', 'code = "DD"', "DE.toml: code: the file must be named DD.toml"),
        ("DE.toml", 'evidence = "seen"', 'evidence = "sure"', "DE.toml, citations 1: evidence"),
        ("DE.toml", "\nevidence = ", "\nproof = ", "DE.toml, citations 1: evidence: this key is"),
        ("IN.toml", "retention_floor_days = 365", 'retention_floor_days = "none"', "IN.toml: rete"),
        (
            "US-CT.toml",
            'posting_gate = "ct_',
            'posting_gate = "none" # "ct_',
            "posting_gate: must name",
        ),
        ("US-CT.toml", "posting_required = true", "posting_required = false", "posting_gate: goes"),
        (
            "US-CT.toml",
            'posting_gate = "ct_',
            'posting_gate = "not_',
            "posting_gate: must be a gate",
        ),
        ("GB.toml", "complaint_ack_days = 30", 'complaint_ack_days = "none"', "complaint_ack_from"),
        ("DE.toml", 'record_keeping_basis = "guidance"', 'record_keeping_basis = "none"', "record"),
        ("US-CT.toml", 'effective_until = "none"', "effective_until = 2026-10-01", "effective_unt"),
        ("DE.toml", 'code = "DE"', "code = DE", "DE.toml: cannot be read"),
        ("meta.toml", "pack_version", "pack_versio", "meta.toml: pack_version: this key is requ"),
        ("meta.toml", '"webcam",', "", "meta.toml: always_prohibited: differ"),
        ("meta.toml", '  "clipboard",\n', "", "meta.toml: content_signals: differ"),
        ("meta.toml", "screen_video = 7\n", "", "meta.toml: retention_guidance_days: must name"),
        (
            "meta.toml",
            'unknown_jurisdiction = "prohibited"',
            'unknown_jurisdiction = "opt_in"',
            "un",
        ),
        (
            "meta.toml",
            'lowest_default = "opt_in"',
            'lowest_default = "yes"',
            "meta.toml: lowest_de",
        ),
        ("gates.toml", "[dpia]\ntitle = ", "[dpia]\nheading = ", "gates.toml, dpia: title"),
    ],
)
def test_a_fault_is_named_by_file_and_key(
    tmp_path: Path, file: str, old: str, new: str, expected: str
) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, file, old, new)

    assert expected in fault(pack)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("consent_sufficient = false", "consent_sufficient = true", "consent_sufficient"),
        ('["consent", "coll', '["legitimate_interest", "coll', "legal_basis_allowed"),
        ('legal_floor = "opt_in"', 'legal_floor = "opt_out"', "legal_floor"),
        ("adm_allowed = false", "adm_allowed = true", "adm_allowed"),
        ("dsar_days = 30", "dsar_days = 31", "dsar_days"),
        ('dsar_period = "P1M"', 'dsar_period = "P2M"', "dsar_period"),
        ('dsar_period = "P1M"', 'dsar_period = "none"', "dsar_period"),
        ("dsar_extension_days = 60", "dsar_extension_days = 90", "dsar_extension_days"),
        ("erasure_days = 30", 'erasure_days = "none"', "erasure_days"),
        ("reconsent_months = 12", "reconsent_months = 24", "reconsent_months"),
        (
            "reprompt_cooldown_months = 6",
            "reprompt_cooldown_months = 1",
            "reprompt_cooldown_months",
        ),
        ("record_keeping_months = 36", "record_keeping_months = 12", "record_keeping_months"),
    ],
)
def test_a_child_looser_than_its_parent_is_refused(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", old, new)

    assert fault(pack) == f"DE.toml: {key}: is looser than EU.toml, which a child may not be"


def test_a_child_cannot_allow_with_an_override_what_its_parent_prohibits(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", '  "clipboard"', '  "derived_emotion",\n  "clipboard"') if (
        '  "clipboard"' in SOURCE
    ) else spoil(pack, "DE.toml", '"clipboard"', '"derived_emotion", "clipboard"')

    assert "DE.toml: restricted_signals: 'derived_emotion' is prohibited in EU.toml" in fault(pack)


OVERRIDE = """
[[overrides]]
key = "consent_sufficient"
override_reason = "an act of parliament says so"
citation = "Act 1/2027, s. 1"
sign_offs = ["A. Counsel", "B. Officer"]
"""


def overridden(pack: Path, override: str) -> None:
    spoil(pack, "DE.toml", "consent_sufficient = false", "consent_sufficient = true")
    spoil(pack, "DE.toml", "overrides = []\n", "")
    spoil(pack, "DE.toml", "\n[[citations]]", f"{override}\n[[citations]]")


def test_a_cited_override_with_two_signatures_loosens_that_child_alone(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    overridden(pack, OVERRIDE)

    rulebook = load_rulebook(pack)

    def sufficient(*codes: str) -> bool:
        bounds = rulebook.law(codes, TODAY).bounds
        assert bounds
        return bounds.consent_sufficient

    assert sufficient("DE")
    assert not sufficient("DE", "FR")
    assert not sufficient("DE", "EU")
    assert not sufficient("FR")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"A. Counsel", "B. Officer"', '"A. Counsel"', "two different people"),
        ('"A. Counsel", "B. Officer"', '"A. Counsel", "A. Counsel"', "names something twice"),
        ('citation = "Act 1/2027, s. 1"\n', "", "overrides 1: citation: this key is required"),
        ('"an act of parliament says so"', '" "', "overrides 1: override_reason: must be a text"),
        ('"consent_sufficient"', '"code"', "'code' cannot be overridden"),
        ('"consent_sufficient"', '"dsar_days"', "consent_sufficient: is looser than EU.toml"),
    ],
)
def test_an_override_that_lacks_something_is_none(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    pack = a_pack(tmp_path)
    overridden(pack, OVERRIDE.replace(old, new))

    assert expected in fault(pack)


def test_only_a_child_can_have_an_override(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "GB.toml", "overrides = []\n", "")
    spoil(pack, "GB.toml", "\n[[citations]]", f"{OVERRIDE}\n[[citations]]")

    assert "GB.toml: overrides: there is no parent" in fault(pack)


def test_parents_in_a_circle_are_refused(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "EU.toml", 'parent = "none"', 'parent = "DE"')

    assert "parent" in fault(pack)
    assert "DE" not in read_rulebook(pack).rows


def test_a_place_that_cannot_be_read_denies_and_the_others_go_on(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", "notice_days = 0", "notice_days = ")

    rulebook = read_rulebook(pack)

    assert [problem.file for problem in rulebook.problems] == ["DE.toml"]
    (reason,) = evaluate(allowed(jurisdictions=frozenset({"DE"})), rulebook).reasons
    assert str(reason) == "unknown_jurisdiction"
    assert dict(reason.params)["why"] == (("DE", "unreadable"),)
    assert evaluate(allowed(jurisdictions=frozenset({"FR"})), rulebook).permitted


def test_the_children_of_a_place_that_cannot_be_read_deny_too(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "EU.toml", "notice_days = 0", "notice_days = 0.5")

    rulebook = read_rulebook(pack)

    for code in ("EU", "DE", "NO"):
        codes = evaluate(allowed(jurisdictions=frozenset({code})), rulebook).codes
        assert codes == ("unknown_jurisdiction",)
    assert evaluate(allowed(), rulebook).permitted


def test_a_pack_without_its_own_file_cannot_be_read_at_all(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    (pack / "meta.toml").unlink()

    with pytest.raises(RulebookError, match=r"meta\.toml: this file is missing"):
        read_rulebook(pack)


def test_bytes_that_are_no_text_are_a_fault_too(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    (pack / "DE.toml").write_bytes(b"\xff\xfe")

    assert fault(pack).startswith("DE.toml: cannot be read")


def test_comments_and_line_ends_do_not_change_the_digest(tmp_path: Path) -> None:
    pack = a_pack(tmp_path, names=[file.stem for file in FOLDER.glob("*.toml")])
    text = (pack / "DE.toml").read_text(encoding="utf-8")
    (pack / "DE.toml").write_bytes(f"# a remark\n{text}".replace("\n", "\r\n").encode())

    assert load_rulebook(pack).digest == RULEBOOK.digest


@pytest.mark.parametrize("file", ["DE.toml", "meta.toml", "gates.toml"])
def test_what_a_file_says_changes_the_digest(tmp_path: Path, file: str) -> None:
    pack = a_pack(tmp_path)
    before = read_rulebook(pack).digest
    old = {"DE.toml": "Germany", "meta.toml": "2026.11.0", "gates.toml": "Advice of"}[file]
    spoil(pack, file, f'"{old}', f'"X{old}')

    assert read_rulebook(pack).digest != before


def test_a_pending_row_has_no_effect_and_gives_no_permission(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", 'status = "in_force"', 'status = "pending"')
    spoil(pack, "GB.toml", 'status = "in_force"', 'status = "pending"')
    rulebook = load_rulebook(pack)

    germany, europe = (rulebook.law({code}, TODAY) for code in ("DE", "EU"))

    assert germany == europe
    (reason,) = evaluate(allowed(jurisdictions=frozenset({"GB"})), rulebook).reasons
    assert dict(reason.params)["why"] == (("GB", "not_in_force"),)


def test_a_row_applies_from_its_first_day_until_the_day_before_its_last() -> None:
    row = RULEBOOK.rows["US-CT"]

    assert not row.in_force(date(2026, 9, 30))
    assert row.in_force(date(2026, 10, 1))


def test_a_row_ends_on_its_last_day(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "US-NY.toml", 'effective_until = "none"', "effective_until = 2026-12-10")
    rulebook = load_rulebook(pack)

    assert rulebook.law({"US-NY"}, date(2026, 12, 9)).bounds != RULEBOOK.law({"US"}, TODAY).bounds
    after = rulebook.law({"US-NY"}, date(2026, 12, 10))
    assert after.bounds == RULEBOOK.law({"US"}, TODAY).bounds
    assert [(gap.code, gap.why) for gap in after.gaps] == [("US-NY", "ended")]


@pytest.mark.parametrize("code", ["DE", "EU", "GB", "US-CT"])
def test_rules_that_have_ended_deny_and_do_not_fall_back_to_the_parent(
    tmp_path: Path, code: str
) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, f"{code}.toml", 'effective_until = "none"', "effective_until = 2026-12-10")
    rulebook = load_rulebook(pack)
    here = {"EU": "DE"}.get(code, code)
    facts = allowed(jurisdictions=frozenset({here}))

    before = evaluate(replace(facts, at=date(2026, 12, 9)), rulebook)
    decision = evaluate(facts, rulebook)

    assert "unknown_jurisdiction" not in before.codes
    assert decision.codes[0] == "unknown_jurisdiction"
    assert dict(decision.reasons[0].params)["why"] == ((code, "ended"),)


@given(
    st.frozensets(st.sampled_from(sorted(RULEBOOK.rows)), min_size=1, max_size=3),
    st.sampled_from(sorted(RULEBOOK.rows)),
    st.dates(date(2026, 9, 1), date(2027, 6, 30)),
    st.dates(date(2026, 9, 1), date(2027, 6, 30)),
)
def test_ending_a_row_never_permits_more(
    codes: frozenset[str], ended: str, until: date, on: date
) -> None:
    row = RULEBOOK.rows[ended]
    rulebook = with_rows(RULEBOOK, {**RULEBOOK.rows, ended: replace(row, effective_until=until)})
    for signal in Signal:
        facts = allowed(jurisdictions=codes, at=on, signal=signal)

        assert evaluate(facts, RULEBOOK).permitted or not evaluate(facts, rulebook).permitted


def test_rules_that_are_pending_have_not_ended(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", 'status = "in_force"', 'status = "pending"')
    spoil(pack, "DE.toml", 'effective_until = "none"', "effective_until = 2026-12-01")

    assert load_rulebook(pack).law({"DE"}, TODAY) == RULEBOOK.law({"EU"}, TODAY)


def test_no_rule_counts_for_longer_than_the_pack_it_came_in(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "meta.toml", "review_by = 2027-02-22", "review_by = 2026-09-10")
    spoil(pack, "meta.toml", "review_grace_days = 90", "review_grace_days = 91")
    rulebook = load_rulebook(pack)

    last = rulebook.law({"DE"}, date(2026, 12, 10))
    law = rulebook.law({"DE"}, date(2026, 12, 11))

    assert not last.gaps
    assert {(gap.code, gap.why) for gap in law.gaps} == {
        ("DE", "review_overdue"),
        ("EU", "review_overdue"),
    }
    assert date(2026, 12, 11) in rulebook.turning_days({"DE"})


def test_an_overdue_review_of_the_parent_denies_the_child(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "EU.toml", "review_by = 2027-02-22", "review_by = 2026-11-22")
    rulebook = load_rulebook(pack)
    late = date(2027, 2, 21)

    law = rulebook.law({"DE"}, late)

    assert [(gap.code, gap.why) for gap in law.gaps] == [("EU", "review_overdue")]
    assert not evaluate(allowed(jurisdictions=frozenset({"DE"}), at=late), rulebook).permitted


def test_unknown_signals_have_no_guidance_to_be_kept_by() -> None:
    assert RULEBOOK.guidance_days(NeverSignal.WEBCAM) == 0
    assert all(RULEBOOK.guidance_days(signal) > 0 for signal in Signal)


def test_a_rulebook_with_other_rows_forgets_what_it_knew() -> None:
    RULEBOOK.law({"DE"}, TODAY)

    fewer = with_rows(RULEBOOK, {"US": RULEBOOK.rows["US"]})

    assert fewer.law({"DE"}, TODAY).gaps
    assert not RULEBOOK.law({"DE"}, TODAY).gaps


def test_many_days_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consent.policy.rulebook.REMEMBERED", 3)
    rulebook = with_rows(RULEBOOK, RULEBOOK.rows)

    for day in range(1, 20):
        assert rulebook.law({"DE"}, date(2026, 12, day)).bounds

    assert len(rulebook._laws) <= 3


def test_a_place_that_accepts_no_legal_basis_prohibits(tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    spoil(pack, "DE.toml", '["consent", "collective_agreement_plus_consent"]', "[]")
    facts = allowed(jurisdictions=frozenset({"DE", "US"}))

    decision = evaluate(facts, load_rulebook(pack))

    assert decision.codes == ("jurisdiction_prohibited",)
    assert decision.reasons[0].jurisdictions == ("DE",)
    answer = bounds_answer(facts.jurisdictions, facts.today, load_rulebook(pack))
    assert answer.table["default"] == "prohibited", "what is shown is what is decided"
