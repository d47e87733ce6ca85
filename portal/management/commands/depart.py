"""`depart`: record that an employee leaves the organisation, or came back."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from audit.ledger import Actor
from consent import exceptions, services
from consent.models import Subject
from portal.models import User

SYSTEM = Actor.system("command")


class Command(BaseCommand):
    """For whoever may run commands on the machine, as when the personnel system says so."""

    help = "Record that an employee leaves the organisation, or came back."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare who, and from when on."""
        parser.add_argument("email", help="the address the employee signs in with")
        parser.add_argument(
            "--at", metavar="INSTANT", help="such as 2026-12-31T18:00+01:00; now, if not given"
        )
        parser.add_argument(
            "--back", action="store_true", help="the person came back, or stays after all"
        )

    def handle(self, *, email: str, at: str | None, back: bool, **_said: Any) -> None:
        """Record it, or refuse in one sentence and change nothing."""
        subject = _employee(email)
        if back:
            if at:
                raise CommandError("--back counts from now on: leave --at out.")
            self._back(email, subject)
            return
        left_at = _instant(at) if at else timezone.now()
        if at is None and subject.departed_at:
            left_at = subject.departed_at  # a repeat without a time repeats what stands
        try:
            departure = services.record_departure(
                subject=subject, left_at=left_at, source="command", actor=SYSTEM
            )
        except exceptions.ConsentError as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}") from refusal
        gone = departure.settled_at is not None
        when = f"{departure.left_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        what = "every yes is ended" if gone else "until then nothing changes"
        self.stdout.write(f"{email}: {'left' if gone else 'leaves'} {when}; {what}.")

    def _back(self, email: str, subject: Subject) -> None:
        if services.record_return(subject=subject, source="command", actor=SYSTEM) is None:
            raise CommandError(f"No departure of {email} is recorded. Nothing was changed.")
        self.stdout.write(f"{email}: of the organisation. What was ended stays ended.")


def _employee(email: str) -> Subject:
    user = User.objects.select_related("subject").filter(email__iexact=email).first()
    if user is None or user.subject is None:
        raise CommandError(f"{email} is not an employee here. Nothing was changed.")
    return user.subject


def _instant(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandError(
            f"{text} is not an instant with its offset from UTC, such as 2026-12-31T18:00+01:00."
        )
    return found
