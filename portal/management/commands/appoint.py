"""`appoint`: open a login, give or take roles and council seats, record an employee."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.ledger import Actor
from consent import services
from consent.exceptions import ConsentError
from consent.models import CouncilSeat
from consent.rules import rulebook
from portal import appointments
from portal.demo.accounts import new_password
from portal.models import Role, User

LONGEST_UNIT = 80
SYSTEM = Actor.system("command")


class Command(BaseCommand):
    """The first way in on an empty installation, for whoever may run commands on its machine."""

    help = "Open a login, give or take roles and council seats, record an employee."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare who, as what, and where they work."""
        parser.add_argument("email", help="the address to sign in with")
        parser.add_argument("--name", help="the person's name, for a new login")
        parser.add_argument(
            "--role", action="append", default=[], choices=Role.values, help="give this role"
        )
        parser.add_argument(
            "--remove-role", action="append", default=[], choices=Role.values, help="take it away"
        )
        parser.add_argument(
            "--seat",
            action="append",
            default=[],
            metavar="UNIT",
            help="let them speak for this unit's works council, from today on",
        )
        parser.add_argument(
            "--end-seat", action="append", default=[], metavar="UNIT", help="end that seat now"
        )
        parser.add_argument(
            "--works-in", metavar="CODE", help="record an employee who works in this jurisdiction"
        )
        parser.add_argument("--unit", help="the employee's unit, for agreements and statistics")
        parser.add_argument("--language", default="en", help="the employee's language (en)")

    @transaction.atomic
    def handle(self, *, email: str, name: str | None, **said: Any) -> None:
        """Do all of it or nothing, and say the password of a new login once."""
        user = User.objects.filter(email__iexact=email).first()
        password = ""
        if user is None:
            password = new_password()
            user = self._open(email, name, password)
        for role in said["role"]:
            appointments.grant_role(user=user, role=Role(role), actor=SYSTEM)
        for role in said["remove_role"]:
            if not appointments.remove_role(user=user, role=Role(role), actor=SYSTEM):
                raise CommandError(f"{email} does not hold the role {role}. Nothing was changed.")
        for unit in said["seat"]:
            self._seat(user, unit)
        for unit in said["end_seat"]:
            self._unseat(user, unit)
        if said["works_in"]:
            self._employ(user, said["works_in"], said["unit"], said["language"])
        self.stdout.write(f"{user.email}: {', '.join(self._roles(user)) or 'no role'}")
        if password:
            self.stdout.write(f"The password, shown this once: {password}")

    def _open(self, email: str, name: str | None, password: str) -> User:
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email} is not an e-mail address. Nothing was changed.") from error
        if not name:
            raise CommandError(f"there is no login {email} yet: say --name, too, to open one.")
        try:
            return appointments.open_login(email=email, name=name, password=password)
        except IntegrityError as error:
            raise CommandError(
                f"{email} was given a login in the same moment. Nothing was changed; run it again."
            ) from error

    def _seat(self, user: User, unit: str) -> None:
        if not 0 < len(unit.strip()) <= LONGEST_UNIT:
            raise CommandError(f"A unit has a name of 1 to {LONGEST_UNIT} characters.")
        try:
            appointments.seat_member(user=user, unit=unit.strip(), actor=SYSTEM)
        except ConsentError as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}") from refusal

    def _unseat(self, user: User, unit: str) -> None:
        held = CouncilSeat.objects.filter(person=user.ref, unit=unit, ended_at__isnull=True)
        seat = held.first()
        if seat is None:
            raise CommandError(f"{user.email} holds no seat in {unit}. Nothing was changed.")
        try:
            appointments.unseat_member(seat=seat, actor=SYSTEM)
        except ConsentError as refusal:
            raise CommandError(f"{refusal.detail} {refusal.next_step}") from refusal

    def _employ(self, user: User, place: str, unit: str | None, language: str) -> None:
        if user.subject_id is not None:
            raise CommandError(f"{user.email} is an employee already. Nothing was changed.")
        if place not in rulebook().rows:
            known = ", ".join(sorted(rulebook().rows))
            raise CommandError(f"{place} is not a known jurisdiction. Known are: {known}.")
        facts = {"work_location": place} | ({"unit": unit} if unit else {})
        user.subject = services.record_subject(
            language=language,
            facts=facts,
            since=timezone.now().date(),
            source="command",
            actor=SYSTEM,
        )
        user.save(update_fields=["subject"])

    def _roles(self, user: User) -> list[str]:
        held = user.role_grants.filter(revoked_at__isnull=True).order_by("role")
        roles = [str(Role(role).label).lower() for role in held.values_list("role", flat=True)]
        seats = CouncilSeat.objects.filter(person=user.ref, ended_at__isnull=True)
        units = seats.order_by("unit").values_list("unit", flat=True)
        roles += [f"council of {unit}" for unit in units]
        return roles + (["employee"] if user.subject_id else [])
