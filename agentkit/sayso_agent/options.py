"""What the commands of `sayso-agent` can be told, and how it is read."""

import argparse

from sayso_agent.recorders import RECORDERS
from sayso_agent.recorders.ndjson import FACTS


def minutes(text: str) -> float:
    """Read how many minutes are to be forgotten."""
    value = float(text)
    if not 0 < value <= 60 * 24:
        raise argparse.ArgumentTypeError("a number of minutes above 0, at most a day's")
    return value


def seconds(text: str) -> float:
    """Read a time in seconds."""
    value = float(text)
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError("seconds between 0.1 and 86400")
    return value


def run_options(found: argparse.ArgumentParser) -> None:
    """Add what `run` can be told."""
    found.add_argument("--events", metavar="FILE", help="events to take; - is standard input")
    found.add_argument("--recorder", choices=sorted(RECORDERS), help="whose events they are")
    found.add_argument(
        "--host", default="", help="host of a page that was opened from this machine"
    )
    found.add_argument(
        "--window",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a fact on the window, where events have none: {', '.join(FACTS)}; private=no says "
        "that no private window is recorded, where the recorder cannot tell",
    )
    found.add_argument(
        "--app-hint", metavar="APP", help="the app's code, where nothing is known of the window"
    )
    found.add_argument(
        "--no-passwords",
        action="store_true",
        help="says of a recording that no password is typed, where its recorder cannot tell",
    )
    found.add_argument(
        "--rebase", action="store_true", help="move an old recording's times to end now"
    )
    found.add_argument(
        "--state-command",
        metavar="COMMAND",
        help="run at each change, with $SAYSO_STATE (recording, not_recording, paused)",
    )
    found.add_argument("--once", action="store_true", help="poll, take all input, hand it in, end")
    found.add_argument(
        "--poll", type=seconds, metavar="SECONDS", help="poll this often (default: as told)"
    )
    found.add_argument(
        "--upload-every",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="hand in what is older than this (default: 300)",
    )
