"""`rotate_keys`: publish the next key that policies are signed with, or revoke one."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger import Actor
from portal.policykeys import standing
from portal.policykeys.manifest import ManifestRefused
from portal.policykeys.models import PolicyKey
from portal.policykeys.rotate import KeyUnknown, KeyWaits, revoke_key, rotate_key

ACTOR = Actor.system("command")


class Command(BaseCommand):
    """Never by hand: published two leases ahead, dropped two leases after, nothing restarted."""

    help = "Publish the next key that policies are signed with; everything else follows by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how long the manifest is carried, and which key is to be revoked."""
        parser.add_argument(
            "--carried-days",
            type=int,
            help="how long the manifest takes to the root and back (0 if the root is here, else 7)",
        )
        parser.add_argument(
            "--revoke", metavar="KID", help="let no agent believe this key any more"
        )

    def handle(self, *, carried_days: int | None, revoke: str | None, **_said: Any) -> None:
        """Do it, and say from when on the new key signs and what is left to do."""
        try:
            made = self._revoke(revoke) if revoke else _rotate(carried_days)
        except ManifestRefused as error:
            raise CommandError(f"the next manifest would not do: {error}.") from error
        if made:
            self.stdout.write(
                f"published {made.kid}; it signs from {made.use_from:%Y-%m-%d %H:%M} UTC"
            )
        manifest = standing.current()
        if manifest is None or (made and made.kid not in {key.kid for key in manifest.keys}):
            self.stdout.write(
                "The root's key is not here, so nothing counts yet. Carry what"
                " `manage.py key_manifest --request` prints to it, sign that with"
                " `manage.py sign_keys`, and load the manifest with `manage.py key_manifest"
                " --load`."
            )

    def _revoke(self, kid: str) -> PolicyKey | None:
        try:
            made = revoke_key(kid=kid, actor=ACTOR)
        except KeyUnknown as error:
            raise CommandError(f"there is no key {kid}; `key_manifest` lists them.") from error
        self.stdout.write(f"revoked {kid}")
        return made


def _rotate(carried_days: int | None) -> PolicyKey:
    carried = None if carried_days is None else timedelta(days=max(carried_days, 0))
    try:
        return rotate_key(actor=ACTOR, carried=carried)
    except KeyWaits as error:
        raise CommandError(
            "the last new key does not sign yet. Wait until it does; nothing was changed."
        ) from error
