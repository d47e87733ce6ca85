"""`ticket`: make, list and end the tickets with which a fleet's machines ask to be enrolled."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger import Actor
from consent.models import Cohort
from portal.fleet import groups
from portal.fleet.models import EnrolmentTicket
from portal.fleet.tickets import (
    LONGEST_DAYS,
    TicketOfMany,
    TicketUnbound,
    make_ticket,
    revoke_ticket,
)

SYSTEM = Actor.system("command")


BOUNDS = ("serial", "site", "cohort", "places", "days")


class Command(BaseCommand):
    """What the page of tickets does, for whoever deploys by script."""

    help = "Make, list and end the tickets with which a fleet's machines ask to be enrolled."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to do: one of --make, --end; without either the tickets are listed."""
        parser.add_argument("--make", metavar="NAME", help="make a ticket of this name")
        parser.add_argument("--serial", default="", help="for the machine with this serial number")
        parser.add_argument("--site", default="", help="for machines of people of this site")
        parser.add_argument(
            "--cohort", default="", help="for people of this cohort; --cohorts lists them"
        )
        parser.add_argument("--cohorts", action="store_true", help="list the cohorts to name")
        parser.add_argument("--places", type=int, default=1, help="for how many machines (1)")
        parser.add_argument("--days", type=int, default=14, help="for how many days (14)")
        parser.add_argument("--end", metavar="UUID", type=UUID, help="end a ticket")

    def handle(self, *, make: str | None, end: UUID | None, cohorts: bool, **said: Any) -> None:
        """Do it; a new ticket's secret is the only thing on standard output, for scripts."""
        if make:
            self._make(make, **{name: said[name] for name in BOUNDS})
        elif cohorts:
            for cohort in groups.offered():
                self.stdout.write(f"{cohort}  {groups.words(cohort)}")
        elif end:
            self._end(end)
        else:
            for ticket in EnrolmentTicket.objects.select_related("cohort").order_by("pk"):
                self.stdout.write(self._line(ticket))

    def _make(
        self, label: str, *, serial: str, site: str, cohort: str, places: int, days: int
    ) -> None:
        if places < 1:
            raise CommandError("--places is one or more.")
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days is from 1 to {LONGEST_DAYS}.")
        group = _cohort(cohort) if cohort else None
        try:
            _ticket, secret = make_ticket(
                label=label,
                serial=serial,
                site=site,
                cohort=group,
                places=places,
                days=days,
                actor=SYSTEM,
            )
        except TicketUnbound as error:
            raise CommandError("name one of --serial, --site and --cohort.") from error
        except TicketOfMany as error:
            raise CommandError("a serial number is of one machine.") from error
        self.stdout.write(secret)
        self.stderr.write("This is shown once. Hand it to the machines as they are set up.")

    def _end(self, uuid: UUID) -> None:
        try:
            revoke_ticket(uuid=uuid, actor=SYSTEM)
        except EnrolmentTicket.DoesNotExist as unknown:
            raise CommandError(f"there is no ticket {uuid}.") from unknown
        self.stdout.write(f"ended {uuid}")

    def _line(self, ticket: EnrolmentTicket) -> str:
        state = "ended" if ticket.revoked_at else f"until {ticket.expires_at:%Y-%m-%d}"
        last = f", last used {ticket.last_used_at:%Y-%m-%d}" if ticket.last_used_at else ""
        bound = ticket.site or "one serial number"
        if ticket.cohort:
            bound = groups.words(ticket.cohort)
        return (
            f"{ticket.uuid} {ticket.label}: {bound}, {ticket.used}/{ticket.places}, {state}{last}"
        )


def _cohort(digits: str) -> Cohort:
    """Return the cohort whose digest begins with these digits."""
    found = [cohort for cohort in groups.offered() if cohort.digest.startswith(digits)]
    if len(found) != 1:
        raise CommandError(f"{digits} names no cohort, or several; --cohorts lists them.")
    return found[0]
