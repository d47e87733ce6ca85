"""The command `sayso-agent conformance`: what is asked, what is printed, how it ends."""

import argparse
import json
import sys

from sayso_agent.conformance.command import OURS, chosen, run, split
from sayso_agent.conformance.contract import contract
from sayso_agent.conformance.endpoint import look_at
from sayso_agent.conformance.report import WIDTH, Result, document, failed, line, summary
from sayso_agent.conformance.scenarios import SCENARIOS
from sayso_agent.errors import Exit
from sayso_agent.home import Home
from sayso_agent.transport import parse_origin


def add_options(found: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    found.epilog = (
        "A command is started anew for each scenario and told everything by its environment"
        f" (--contract). All {len(SCENARIOS)} take about two minutes. Exit code: 0 where nothing"
        " failed, 11 otherwise."
    )
    found.add_argument(
        "target", nargs="?", help="a command in one argument, or a URL (default: this agent)"
    )
    found.add_argument("--only", action="append", default=[], metavar="NAME", help="one scenario")
    found.add_argument("--list", action="store_true", help="name the scenarios")
    found.add_argument(
        "--contract",
        action="store_true",
        help="say what a command under test is told, and what it has to do",
    )
    found.add_argument("--at-once", type=_count, default=4, metavar="N", help="scenarios at a time")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError("a number from 1 to 64")
    return value


def do_conformance(args: argparse.Namespace) -> Exit:
    """Show whether an agent's command fails closed, or a portal at a URL does its part."""
    if args.contract:
        _say(contract())
        return Exit.OK
    if args.list:
        for scenario in SCENARIOS:
            _say(f"{scenario.name:{WIDTH}}{scenario.asks}")
        return Exit.OK
    target = "this agent" if args.target is None else args.target

    def show(result: Result) -> None:
        _say(line(result, whole=bool(args.only)), to_stderr=args.json)

    if target.startswith(("http://", "https://")):
        results = _look_at(target, Home(args.home))
        for result in results:
            show(result)
    else:
        words = OURS if args.target is None else split(target)
        results = run(words, chosen(args.only), at_once=args.at_once, tell=show)
    _say(json.dumps(document(target, results)) if args.json else summary(results))
    return Exit.NOT_CONFORMING if failed(results) else Exit.OK


def _look_at(url: str, home: Home) -> list[Result]:
    """Look at a portal, as this folder's agent where it is the one it is enrolled with."""
    if home.enrolled() and (found := home.identity()).portal == parse_origin(url).url:
        return look_at(url, token=found.token, agent=found.agent, root=found.root)
    return look_at(url)


def _say(text: str, *, to_stderr: bool = False) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    stream.write(text + "\n")
    stream.flush()
