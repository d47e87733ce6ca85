"""Who an agent is to its portal. Pure."""

from dataclasses import dataclass

from sayso_agent.portal import Endpoints


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is to which portal."""

    portal: str
    issuer: str
    agent: str
    token: str
    name: str
    endpoints: Endpoints
    root: str  # thumbprint of the one key that may vouch for those that sign policies
    token_at: float = 0.0  # wall time at which the token was made
    rotate_after: int = 0  # seconds after which to ask for another; 0 for never
    key_at: float = 0.0  # wall time at which our own key was made
    change_key_after: int = 0  # seconds after which to make another; 0 for never
    account: str = ""  # of this machine, as which we enrolled: our person's

    def is_stale(self, wall: float) -> bool:
        """Return whether it is time for another token; also after the clock was set back."""
        age = wall - self.token_at
        return self.rotate_after > 0 and not 0 <= age < self.rotate_after

    def has_old_key(self, wall: float) -> bool:
        """Return whether it is time for another key of our own."""
        age = wall - self.key_at
        return self.change_key_after > 0 and not 0 <= age < self.change_key_after

    def sent(self) -> tuple[str, ...]:
        """Return what of it goes into the heads of requests."""
        ends = self.endpoints
        told = (ends.policy, ends.ack, ends.batches, ends.manifest, ends.token, ends.key)
        return (self.token, *told)
