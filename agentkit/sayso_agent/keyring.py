"""The key manifest that this agent believes: kept, looked at anew, never an older one.

Whoever polls or sends looks it up, as that may take time, each over a connection of their own;
whoever applies a policy takes what is known.
"""

import math
from contextlib import suppress
from typing import Final

from sayso_agent.errors import AgentError, PolicyRefusedError, UnreachableError
from sayso_agent.home import Home
from sayso_agent.jws import key_id
from sayso_agent.lease import Clock
from sayso_agent.manifest import Manifest, Pinned
from sayso_agent.portal import Portal
from sayso_agent.seen import KeptManifest
from sayso_agent.trust import TYPE

MANIFEST_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 300.0
"""After how long to look again where a look has failed, and nothing waits for it."""


class Keyring:
    """Which keys may sign our policies, as far as we know."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self._manifest: Manifest | None = None
        self._next_look = -math.inf

    def known(self) -> Manifest:
        """Return the manifest to hold a policy against, without asking anybody.

        PolicyRefusedError where there is none.
        """
        if (known := self._manifest or self._kept()) is None:
            raise PolicyRefusedError("policy_key_unknown", "its key is out of reach")
        return known

    def must_look_for(self, token: str) -> bool:
        """Return whether a policy cannot be judged before the manifest was looked at."""
        return self._lacks(token) or self._next_look == -math.inf

    def provide(self, portal: Portal, token: str) -> None:
        """Look the manifest up where it says nothing of a policy's key, or where it is time to.

        PolicyRefusedError or UnexpectedAnswerError where there is none that could.
        """
        if self._lacks(token):
            self._fetch(portal)
        else:
            self.look(portal)

    def is_time(self) -> bool:
        """Return whether to look, though no policy waits for it."""
        return -math.inf < self._next_look <= self._clock.now().monotonic

    def look(self, portal: Portal) -> None:
        """Look at it anew, once an hour: so long a revocation may go unheard of, at most.

        What is fetched then and refused changes nothing, for what stands goes on until it ends.
        """
        if (now := self._clock.now().monotonic) >= self._next_look:
            self._next_look = now + AGAIN_SECONDS
            with suppress(AgentError):
                self._fetch(portal)

    def look_soon(self) -> None:
        """Look anew before the next policy is judged: there may be news in the manifest."""
        self._next_look = -math.inf

    def _lacks(self, token: str) -> bool:
        known = self._manifest or self._kept()
        return known is None or not known.knows(key_id(token, typ=TYPE), self._clock.now().wall)

    def _fetch(self, portal: Portal) -> None:
        try:
            signed = portal.manifest()
        except UnreachableError as error:
            raise PolicyRefusedError("policy_key_unknown", "its key is out of reach") from error
        taken = self._opened(signed, self._home.manifest())
        # Kept before it is believed: after a crash here an older one is refused all the same.
        self._home.keep_manifest(KeptManifest(signed, taken.version, taken.epoch))
        self._manifest = taken
        self._next_look = self._clock.now().monotonic + MANIFEST_SECONDS

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
