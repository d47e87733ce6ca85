"""When to ask for another token or key of our own, and when to go over to what came."""

import time
from dataclasses import dataclass, field

from sayso_agent.agent import Agent
from sayso_agent.credentials import Gained
from sayso_agent.errors import AgentError, StandingError
from sayso_agent.portal import TOKEN_ENDED
from sayso_agent.transport import Backoff


@dataclass(slots=True)
class Renewal:
    """What is known of the token that an agent polls with, and of the one that follows it."""

    agent: Agent
    ended: bool = False
    """The token has ended: nothing is heard with it but where another is asked for."""
    gained: list[Gained | None] = field(default_factory=list)
    """At most one, to go over to as soon as nothing of ours is asking."""
    _next: float = 0.0
    _backoff: Backoff = field(default_factory=lambda: Backoff(first=5.0, longest=3600.0))

    def wants_key(self) -> bool:
        """Return whether our key is old; a new token comes along with a new one."""
        who = self.agent.identity
        return bool(who.endpoints.key) and who.has_old_key(self.agent.clock.now().wall)

    def is_due(self) -> bool:
        """Return whether to ask now for a new token, as ours or its key is old, or ours ended."""
        who, wall = self.agent.identity, self.agent.clock.now().wall
        wanted = self.ended or self.wants_key() or who.is_stale(wall)
        later = time.monotonic() < self._next or bool(self.gained)
        return wanted and not later and bool(who.endpoints.token)

    def outlives(self, error: StandingError) -> bool:
        """Return whether our key can bring another token where the portal turned us away."""
        if error.code != TOKEN_ENDED or not self.agent.identity.endpoints.token:
            return False
        self.ended = True
        return True

    def wait_for_it(self) -> None:
        """Ask and go over, if it is due; StandingError where the portal turns us away for good."""
        if not self.is_due():
            return
        try:
            if self.wants_key():
                self.agent.change_key()
            else:
                self.agent.change_token()
        except StandingError:
            raise
        except AgentError as error:
            self.failed(error)
        else:
            self._done()

    def go_over(self) -> str:
        """Go over to what came, as nothing of ours is asking; return the token, "" if it failed."""
        try:
            token = self.agent.go_over(self.gained.pop()).token
        except AgentError as error:
            self.failed(error)
            return ""
        self._done()
        return token

    def failed(self, error: AgentError) -> None:
        """Try again later, and not before the portal asks for it."""
        wait = self._backoff.failed(retry_after=getattr(error, "retry_after", None))
        self._next = time.monotonic() + wait

    def _done(self) -> None:
        self._backoff.succeeded()
        self.ended = False
