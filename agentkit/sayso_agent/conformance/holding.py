"""How the kit's portal holds polls (`Prefer: wait`), and how it may lose what it would say."""

import re
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from sayso_agent.conformance.deciding import Deciding
from sayso_agent.conformance.wire import LOST, Answer, Seen, problem

_LOOK: Final = 0.01
_WAIT: Final = re.compile(r"(?:^|,)\s*wait=(\d{1,4})\b")


@dataclass
class Holding(Deciding):
    """The part of a portal where who names the policy in force waits for the next change.

    It holds none until it `offer`s to. `waiting` are those that wait right now, `waited` all that
    ever did. The next `loses` answers that would tell of a change get lost.
    """

    holds: int = 0  # the longest wait in seconds
    loses: int = 0
    waiting: int = 0
    waited: int = 0
    _closes: threading.Event = field(default_factory=threading.Event)

    def offer(self, seconds: int) -> dict[str, str]:
        """Hold polls for so long from now on; return the header that says so."""
        self.holds = seconds
        return {"Policy-Poll": f"jitter=0.2, wait={seconds}"}

    def held(self, seen: Seen) -> Answer | None:
        """Hold a poll that asks for it; return what it hears, None where it may not wait.

        Told of a change is who waits when it comes. Who asks later finds the policy changed.
        """
        wished = _WAIT.search(seen.headers.get("prefer", ""))
        seconds = min(int(wished[1]), self.holds) if wished else 0
        if not seconds:
            return None
        if self._hold(seconds):
            return problem(409, "policy_changed")
        headers = {"ETag": f'"{self.version}"', "Preference-Applied": f"wait={seconds}"}
        return 304, {**headers, "Policy-Poll": f"jitter=0.2, wait={self.holds}"}, b""

    def lost(self, answer: Answer) -> Answer:
        """Return what is left of an answer to a poll."""
        if not self.loses or answer[0] == 304:
            return answer
        self.loses -= 1
        return 0, LOST, b""

    def let_go(self) -> None:
        """Hold nobody any longer: the portal closes."""
        self._closes.set()

    def _hold(self, seconds: int) -> bool:
        """Wait until the version is another; return whether that came in time."""
        version, end = self.version, time.monotonic() + seconds
        self.waiting, self.waited = self.waiting + 1, self.waited + 1
        try:
            while self.version == version and time.monotonic() < end:
                if self._closes.wait(_LOOK):
                    return False
            return self.version != version
        finally:
            self.waiting -= 1
