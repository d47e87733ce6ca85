"""Runs scenarios against an agent's command, several at a time, and says what came of each."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from sayso_agent.conformance.portal import FakePortal
from sayso_agent.conformance.report import Result
from sayso_agent.conformance.scenarios import SCENARIOS, Scenario
from sayso_agent.conformance.stage import PATIENCE, Program, Stage, environment
from sayso_agent.errors import UsageError
from sayso_agent.state import words_of

OURS: Final = (sys.executable, "-m", "sayso_agent.conformance.own")
"""The reference agent, under the same contract as any other."""


def chosen(names: Sequence[str]) -> tuple[Scenario, ...]:
    """Return the scenarios of these names, all without any; UsageError for an unknown one."""
    known = {scenario.name for scenario in SCENARIOS}
    if unknown := set(names) - known:
        raise UsageError("scenario_unknown", f"there is no scenario {min(unknown)}; see --list")
    return tuple(s for s in SCENARIOS if not names or s.name in names)


def run(
    words: Sequence[str],
    scenarios: Iterable[Scenario],
    *,
    at_once: int = 4,
    patience: float = PATIENCE,
    tell: Callable[[Result], Any] = lambda _result: None,
) -> list[Result]:
    """Play the scenarios to the command; return what came of each, in their order."""

    def one(scenario: Scenario) -> Result:
        result = play(words, scenario, patience=patience)
        tell(result)
        return result

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, scenarios))


def play(words: Sequence[str], scenario: Scenario, *, patience: float = PATIENCE) -> Result:
    """Play one scenario to a process of its own on a portal of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sayso-conformance-") as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        log = Path(folder) / "log"
        with log.open("wb") as file, FakePortal(takes_all=True) as portal:
            portal.policy = {**portal.policy, "poll_after": 1}
            program = Program(list(words), environment(portal, state), file)
            stage = Stage(portal, program, patience)
            try:
                scenario.play(stage)
            finally:
                program.end()
            wrong = stage.verdict()
        said = log.read_text(errors="replace")[-2000:] if wrong else ""
    seconds = round(time.monotonic() - began, 1)
    return Result(
        scenario.name,
        scenario.asks,
        tuple(wrong),
        seconds=seconds,
        said=said,
        ended=program.ended,
        fed=tuple(stage.lines_of_wrong()),
    )


def split(command: str) -> list[str]:
    """Return a command's words; UsageError where there are none."""
    try:
        words = words_of(command)
    except ValueError as error:
        raise UsageError("command_bad", "the command cannot be read") from error
    if not words:
        raise UsageError("command_bad", "there is no command")
    if shutil.which(words[0]) is None:
        raise UsageError("command_bad", f"there is no program {words[0]}, nor is this a URL")
    return words
