"""`key_manifest`: show the manifest that stands, ask for the next, load what the root signed."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger import Actor
from portal.models import AgentToken
from portal.policykeys import standing
from portal.policykeys.manifest import Manifest, ManifestRefused


class Command(BaseCommand):
    """The portal's half of what `sign_keys` does where the root key is."""

    help = "Show which keys the root vouches for; print a request for it, load what it signed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to do; without any of it the manifest that stands is shown."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--request", action="store_true", help="print what the root is to sign")
        what.add_argument("--load", action="store_true", help="take a manifest, on standard input")
        parser.add_argument(
            "--new-root",
            action="store_true",
            help="take it although another root signed it: machines enrolled before enrol anew",
        )

    def handle(self, *, request: bool, load: bool, new_root: bool, **_said: Any) -> None:
        """Do it; only the request itself is on standard output, to be piped to the root."""
        if request:
            self.stdout.write(json.dumps(standing.request().as_json(), indent=1))
        elif load:
            self._load(new_root=new_root)
        else:
            self._show(standing.ensure())

    def _load(self, *, new_root: bool) -> None:
        try:
            taken = standing.load_manifest(
                token=sys.stdin.read(), actor=Actor.system("command"), other_root=new_root
            )
        except ManifestRefused as error:
            hint = ""
            if error.code == "manifest_root_wrong":
                held = AgentToken.objects.filter(revoked_at=None).values("agent").distinct().count()
                hint = f" --new-root takes it all the same; {held} machines would enrol anew."
            raise CommandError(f"{error.code}: {error}. Nothing was changed.{hint}") from error
        self._show(taken)

    def _show(self, manifest: Manifest) -> None:
        where = "its private half is in this installation" if standing.is_root_here() else "offline"
        self.stdout.write(f"root     {manifest.root} ({where})")
        self.stdout.write(f"version  {manifest.version}, until {_day(manifest.expires_at)}")
        signer = manifest.signer(datetime.now(UTC).timestamp())
        for key in manifest.usable():
            ends = f" until {_day(key.not_after)}" if key.not_after else ""
            signs = ", signs now" if key == signer else ""
            self.stdout.write(f"key      {key.kid} from {_day(key.not_before)}{ends}{signs}")
        for kid in manifest.revoked:
            self.stdout.write(f"revoked  {kid}")


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
