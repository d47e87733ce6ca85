"""Many `sayso-agent run` processes. A program: `python -m bench.agent_processes PLAN.json`.

Each is a process of its own that runs the command's own `main`, with its own state folder, its
threads, its connections and its standard input. They are forked from this one, which has loaded
the command's modules before: a thousand interpreters that each load them for themselves take
thirty times the memory and minutes of both cores, and are the same from there on.
"""

import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sayso_agent import cli

PAUSE = 0.06
"""Between two starts: a thousand that knock at once have to be given their first policy at once."""


def main(arguments: list[str]) -> int:
    """Start every agent of the plan, wait until told to stop, and end when all have ended."""
    plan = json.loads(Path(arguments[0]).read_text())
    gc.freeze()  # what all share is not written to, so that it stays shared
    running = []
    for one in plan["agents"]:
        running.append(_fork(one, plan))
        time.sleep(PAUSE)

    def stop(*_: object) -> None:
        for pid in running:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for pid in running:
        os.waitpid(pid, 0)
    return 0


def _fork(one: dict[str, Any], plan: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        os.close(one["events"])
        return pid
    os.dup2(one["events"], 0)
    out = os.open(f"{one['home']}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, plan["most_files"])
    status = 70
    try:
        status = cli.main(
            ["run", "--home", one["home"], "--events", "-", "--recorder", "ndjson", "--json",
             "--upload-every", str(plan["upload_every"])]
        )  # fmt: skip
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
