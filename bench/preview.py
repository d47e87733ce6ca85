"""Measure what readiness and the preview of a change cost, in CPU time.

    .venv/bin/python -m bench.preview --people 30000 --apps 300

Makes an installation of its own in a folder of its own, writes people through the services, copies
them as `bench.million` does, and asks. CPU time is that of the program and of the process of
PostgreSQL that answers it; a busy machine makes it a little longer. Nothing is asserted of speed.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine
from bench.installation import Installation
from bench.million import folder_for

SAMPLE = 10


def main(argv: list[str]) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="bench.preview", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=30_000, help="how many there are")
    parser.add_argument("--kinds", type=int, default=500, help="how many the services write")
    parser.add_argument("--apps", type=int, default=300, help="how many apps are registered")
    parser.add_argument("--repeat", type=int, default=5, help="how often each is measured, warm")
    parser.add_argument("--home", type=Path, help="keep the installation in this folder")
    options = parser.parse_args(argv)
    with folder_for(options.home) as folder:
        sys.stdout.write(table(measure(folder / "previews", options)))
    return 0


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fill an installation where it is not filled yet, and measure."""
    note = folder / "filled.json"
    with Installation(folder) as installation:
        if not note.exists():
            founded = installation.run("establish", apps=options.apps, kinds=options.kinds)
            filled = installation.run("fill", people=options.people, sample=SAMPLE, **founded)
            note.write_text(json.dumps(filled))
        return {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": machine.describe(),
            "load": machine.load(),
            "busy": machine.busy(),
            "apps": options.apps,
            **installation.run("previews", repeat=options.repeat),
        }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a page says them."""
    about = figures["machine"]
    where = (
        f"{figures['date']}; {about['cores']} cores ({about['processor']}), {about['memory']} of"
        f" memory, {about['system']}, Python {about['python']}; load {figures['load']:.1f}, others"
        f" kept {figures['busy']:.1f} cores busy. {figures['people']:,} people in"
        f" {figures['cohorts']:,} cohorts, {figures['apps']:,} apps."
    )
    lines = [
        where,
        "",
        "| CPU time, s | first time | median | most |",
        "|---|---|---|---|",
        _row("who may be asked (readiness)", figures["readiness"]),
        *(_row(f"preview: {name}", found) for name, found in figures["impact"].items()),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, found: dict[str, float]) -> str:
    return f"| {name} | {found['cold']:.2f} | {found['median']:.2f} | {found['most']:.2f} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
