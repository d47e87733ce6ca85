"""How soon recording stops: the parts of the measurement, and in `deep` all of it, small."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import time_to_stop
from bench.feeding import LINE, Fed, feed
from bench.stopping import Person
from portal.simulation.clicks import Click

ROOT = Path(__file__).resolve().parents[2]


def a_person(home: Path, times: list[float], tapped: float) -> Person:
    fed = Fed(pipe=-1, times=times)
    return Person(1, "", home, fed, click=Click(1, sent=tapped, answered=tapped + 0.1))


def write_status(home: Path, line: str, kept: int) -> None:
    (home / "status.json").write_text(json.dumps({"line": line, "kept": {"mouse_click": kept}}))


def test_the_last_event_is_the_one_up_to_which_the_agent_counted(tmp_path: Path) -> None:
    person = a_person(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0], tapped=2.5)
    write_status(tmp_path, "not recording: you took your yes back", kept=4)

    person.look()

    assert person.last == 4.0
    assert person.recording is False
    assert person.short == 0


def test_events_missing_before_the_tap_are_counted(tmp_path: Path) -> None:
    person = a_person(tmp_path, [1.0, 2.0, 3.0], tapped=2.5)
    write_status(tmp_path, "not recording: lease_ended", kept=1)

    person.look()

    assert (person.last, person.short) == (1.0, 1)


def test_an_agent_that_still_records_has_no_last_event(tmp_path: Path) -> None:
    person = a_person(tmp_path, [1.0], tapped=0.5)
    write_status(tmp_path, "recording mouse_click in Tracker", kept=1)

    person.look()

    assert person.last is None
    assert person.recording is True


def test_events_come_densely_when_they_are_to() -> None:
    end, pipe = os.pipe()
    os.set_blocking(pipe, False)
    fed = Fed(pipe)

    async def story() -> None:
        feeding = asyncio.create_task(feed([fed]))
        await asyncio.sleep(0.2)
        fed.hurry(10)
        while len(fed.times) < 12:
            await asyncio.sleep(0.01)
        feeding.cancel()

    asyncio.run(story())
    os.close(pipe)
    with os.fdopen(end, "rb") as reading:
        assert reading.read() == LINE * len(fed.times)
    assert fed.times == sorted(fed.times)


def test_an_agent_that_ended_is_fed_no_more() -> None:
    end, pipe = os.pipe()
    os.close(end)
    fed = Fed(pipe)

    fed.feed(time.monotonic())
    fed.feed(time.monotonic() + 10)

    assert fed.failed
    assert fed.times == []
    os.close(pipe)


@pytest.mark.parametrize(
    ("seconds", "share", "said"),
    [([0.001 * n for n in range(1, 101)], 0.99, "99"), ([1.5], 0.5, "1,500"), ([], 1.0, "-")],
)
def test_a_share_stays_within(seconds: list[float], share: float, said: str) -> None:
    assert time_to_stop.part(seconds, share) == said


def test_a_new_table_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{time_to_stop.MEASURED}\n\nold\n\n## After\n\nkept\n")

    time_to_stop.write_into(page, f"{time_to_stop.MEASURED}\n\nnew\n")

    assert page.read_text() == f"# Page\n\n{time_to_stop.MEASURED}\n\nnew\n\n## After\n\nkept\n"


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_real_agents_stop_and_nothing_is_admitted_afterwards(tmp_path: Path) -> None:
    command = ["-m", "bench.time_to_stop", "--agents", "8", "--offline", "4", "--upload-every", "3"]
    done = subprocess.run(
        [sys.executable, *command, "--json", str(tmp_path / "all.json")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("SAYSO_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    runs: dict[str, Any] = json.loads((tmp_path / "all.json").read_text())["runs"]

    for name, agents in (("connected", 8), ("offline", 4)):
        found = runs[name]
        assert found["stopped"] == found["committed"] == found["tapped"] == agents
        assert found["uncaptured_before_tap"] == 0
        assert found["admitted_after_commit"] == found["captured_after_commit"] == 0
        assert found["files_of_no_batch"] == 0
        for answers in found["late"].values():
            assert answers.get("admitted", 0) == 0
            assert sum(answers.values()) == agents
        assert found["judged"]["admitted"] > 0
    assert max(runs["offline"]["after_tap"]) <= runs["offline"]["lease_seconds"]
