"""How soon recording stops after a tap on Withdraw, with a thousand real agents.

    .venv/bin/python -m bench.time_to_stop --agents 1000

Makes installations of its own in a folder of its own; needs Linux and some gigabytes of memory.
First all agents are connected while one person after the other taps; then, with a short lease,
some agents are cut off before everybody taps. Nothing is asserted about speed; that nothing was
admitted after a commit is: the status is 1 if something was.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.installation import Installation

MEASURED: Final = "### Measured with a thousand agents"
OFFLINE_LEASE: Final = "30"


def main(argv: list[str]) -> int:
    """Measure, print the table, store the figures where asked to."""
    options = _options(argv)
    figures = measure(options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    text = "\n".join(table(figures)) + "\n"
    sys.stdout.write(text)
    if options.document:
        write_into(options.document, text)
    return 1 if any(found["admitted_after_commit"] for found in figures["runs"].values()) else 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.time_to_stop", description=__doc__.split("\n")[0])
    parser.add_argument("--agents", type=int, default=1000, help="agents that are connected")
    parser.add_argument("--offline", type=int, default=50, help="agents that are cut off")
    parser.add_argument("--withdraw", type=int, default=300, help="of the connected, how many tap")
    parser.add_argument("--taps", type=float, default=3.0, help="taps a second")
    parser.add_argument("--upload-every", type=float, default=120.0, help="as of `sayso-agent run`")
    parser.add_argument("--json", type=Path, help="write all figures into this file")
    parser.add_argument("--document", type=Path, help="put the table into this page")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of both runs, each on an installation of its own."""
    folder = Path(tempfile.mkdtemp(prefix="sayso-bench-"))
    folder.chmod(0o711)
    runs = {}
    try:
        if options.agents:
            with Installation(folder / "connected") as installation:
                runs["connected"] = installation.run(
                    "stop",
                    agents=options.agents,
                    port=installation.port,
                    taps_per_second=options.taps,
                    upload_every=options.upload_every,
                    withdrawals=options.withdraw,
                    offline=False,
                )
        if options.offline:
            extra = {"SAYSO_POLICY_LEASE_SECONDS": OFFLINE_LEASE}
            with Installation(folder / "offline", extra=extra) as installation:
                runs["offline"] = installation.run(
                    "stop",
                    agents=options.offline,
                    port=installation.port,
                    taps_per_second=50,
                    upload_every=5,
                    withdrawals=options.offline,
                    offline=True,
                )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.describe(),
        "taps_per_second": options.taps,
        "runs": runs,
    }


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the figures as Markdown, below their heading."""
    host, runs = figures["machine"], figures["runs"]
    yield from (MEASURED, "")
    yield (
        f"{figures['date']}; {host['cores']} cores ({host['processor']}), {host['memory']} of"
        f" memory, {host['system']}, Python {host['python']}. Portal, database, workers, all agents"
        " and whoever taps share them."
    )
    yield from ("", f"| | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}")
    for name, value in ROWS.items():
        yield f"| {name} | {' | '.join(value(found) for found in runs.values())} |"


def part(seconds: Sequence[float], share: float) -> str:
    """Return the value that this share stays within, in ms; a dash where there is none."""
    known = sorted(seconds)
    if not known:
        return "-"
    return f"{known[max(math.ceil(share * len(known)) - 1, 0)] * 1000:,.0f}"


def told(answers: dict[str, int]) -> str:
    """Return how often there was which answer."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(answers.items())) or "-"


def _spread(name: str) -> Any:
    return lambda found: " / ".join(part(found[name], share) for share in (0.5, 0.99, 1.0))


ROWS: Final[dict[str, Any]] = {
    "processes of `sayso-agent run`": lambda found: f"{found['agents']:,}",
    "memory of one, MiB": lambda found: f"{found['agent_memory_mib']:.1f}",
    "lease, s": lambda found: f"{found['lease_seconds']:,}",
    "taps, all answered and committed": lambda found: (
        f"{found['committed']:,} of {found['tapped']:,}"
    ),
    "agents that stopped": lambda found: f"{found['stopped']:,}",
    "last event captured after the tap, p50 / p99 / max, ms": _spread("after_tap"),
    "last event captured after the commit, p50 / p99 / max, ms": _spread("after_commit"),
    "the tap's own answer, p50 / p99 / max, ms": _spread("answered"),
    "events fed": lambda found: f"{found['events']:,}",
    "batches admitted before": lambda found: f"{found['judged'].get('admitted', 0):,}",
    "batches refused": lambda found: f"{found['judged'].get('refused', 0):,}",
    "batches admitted after the commit": lambda found: f"{found['admitted_after_commit']:,}",
    "batches with anything captured after it": lambda found: f"{found['captured_after_commit']:,}",
    "late batches of just before it": lambda found: told(found["late"]["before"]),
    "late batches of just after it": lambda found: told(found["late"]["after"]),
    "files in the store that belong to no batch": lambda found: f"{found['files_of_no_batch']:,}",
    "load before and after": lambda found: " / ".join(f"{one:.1f}" for one in found["load"]),
}


def write_into(page: Path, text: str) -> None:
    """Put the table into the page in place of the one that is there, up to the next heading."""
    before, found, rest = page.read_text(encoding="utf-8").partition(f"{MEASURED}\n")
    if not found:
        raise ValueError(f"{page} has no heading '{MEASURED}'")
    _, following, after = rest.partition("\n## ")
    page.write_text(f"{before}{text}{following}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
