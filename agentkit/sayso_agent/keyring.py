"""The key manifest that this agent believes: kept, looked at anew, never an older one."""

import math
from contextlib import suppress
from typing import Final

from sayso_agent.errors import PolicyRefusedError, UnexpectedAnswerError, UnreachableError
from sayso_agent.home import Home, KeptManifest
from sayso_agent.jws import key_id
from sayso_agent.lease import Clock
from sayso_agent.manifest import Manifest, Pinned
from sayso_agent.portal import Portal
from sayso_agent.trust import TYPE

MANIFEST_SECONDS: Final = 3600.0


class Keyring:
    """Which keys may sign our policies, as far as we know."""

    def __init__(self, home: Home, portal: Portal, clock: Clock) -> None:
        self._home = home
        self._portal = portal
        self._clock = clock
        self._manifest: Manifest | None = None
        self._looked_at = -math.inf

    def manifest_for(self, token: str) -> Manifest:
        """Return the manifest to hold a policy against; PolicyRefusedError where there is none.

        It is fetched anew where it says nothing of the policy's key, and once an hour: so long a
        revocation may go unheard of, at most. What is fetched then and refused changes nothing,
        for what stands goes on until it ends.
        """
        now, kid = self._clock.now(), key_id(token, typ=TYPE)
        known = self._manifest or self._kept()
        if known is None or not known.knows(kid, now.wall):
            return self._fetch()
        if now.monotonic - self._looked_at >= MANIFEST_SECONDS:
            with suppress(UnreachableError, UnexpectedAnswerError, PolicyRefusedError):
                return self._fetch()
        return known

    def look_soon(self) -> None:
        """Look anew at the next policy: there may be news in the manifest."""
        self._looked_at = -math.inf

    def _fetch(self) -> Manifest:
        try:
            signed = self._portal.manifest()
        except UnreachableError as error:
            raise PolicyRefusedError("policy_key_unknown", "its key is out of reach") from error
        taken = self._opened(signed, self._home.manifest())
        # Kept before it is believed: after a crash here an older one is refused all the same.
        self._home.keep_manifest(KeptManifest(signed, taken.version, taken.epoch))
        self._manifest, self._looked_at = taken, self._clock.now().monotonic
        return taken

    def _kept(self) -> Manifest | None:
        """Return the manifest kept from an earlier run, its signature checked again."""
        kept = self._home.manifest()
        if not kept.token:
            return None
        try:
            return self._opened(kept.token, kept)
        except PolicyRefusedError:
            return None

    def _opened(self, signed: str, kept: KeptManifest) -> Manifest:
        who = self._home.identity()
        pinned = Pinned(who.root, who.issuer, kept.version, kept.epoch)
        return Manifest.accept(signed, pinned, wall=self._clock.now().wall)
