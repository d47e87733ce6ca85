"""The whole measurement with two hundred people: that it works, and that its figures add up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.deep
ROOT = Path(__file__).resolve().parents[2]
AGENTS = 20


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program says about two hundred people and twenty apps."""
    folder = tmp_path_factory.mktemp("bench")
    page = folder / "page.md"
    page.write_text("# Page\n\n## Measured\n\n## After\n")
    command = ["-m", "bench.million", "--people", "200", "--rounds", "1", "--apps", "20"]
    command += ["--agents", str(AGENTS), "--json", str(folder / "all.json")]
    done = subprocess.run(
        [sys.executable, *command, "--document", str(page)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("SAYSO_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout in page.read_text()
    found: dict[str, Any] = json.loads((folder / "all.json").read_text())
    return found


@pytest.mark.timeout(1200)
def test_the_company_is_as_large_as_asked_for_and_its_copies_are_true(
    figures: dict[str, Any],
) -> None:
    filled = figures["filled"]["200"]

    assert list(figures["filled"]) == ["200"]
    assert filled["subject"] == filled["written_by_services"] + filled["copied"] == 200
    assert filled["app"] == 20
    assert filled["agent"] >= AGENTS
    assert 0 < filled["decided"] <= 200 <= filled["consentscope"]
    assert filled["compared"]["people"] > 0
    assert filled["compared"]["rows"] > filled["compared"]["people"]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["agreement", "allowlist", "retention"])
def test_a_change_writes_cohorts_and_no_people_and_every_agent_hears_of_it(
    figures: dict[str, Any], kind: str
) -> None:
    change = figures["rounds"][0]["200"]["changes"][kind]
    cohorts = figures["filled"]["200"]["cohort"]

    assert 0 < change["revisions"] <= change["cohorts"] == cohorts
    assert (change["revisions"] == cohorts) == (kind != "agreement")
    assert change["rows"] > change["revisions"]
    assert change["people_written"] == 0
    assert 0 < change["agents"] <= AGENTS
    assert (change["agents"] == AGENTS) or kind == "agreement"
    assert change["first"] <= change["half"] <= change["last"]
    assert change["commit"] > 0


@pytest.mark.timeout(1200)
def test_rates_memory_and_size_are_there(figures: dict[str, Any]) -> None:
    found = figures["rounds"][0]["200"]

    assert found["pure"]["ratio"] == pytest.approx(
        found["pure"]["shared_per_second"] / found["pure"]["alone_per_second"]
    )
    # Twenty apps, fourteen signals and three purposes for each person.
    assert found["verdicts"]["decisions_per_second"] == pytest.approx(
        found["verdicts"]["people_per_second"] * 20 * 14 * 3
    )
    assert found["memory"]["polled"] > 0
    assert found["sizes"]["database"] > sum(
        table["bytes"] for table in found["sizes"]["tables"].values()
    )
