"""`rotate_keys`: publish the next key that policies are signed with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.ledger import Actor
from portal.policykeys.rotate import KeyWaits, rotate_key


class Command(BaseCommand):
    """Never by hand: published two leases ahead, dropped two leases after, nothing restarted."""

    help = "Publish the next key that policies are signed with; everything else follows by itself."

    def handle(self, **_said: Any) -> None:
        """Do it and say from when on the new key signs."""
        try:
            made = rotate_key(actor=Actor.system("command"))
        except KeyWaits as error:
            raise CommandError(
                "the last new key does not sign yet. Wait until it does; nothing was changed."
            ) from error
        self.stdout.write(f"published {made.kid}; it signs from {made.use_from:%Y-%m-%d %H:%M} UTC")
