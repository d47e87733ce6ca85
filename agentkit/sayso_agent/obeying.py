"""What an agent does under the rules it was given: captures what they allow, and says so.

Nothing here asks the portal. Whatever cannot be verified ends capture.
"""

from sayso_agent.capture import Capture, Rules
from sayso_agent.errors import StorageError
from sayso_agent.event import Event, Skipped
from sayso_agent.fields import SHAPES
from sayso_agent.following import Following
from sayso_agent.home import Home
from sayso_agent.lease import Clock, Instant
from sayso_agent.policy import Policy


class Obeying:
    """The rules in force, and what is captured under them."""

    def __init__(self, home: Home, clock: Clock, *, own_account: bool) -> None:
        self.home = home
        self.clock = clock
        self.capture = Capture(home.spool, home.halted, own_account=own_account)
        self.following = Following(home, self.capture)
        self.ended = False  # nothing is captured any more
        self.denied = "no_policy"  # why nothing is captured, where no policy says it
        self._before: list[tuple[str, str, str]] = []  # what was allowed, when anything last was

    @property
    def rules(self) -> Rules | None:
        """Return the policy in force; None when there is none or its lease has ended."""
        rules = self.capture.rules
        if rules is not None and not rules.lease.in_force(self.clock.now()):
            self.deny("lease_ended")
            return None
        return rules

    @property
    def policy(self) -> Policy | None:
        """Return the policy in force, None when there is none."""
        rules = self.rules
        return rules.policy if rules else None

    def deny(self, reason: str) -> None:
        """Allow nothing from now on."""
        self.capture.change(None, self.clock.now())
        self.home.spool.close()
        self.denied = reason

    def in_force(self) -> bool:
        """Return whether a policy is in force. It changes nothing, so that any thread may ask."""
        rules = self.capture.rules
        return rules is not None and rules.lease.in_force(self.clock.now())

    def is_halted(self) -> bool:
        """Return whether the person has paused, here or elsewhere, or our key is lost.

        Any thread may ask.
        """
        rules = self.capture.rules
        return bool(self.home.halted()) or (rules is not None and rules.policy.paused)

    def may_send(self) -> bool:
        """Nothing leaves without a policy in force, while the person thinks it over, without a
        key to say who we are, or before what they had forgotten is gone."""
        if self.rules is None or self.is_halted():
            return False
        return not self.following.is_owed()

    def offer(self, item: Event | Skipped, *, happened: Instant | None = None) -> None:
        """Take one item from a recorder: keep what is allowed now, count the rest."""
        now = self.clock.now()
        self.capture.offer(item, happened or now, now)

    def settle(self) -> None:
        """The input has ended: write what waits in memory to the spool."""
        self.capture.settle(self.clock.now())
        self.flush()

    def flush(self) -> None:
        """Write what waits to the spool; where that cannot be, nothing is captured any more."""
        try:
            self.capture.flush()
        except StorageError as error:
            self.deny(error.code)

    def standing(self) -> tuple[object, ...]:
        """Return all that decides what is captured now; equal answers mean that nothing changed."""
        rules = self.rules
        hours = [] if rules is None else [self._in_hours(h.purpose) for h in rules.policy.schedule]
        return rules, self.denied, self.ended, self.home.halted(), hours

    def recordable(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return (purpose, app, signals) of all that is captured now. Empty means nothing is."""
        return [entry for entry in self._able() if self._in_hours(entry[0])]

    def _able(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return what could be captured now, were it within working hours."""
        policy = self.policy
        if policy is None or self.ended or self.home.halted():
            return []
        able = [
            (purpose, app, tuple(signal for signal in signals if signal in SHAPES))
            for purpose, app, signals in policy.permitted()
        ]
        return [entry for entry in able if entry[2]]

    def _in_hours(self, purpose: str) -> bool:
        """Return whether the working hours of a purpose are now."""
        rules = self.rules
        if rules is None:
            return False
        return rules.policy.in_hours(purpose, rules.lease.portal_time(self.clock.now()))

    def until(self) -> float:
        """Return when what is captured now ends by itself, if nothing else happens; 0 for now."""
        rules = self.rules
        if rules is None:
            return 0.0
        ends = [hours.until for hours in rules.policy.schedule if self._in_hours(hours.purpose)]
        return float(min([rules.lease.until, *ends]))

    def why_not(self) -> str:
        """Return the reason why nothing is captured, "" while something is."""
        if self.recordable():
            return ""
        if self.ended:
            return "agent_stopped"
        if reason := self.home.halted():
            return reason
        if self._able():
            return "outside_work_hours"
        policy = self.policy
        if policy is None:
            return self.denied or "no_policy"
        return "cannot_redact" if policy.permits_anything() else policy.main_reason(self._before)
