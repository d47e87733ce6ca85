"""`ticket`: make, list and end the tickets with which a fleet's machines ask to be enrolled."""

import csv
import sys
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.ledger import Actor
from consent.models import Cohort
from portal.fleet import groups, overview
from portal.fleet.ending import end_ticket, end_tickets
from portal.fleet.models import EnrolmentTicket, TicketSet
from portal.fleet.sets import LONGEST_DAYS, MOST, Handed, TicketOfMany, TicketUnbound, make_tickets
from portal.pages.ticketform import serials_in

SYSTEM: Final = Actor.system("command")
BOUNDS: Final = ("serial", "serials", "site", "cohort", "count", "days", "as_table")


class Command(BaseCommand):
    """What the page of tickets does, for whoever deploys by script."""

    help = "Make, list and end the tickets with which a fleet's machines ask to be enrolled."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to do: one of --make, --end; without either the sets are listed."""
        parser.add_argument("--make", metavar="NAME", help="make a set of tickets of this name")
        parser.add_argument("--serial", help="for the machine with this serial number")
        parser.add_argument(
            "--serials", metavar="FILE", help="one for each serial number in a file; - reads input"
        )
        parser.add_argument("--site", default="", help="for machines of people of this site")
        parser.add_argument(
            "--cohort", default="", help="for people of this cohort; --cohorts lists them"
        )
        parser.add_argument("--cohorts", action="store_true", help="list the cohorts to name")
        parser.add_argument(
            "--count", type=int, help="how many for a site or cohort, one for each machine (1)"
        )
        parser.add_argument("--days", type=int, default=14, help="for how many days (14)")
        parser.add_argument(
            "--csv",
            action="store_true",
            dest="as_table",
            help="write number, serial number and ticket",
        )
        parser.add_argument("--end", metavar="UUID", type=UUID, help="end a set's open tickets")
        parser.add_argument("--number", type=int, help="with --end: only this ticket of the set")

    def handle(
        self,
        *,
        make: str | None,
        end: UUID | None,
        number: int | None,
        cohorts: bool,
        **said: Any,
    ) -> None:
        """Do it; new tickets are the only thing on standard output, one a line, for scripts."""
        if make:
            self._make(make, **{name: said[name] for name in BOUNDS})
        elif cohorts:
            for cohort in groups.offered():
                self.stdout.write(f"{cohort}  {groups.words(cohort)}")
        elif end:
            self._end(end, number)
        else:
            self._list()

    def _make(
        self,
        label: str,
        *,
        serial: str | None,
        serials: str | None,
        site: str,
        cohort: str,
        count: int | None,
        days: int,
        as_table: bool,
    ) -> None:
        if count is not None and not 1 <= count <= MOST:
            raise CommandError(f"--count is from 1 to {MOST}.")
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days is from 1 to {LONGEST_DAYS}.")
        try:
            made = make_tickets(
                label=label,
                serials=_serials(serial, serials),
                site=site,
                cohort=_cohort(cohort) if cohort else None,
                count=count,
                days=days,
                request=uuid4(),
                actor=SYSTEM,
            )
        except TicketUnbound as error:
            raise CommandError("name one of --serial, --serials, --site and --cohort.") from error
        except TicketOfMany as error:
            raise CommandError("each serial number gets one ticket: leave --count out.") from error
        if as_table:
            self._table(made.handed)
        else:
            for one in made.handed:
                self.stdout.write(one.ticket)
        self.stderr.write(f"Set {made.ticket_set.uuid}. This is shown once; one for each machine.")

    def _table(self, handed: list[Handed]) -> None:
        table = csv.writer(self.stdout, lineterminator="\n")
        table.writerow(["number", "serial", "ticket"])
        table.writerows(handed)

    def _end(self, uuid: UUID, number: int | None) -> None:
        try:
            if number is None:
                ended = end_tickets(uuid=uuid, actor=SYSTEM)
                self.stdout.write(f"ended {ended} of {uuid}")
            else:
                end_ticket(uuid=uuid, number=number, actor=SYSTEM)
                self.stdout.write(f"ended {number} of {uuid}")
        except (TicketSet.DoesNotExist, EnrolmentTicket.DoesNotExist) as unknown:
            raise CommandError(f"there is no such ticket: {uuid}.") from unknown

    def _list(self) -> None:
        for told in overview.told(TicketSet.objects.order_by("pk"), timezone.now()):
            counts = ", ".join(f"{count} {state}" for state, count in told.states.items())
            again = f", {told.shown_again} shown again" if told.shown_again else ""
            self.stdout.write(
                f"{told.ticket_set.uuid} {told.ticket_set.label}: {told.total} for {told.bound_to},"
                f" {counts}{again}, until {told.expires_at:%Y-%m-%d}"
            )
        for ticket in overview.earlier():
            state = "ended" if ticket.revoked_at else f"until {ticket.expires_at:%Y-%m-%d}"
            self.stdout.write(
                f"{ticket.uuid} {ticket.label}: {overview.bound_to(ticket)},"
                f" {ticket.used}/{ticket.places}, {state}, for several machines"
            )


def _serials(one: str | None, file: str | None) -> list[str]:
    """Return the serial numbers that were named, by themselves or in a file."""
    if one:
        return [one]
    if not file:
        return []
    try:
        if file == "-":
            return serials_in(sys.stdin.read())
        return serials_in(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read as text: {error}.") from error
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error


def _cohort(digits: str) -> Cohort:
    """Return the cohort whose digest begins with these digits."""
    found = [cohort for cohort in groups.offered() if cohort.digest.startswith(digits)]
    if len(found) != 1:
        raise CommandError(f"{digits} names no cohort, or several; --cohorts lists them.")
    return found[0]
