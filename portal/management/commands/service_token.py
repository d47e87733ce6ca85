"""`service_token`: let another system of the organisation in, or shut it out."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger import Actor
from portal.models import ServiceToken
from portal.service_tokens import give_token, revoke_token

SYSTEM = Actor.system("command")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Command(BaseCommand):
    """For whoever may run commands on the machine."""

    help = "Give another system of the organisation a token for one kind of request, or take it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare which system, and what for."""
        parser.add_argument("name", help="the system, such as hr-system; it is the source it names")
        parser.add_argument(
            "--scope", choices=ServiceToken.Scope.values, default="facts", help="what it may do"
        )
        parser.add_argument("--revoke", action="store_true", help="take its token away")

    def handle(self, *, name: str, scope: str, revoke: bool, **_said: Any) -> None:
        """Give or take; the token is shown once."""
        if not NAME.fullmatch(name):
            raise CommandError(f"{name} is no name of a system: small letters, digits, hyphens.")
        if revoke:
            if revoke_token(name=name, actor=SYSTEM) is None:
                raise CommandError(f"{name} holds no token. Nothing was changed.")
            self.stdout.write(f"The token of {name} opens nothing any more.")
            return
        token = give_token(name=name, scope=ServiceToken.Scope(scope), actor=SYSTEM)
        self.stdout.write(f"The token of {name}, shown this once: {token}")
