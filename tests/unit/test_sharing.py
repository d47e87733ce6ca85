"""Which runs are shared between two processes, and which tests never part or meet."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from tests.sharing import INSTALLATIONS, group_of, worth_sharing

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = {
    "collectonly": False,
    "usepdb": False,
    "trace": False,
    "capture": "fd",
    "keyword": "",
    "lf": False,
    "markexpr": "not deep",
}


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("named", [["tests"], ["tests/integration", "tests/unit"]])
def test_a_run_of_many_files_is_shared(named: list[str]) -> None:
    assert worth_sharing(Namespace(**ORDINARY), named)


def test_a_few_files_are_not_however_many_of_their_tests_are_named() -> None:
    file = "tests/unit/test_sharing.py"

    assert not worth_sharing(Namespace(**ORDINARY), [file])
    assert not worth_sharing(Namespace(**ORDINARY), [f"{file}::test_{n}" for n in range(9)])


@pytest.mark.parametrize(
    "differs",
    [
        {"collectonly": True},
        {"usepdb": True},
        {"trace": True},
        {"capture": "no"},
        {"keyword": "withdrawal"},
        {"lf": True},
        {"markexpr": ""},  # --deep: what measures has the machine to itself
        {"markexpr": "browser"},
    ],
    ids=lambda differs: "=".join(map(str, *differs.items())),
)
def test_a_look_or_a_choice_is_not_shared(differs: dict[str, object]) -> None:
    assert not worth_sharing(Namespace(**{**ORDINARY, **differs}), ["tests"])


def test_a_files_tests_stay_together_and_installations_wait_for_each_other() -> None:
    assert group_of("tests/unit/test_a.py::test_x[a::b]") == "tests/unit/test_a.py"
    assert group_of("tests/unit/test_a.py::test_y") == group_of("tests/unit/test_a.py::test_z")
    assert group_of("tests/unit/test_a.py::test_y") != group_of("tests/unit/test_b.py::test_y")
    assert group_of("tests/e2e/test_a.py::test_x") == group_of("tests/setup/test_b.py::test_y")


def test_what_is_named_an_installation_is_there() -> None:
    assert [place for place in INSTALLATIONS if not (ROOT / place).exists()] == []
