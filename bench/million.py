"""Measure the portal under a million people: decisions, rule changes, memory, size.

    .venv/bin/python -m bench.million --people 1000000

Makes installations of its own, one for each headcount, in a folder of its own; needs Linux, 10 GB
of disk and about an hour for a million people and three rounds. Nothing is asserted about speed.

What is written past the services, and why it equals what they write, is said in `bench.copies`;
a random sample is compared with people whom the services wrote (`bench.check`).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench import machine, plan, report
from bench.installation import Installation

KINDS: Final = ("agreement", "allowlist", "retention")
PURE_PEOPLE: Final = 200
VERDICT_PEOPLE: Final = 300
SAMPLE: Final = 30
SETTLE_SECONDS: Final = 5


def main(argv: list[str]) -> int:
    """Measure, print the tables, and store the figures where asked to."""
    options = _options(argv)
    with folder_for(options.home) as folder:
        figures = measure(folder, options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    sys.stdout.write(report.tables(figures))
    if options.document:
        report.write_into(options.document, figures)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.million", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=1_000_000, help="the largest headcount")
    parser.add_argument(
        "--beside",
        type=int,
        nargs="*",
        default=[10_000, 100_000],
        help="smaller headcounts to show beside it",
    )
    parser.add_argument("--agents", type=int, default=1000, help="how many poll at once")
    parser.add_argument("--web-processes", type=int, default=1, help="how many share the port")
    parser.add_argument("--apps", type=int, default=300, help="how many apps are registered")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured")
    parser.add_argument("--home", type=Path, help="keep the installations in this folder")
    parser.add_argument("--json", type=Path, help="write all figures into this file")
    parser.add_argument("--document", type=Path, help="put the tables into this page")
    return parser.parse_args(argv)


@contextmanager
def folder_for(named: Path | None) -> Iterator[Path]:
    """Yield the folder for the installations; one that nobody named is removed afterwards."""
    if named:
        named.mkdir(parents=True, exist_ok=True)
        yield named
        return
    folder = Path(tempfile.mkdtemp(prefix="sayso-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fill what is not filled yet, then measure every headcount in each round, in turn."""
    counts = sorted({*(one for one in options.beside if one < options.people), options.people})
    filled = {str(people): _filled(folder, people, counts[0], options.apps) for people in counts}
    rounds = []
    for number in range(options.rounds):
        _say(f"round {number + 1} of {options.rounds}")
        found = {str(p): _measured(folder, p, options, number) for p in counts}
        rounds.append(found)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.describe(),
        "filled": filled,
        "rounds": rounds,
    }


def _filled(folder: Path, people: int, fewest: int, apps: int) -> dict[str, Any]:
    """Return what an installation was filled with; it is filled where it is not yet."""
    home = folder / str(people)
    note = home / "filled.json"
    if note.exists():
        known: dict[str, Any] = json.loads(note.read_text())
        return known
    base = folder / "originals"
    founded = _founded(base, min(plan.ARCHETYPES, max(1, fewest // 2)), apps)
    shutil.rmtree(home, ignore_errors=True)
    # With owners and modes: as root, the database's files belong to another account.
    subprocess.run(["/bin/cp", "-a", str(base), str(home)], check=True)
    with Installation(home) as installation:
        _say(f"copying them until there are {people}")
        found = installation.run("fill", people=people, sample=SAMPLE, **founded)
    note.write_text(json.dumps(found))
    return found


def _founded(base: Path, kinds: int, apps: int) -> dict[str, Any]:
    """Return who was written by the services, once, for all headcounts."""
    note = base / "founded.json"
    if not note.exists():
        shutil.rmtree(base, ignore_errors=True)
        with Installation(base) as installation:
            _say(f"writing {kinds} people through the services")
            found = installation.run("establish", apps=apps, kinds=kinds)
        note.write_text(json.dumps(found))
    founded: dict[str, Any] = json.loads(note.read_text())
    return founded


def _measured(folder: Path, people: int, options: argparse.Namespace, turn: int) -> dict[str, Any]:
    """Measure one headcount once, on an installation that is started for it."""
    with Installation(folder / str(people), webs=options.web_processes) as installation:
        time.sleep(SETTLE_SECONDS)
        quiet = {"load": machine.load(), "busy": machine.busy()}
        web = machine.web_process(installation.pid)
        memory = {"idle": machine.memory(web)}
        began = time.monotonic()
        verdicts = installation.run("verdicts", people=min(VERDICT_PEOPLE, people), seed=turn)
        changes = {}
        for kind in KINDS:
            _say(f"{people} people: {kind}")
            changes[kind] = installation.run(
                "change", kind=kind, agents=options.agents, port=installation.port, turn=turn
            )
        memory["polled"] = machine.memory(web)
        seconds = time.monotonic() - began
        return {
            "before": quiet,
            "pure": installation.run("pure", people=PURE_PEOPLE),
            "verdicts": verdicts,
            "changes": changes,
            "memory": memory,
            "sizes": installation.run("sizes"),
            "seconds": seconds,
            "after": {"load": machine.load(), "busy": machine.busy()},
        }


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
