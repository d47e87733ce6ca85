"""`simulate_agents`: thousands of agents poll the running portal while people withdraw."""

import argparse
import asyncio
import json
import random
import resource
import signal
import sys
from typing import Any, Final

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from portal.simulation import crowd
from portal.simulation.clicks import find_commits
from portal.simulation.crowd import AnotherRuns, NotATrial
from portal.simulation.fleet import Fleet, Plan, Unsuitable
from portal.simulation.http import Address
from portal.simulation.pattern import NobodyToCopy
from portal.simulation.progress import Progress
from portal.simulation.summary import Summary, summarise, table

MOST_AGENTS: Final = 100_000
SPARE_FILES: Final = 100
UNITS: Final = {"s": 1, "m": 60, "h": 3600}
LONGEST: Final = 24 * 3600


class Command(BaseCommand):
    """Shows how soon recording stops, with agents that are imaginary and a portal that is not."""

    help = "Let imaginary agents poll the running demo portal, and say how soon they stop."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how many, how long, and how often somebody withdraws."""
        parser.add_argument("--agents", type=_count, default=1000, help="how many agents (1000)")
        parser.add_argument(
            "--for",
            type=_seconds,
            default=60.0,
            dest="seconds",
            metavar="TIME",
            help="how long, once all are connected: 60s, 5m, 1h (60s)",
        )
        parser.add_argument(
            "--withdraw",
            type=_percent,
            default=0.001,
            metavar="PERCENT",
            help="how many percent of the people withdraw each second (0.1)",
        )
        parser.add_argument("--portal", metavar="URL", help="where the portal runs (as configured)")
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, *, agents: int, seconds: float, withdraw: float, **said: Any) -> None:
        """Gather people, run, print the summary; status 1 where something was not as promised."""
        plan = Plan(_address(said["portal"]), seconds, withdraw)
        _require_files(agents)
        progress = Progress(sys.stderr, seconds)
        try:
            with crowd.alone():
                found = _simulate(plan, agents, progress)
        except (NotATrial, NobodyToCopy, AnotherRuns, Unsuitable) as refusal:
            progress.close()
            raise CommandError(_sentence(refusal)) from refusal
        except Error as error:
            progress.close()
            raise CommandError("the database stopped answering") from error
        except KeyboardInterrupt:
            progress.close()
            self.stderr.write("interrupted before anything was measured")
            sys.exit(130)
        self._tell(found, as_json=said["json"])
        if found.interrupted:
            sys.exit(130)
        if not found.sound:
            sys.exit(1)

    def _tell(self, found: Summary, *, as_json: bool) -> None:
        text = json.dumps(found.as_json(), indent=2) if as_json else "\n".join(table(found))
        self.stdout.write(text)


def _simulate(plan: Plan, agents: int, progress: Progress) -> Summary:
    members = crowd.gather(agents, lambda done: progress.gathered(done, agents))
    clickers = random.Random(plan.seed).sample(members, plan.clicks_of(len(members)))  # noqa: S311
    sessions = crowd.sign_in(member.login for member in clickers)
    fleet = Fleet(plan, members, sessions)
    try:
        interrupted = uvloop.run(_run(fleet, progress))
        exact = find_commits(fleet.course.clicks)
    finally:
        progress.close()
        crowd.sign_out(sessions.values())
    return summarise(fleet, exact=exact, interrupted=interrupted)


async def _run(fleet: Fleet, progress: Progress) -> bool:
    """Run the fleet; return whether somebody pressed Ctrl-C meanwhile."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await fleet.run(progress.course, stop)
    return stop.is_set()


def _require_files(agents: int) -> None:
    """Raise CommandError where the system lets us open too few connections; take what it allows."""
    needed = agents + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CommandError(
            f"{agents} agents need {needed} open files, and this system allows {hard}."
            f" Raise the limit (`ulimit -n {needed}`, for the portal's process as well),"
            f" or ask for at most {max(hard - SPARE_FILES, 0)} agents."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _address(portal: str | None) -> str:
    url = (portal or settings.PUBLIC_URL).rstrip("/")
    try:
        Address.of(url)
    except ValueError:
        raise CommandError(f"'{url}' is no address such as http://127.0.0.1:8000") from None
    return url


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MOST_AGENTS):
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_AGENTS}")
    return int(text)


def _seconds(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= LONGEST:
        raise argparse.ArgumentTypeError("a time such as 60s, 5m or 1h, at least a second")
    return seconds


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError("a percentage from 0 to 100")
    return value / 100


def _sentence(refusal: Exception) -> str:
    text = str(refusal).rstrip(".")
    return text[:1].lower() + text[1:]
