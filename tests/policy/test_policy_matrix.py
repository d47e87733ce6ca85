"""Runs the cases of tests/matrix/, which a lawyer can read and write without a programmer."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from policy_factories import TODAY, person

from consent.policy.deadlines import due
from consent.policy.describe import describe_bounds
from consent.policy.evaluate import evaluate, retention_days
from consent.policy.facts import Agreement, assume
from consent.policy.factsfile import facts_from
from consent.policy.rulebook import load_rulebook
from consent.policy.schema import ALL_SIGNALS
from consent.policy.types import Right

FOLDER = Path(__file__).parent.parent / "matrix"
KINDS = {"base", "case", "due", "bounds", "kept"}


def cases(kind: str) -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        assert set(table) <= KINDS, f"{file.name} holds something that no test reads"
        for case in table.get(kind, []):
            name = f"{file.stem}: {case['name']}"
            found.append(pytest.param(table.get("base", {}), case, id=name))
    return found


def test_there_are_many_cases_and_each_has_its_own_name() -> None:
    names = [case.id for kind in ("case", "due", "bounds", "kept") for case in cases(kind)]

    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.mark.parametrize(("base", "case"), cases("case"))
def test_decision(base: dict[str, Any], case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "given", "without", "reasons"}
    table = {key: value for key, value in base.items() if key not in case.get("without", [])}

    decision = evaluate(assume(facts_from(table | case.get("given", {}))).facts, load_rulebook())

    assert list(decision.codes) == case.get("reasons", [])
    assert decision.permitted == (not case.get("reasons"))


@pytest.mark.parametrize(("base", "case"), cases("due"))
def test_due(base: dict[str, Any], case: dict[str, Any]) -> None:
    assert set(case) <= {
        "name", "right", "jurisdictions", "received", "due", "extended", "pauses"
    }  # fmt: skip

    end = due(
        Right(case["right"]),
        case["jurisdictions"],
        case["received"],
        load_rulebook(),
        extended=case.get("extended", False),
        pauses=[tuple(pause) for pause in case.get("pauses", [])],
    )

    assert end == case.get("due")


@pytest.mark.parametrize(("base", "case"), cases("bounds"))
def test_bounds(base: dict[str, Any], case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "jurisdictions", "at", "expect"}
    rulebook = load_rulebook()
    law = rulebook.law(case["jurisdictions"], case.get("at", TODAY))
    assert law.bounds

    found = describe_bounds(law, law.bounds, rulebook)

    assert {key: found[key] or type(want)() for key, want in case["expect"].items()} == case[
        "expect"
    ]


@pytest.mark.parametrize(("base", "case"), cases("kept"))
def test_kept(base: dict[str, Any], case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "jurisdictions", "signal", "own", "agreement", "days"}
    rulebook = load_rulebook()
    agreements = (Agreement(retention_days=case["agreement"]),) if "agreement" in case else ()
    somebody = person(own_retention_days=case.get("own"), agreements=agreements)
    law = rulebook.law(case["jurisdictions"], TODAY)

    assert (
        retention_days(somebody, law.bounds, ALL_SIGNALS[case["signal"]], rulebook) == case["days"]
    )
