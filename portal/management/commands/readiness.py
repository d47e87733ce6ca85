"""`readiness`: who may be asked on a day, and who waits for what; groups, never one person."""

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent.policy.factsfile import YEARS
from consent.rules import rulebook
from consent.selectors.readiness import readiness
from portal.pages.readiness import instant_of
from portal.readiness import Row, as_json, grouped, shown

UNREADABLE = 2


class Command(BaseCommand):
    """The same figures as the page, with groups too small to speak of hidden."""

    help = "Say who may be asked, and who waits for what."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the day and the form."""
        parser.add_argument("--at", metavar="DATE", help="today, if not given")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, at: str | None, **said: Any) -> None:
        """Print a sentence a purpose, and a line a group."""
        found = readiness(instant_of(_day(at)))
        pack = rulebook()
        purposes = [shown(each, pack) for each in found.purposes]
        if said["json"]:
            table = {"at": found.at.isoformat(), "purposes": as_json(purposes)}
            self.stdout.write(json.dumps(table, indent=2, ensure_ascii=False))
            return
        for purpose in purposes:
            self.stdout.write(f"{purpose.title}: {purpose.sentence}")
            for row in purpose.rows:
                self.stdout.write(f"  {_line(row)}")
        if not purposes:
            self.stdout.write("No purpose is published, so nobody can be asked.")


def _line(row: Row) -> str:
    people = "too few to show" if row.people is None else grouped(row.people)
    if row.may_be_asked:
        return f"{row.places}: {people}, may be asked"
    until = f" (from {row.asked_from.isoformat()})" if row.asked_from else ""
    return f"{row.places}: {people}, waits for {', '.join(row.waits)}{until}"


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise CommandError(f"'{text}' is no day such as 2026-12-10", returncode=UNREADABLE)
    return day
