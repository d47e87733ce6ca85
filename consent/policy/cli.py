"""`decide`, `bounds` and `due` on the command line: JSON out, no framework, no database."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn

from consent.policy.answers import (
    LONGEST,
    NoAnswerError,
    bounds_answer,
    decide_answer,
    due_answer,
    read_facts,
)
from consent.policy.deadlines import Pause, UnknownJurisdictionError, idle_pauses
from consent.policy.factsfile import DAY, YEARS, FactsError
from consent.policy.rulebook import load_rulebook
from consent.policy.schema import RulebookError
from consent.policy.types import Right

REFUSED = 2
LONGEST_REFUSAL = 1000


class CommandError(ValueError):
    """What was asked for cannot be answered; the message is one sentence."""


REFUSALS = (CommandError, NoAnswerError, FactsError, RulebookError, UnknownJurisdictionError)


def main(argv: Sequence[str]) -> int:
    """Run one command; return 0, or 2 with one sentence on the error stream."""
    try:
        asked = _parser().parse_args(argv)
        answer = asked.run(asked)
    except SystemExit:  # argparse leaves this way after --help
        return 0
    except REFUSALS as problem:
        sys.stderr.write(f"{_one_line(str(problem)).rstrip('.')}.\n")
        return REFUSED
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    return 0


def _one_line(text: str) -> str:
    """Return a sentence in which whatever was typed can neither break the line nor be endless."""
    shown = text if len(text) <= LONGEST_REFUSAL else f"{text[:LONGEST_REFUSAL]} …"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{self.prog}: {message}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="policy", description="Ask the rule pack. Not legal advice.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="decide|bounds|due")
    decide = commands.add_parser("decide", help="may this be captured, and if not, why not")
    decide.add_argument("--facts", required=True, metavar="FILE", help="JSON or YAML; - is stdin")
    decide.set_defaults(run=_decide)
    bounds = commands.add_parser("bounds", help="what several jurisdictions ask for together")
    bounds.add_argument("--jurisdictions", required=True, type=_codes, metavar="CODES")
    bounds.add_argument("--at", type=_day, metavar="DATE", help="today, if not given")
    bounds.set_defaults(run=_bounds)
    until = commands.add_parser("due", help="by when a request must be answered")
    until.add_argument("--right", required=True, choices=[right.value for right in Right])
    until.add_argument("--jurisdictions", required=True, type=_codes, metavar="CODES")
    until.add_argument("--received", required=True, type=_day, metavar="DATE")
    until.add_argument("--extended", action="store_true", help="with the extension the law gives")
    until.add_argument(
        "--pause",
        action="append",
        default=[],
        type=_pause,
        metavar="FROM/UNTIL",
        help="the clock stood still, where the law lets it",
    )
    until.set_defaults(run=_due)
    return parser


def _decide(asked: argparse.Namespace) -> dict[str, Any]:
    return decide_answer(_read_facts(asked.facts), load_rulebook())


def _bounds(asked: argparse.Namespace) -> dict[str, Any]:
    today = datetime.now(tz=UTC).date()
    answer = bounds_answer(asked.jurisdictions, asked.at or today, load_rulebook())
    for gap in answer.overdue:
        sys.stderr.write(f"{gap.code} should have been reviewed by {gap.since}: it denies.\n")
    codes = answer.law.bounds.codes if answer.law.bounds else frozenset()
    for code in sorted(asked.jurisdictions - codes):
        sys.stderr.write(f"{code} is not in force on {asked.at or today}: it sets nothing yet.\n")
    return answer.table


def _due(asked: argparse.Namespace) -> dict[str, Any]:
    right, rules = Right(asked.right), load_rulebook()
    options = {"extended": asked.extended, "pauses": asked.pause}
    answer = due_answer(asked.right, asked.jurisdictions, asked.received, rules, **options)
    idle = idle_pauses(right, asked.jurisdictions, asked.received, rules, **options)
    for (start, end), why in idle.items():
        sys.stderr.write(f"The pause {start}/{end} moves nothing: {why}.\n")
    return answer


def _codes(text: str) -> frozenset[str]:
    return frozenset(code.strip() for code in text.split(",") if code.strip())


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day such as 2026-12-10")
    if day.year not in YEARS:
        raise argparse.ArgumentTypeError(f"'{text}' is too long ago, or too far away")
    return day


def _pause(text: str) -> Pause:
    start, _, end = text.partition("/")
    pause = _day(start), _day(end)
    if pause[0] > pause[1]:
        raise argparse.ArgumentTypeError(f"'{text}' ends before it begins")
    return pause


def _read_facts(name: str) -> Any:
    try:
        with nullcontext(sys.stdin) if name == "-" else Path(name).open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)  # one more than may be, so that it can be refused
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandError(f"The facts in '{name}' cannot be read: {problem}.") from None
    return read_facts(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
