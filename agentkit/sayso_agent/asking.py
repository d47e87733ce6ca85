"""Asks for the policy, and for the keys it is signed with; a thread that does, beside the loop.

It has a connection of its own: a portal that is slow holds up no stop.
"""

import queue
import threading
import time
from dataclasses import dataclass

from sayso_agent.bell import Bell
from sayso_agent.errors import AgentError
from sayso_agent.identity import Identity
from sayso_agent.keyring import Keyring
from sayso_agent.lease import Clock, Instant
from sayso_agent.portal import PolicyAnswer, Portal
from sayso_agent.transport import Transport, parse_origin


@dataclass(frozen=True, slots=True)
class Fetched:
    """A poll's answer with the moments around it; the lease runs from before the question."""

    answer: PolicyAnswer
    asked: Instant
    received: Instant
    wait: float = 0.0  # how long the portal was asked to hold it


def portal_of(identity: Identity) -> Portal:
    """Return a connection of its own to the portal; one per thread."""
    transport = Transport(parse_origin(identity.portal))
    return Portal(transport, identity.token, identity.endpoints)


def fetch(portal: Portal, clock: Clock, *, etag: str, wait: float = 0.0) -> Fetched:
    """Ask for the policy once. Touches no state, so it may run in a thread of its own."""
    asked = clock.now()
    answer = portal.policy(etag=etag, wait=wait)
    return Fetched(answer, asked, clock.now(), wait)


class Poller:
    """One poll at a time. The loop asks, and takes what came from `answers`."""

    def __init__(self, identity: Identity, keyring: Keyring, clock: Clock, bell: Bell) -> None:
        self._portal = portal_of(identity)
        self._keyring = keyring
        self._clock = clock
        self._bell = bell
        self._questions: queue.Queue[tuple[str, float] | None] = queue.Queue(1)
        self._lacks_key_since: float | None = None
        self.answers: queue.Queue[Fetched | AgentError] = queue.Queue(1)
        self.busy = False
        self._thread = threading.Thread(target=self._work, name="poll", daemon=True)
        self._thread.start()

    def use(self, token: str) -> None:
        """Ask with this token from now on; only while no poll is under way."""
        self._portal.token = token

    def ask(self, etag: str, wait: float) -> None:
        """Start a poll; its answer comes into `answers`."""
        self.busy = True
        self._questions.put((etag, wait))

    def lacks_key_for(self) -> float:
        """Return for how many seconds a policy has been here that cannot be judged yet."""
        since = self._lacks_key_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """End the thread and break off the question it may be in."""
        self._portal.transport.end()
        self._questions.put(None)
        self._thread.join(timeout=2)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            etag, wait = question
            try:
                self.answers.put(self._asked(etag, wait))
            except AgentError as error:
                self.answers.put(error)
            self._bell.ring()
        self._portal.transport.close()

    def _asked(self, etag: str, wait: float) -> Fetched:
        fetched = fetch(self._portal, self._clock, etag=etag, wait=wait)
        if (token := fetched.answer.token) is not None and self._keyring.must_look_for(token):
            self._lacks_key_since = time.monotonic()
            try:
                self._keyring.provide(self._portal, token)
            finally:
                self._lacks_key_since = None
        return fetched
