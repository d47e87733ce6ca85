"""What the person of the kit's portal decides, and the policy that stands by it."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

from sayso_agent.conformance.sample import policy_document


@dataclass
class Deciding:
    """The part of a portal where its one person decides, in the browser or on a machine."""

    policy: dict[str, Any] = field(default_factory=policy_document)
    version: int = 1000
    now: Any = time.time
    pauses: int = 0  # begun, not told
    told_pauses: dict[str, int] = field(default_factory=dict)  # name -> what it was answered

    def withdraw(self, reason: str = "consent_withdrawn") -> None:
        """What a click on the page does."""
        self.version += 1
        denial = {"purpose": "train-agents", "reasons": [reason]}
        self.policy = {**self.policy, "allow": [], "deny": [denial]}

    def tell_pause(self, name: str) -> int:
        """What a machine does: told again under its name, a pause changes nothing.

        Return the version that a resuming policy must exceed.
        """
        if name not in self.told_pauses:
            self.told_pauses[name] = self.version
            if not self.policy["paused"]:
                self.pauses += 1
                self.version += 1
                since = math.ceil(self.now()) - 1
                self.policy = {**self.policy, "paused": True, "paused_since": since}
        return self.told_pauses[name]

    def resume(self) -> None:
        """What a click on Resume does."""
        self.version += 1
        self.policy = {**self.policy, "paused": False}
        self.policy.pop("paused_since", None)
