"""What can be broken in how the reference agent ends its leases, and tells the time under one."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sayso_agent.jws
import sayso_agent.policy
from breaking import caught_by, put
from sayso_agent.agent import Agent
from sayso_agent.capture import Rules
from sayso_agent.lease import Instant, Lease
from sayso_agent.policy import Policy

_begin = Lease.begin


@caught_by("server_error", "arrived: a click after the lease")
def lease() -> None:
    put(Lease, begin=lambda policy, **more: replace(
        _begin(policy, **more), until=policy.lease_until + 1000))  # fmt: skip


@caught_by("aged", "is off by")
def undated() -> None:
    put(Lease, begin=lambda policy, *, asked, received, answered: _begin(
        policy, asked=asked, received=received))  # fmt: skip


@caught_by("dated", "from before the policy was issued")
def stamped_by_date_alone() -> None:
    _by_date_alone()


@caught_by("dated", "as of before it was issued")
def acknowledged_by_date_alone() -> None:
    _by_date_alone()


def _by_date_alone() -> None:
    put(Lease, begin=lambda policy, *, asked, received, answered: replace(
        _begin(policy, asked=asked, received=received, answered=answered),
        base=received + policy.issued_at - answered))  # fmt: skip


@caught_by("announced", "arrived: a click whose lease ended before its bytes left")
def wall_clock_only() -> None:
    put(Lease, seconds_left=lambda self, at: self.until - at.wall)


@caught_by("clock_back", "arrived: a click after the lease")
def wall_clock_in_stamps_too() -> None:
    wall_clock_only()
    put(Lease, stamp=lambda self, at: round(self.portal_time(at), 3))


@caught_by("clock_ahead", "arrived: a click after the lease")
def monotonic_clock_only() -> None:
    def seconds_left(self: Lease, at: Instant) -> float:
        return self.began + (self.until - self.issued_at) - at.monotonic

    put(Lease, seconds_left=seconds_left)


@caught_by("started_again", "arrived: a click after the lease, as nothing new came")
def kept_policy_renewed() -> None:
    begun = Agent.__init__

    def begin(self: Agent, *given: Any, **more: Any) -> None:
        begun(self, *given, **more)
        if kept := self.home.policy():
            payload = json.loads(sayso_agent.jws.b64url_decode(kept["token"].split(".")[1]))
            policy, now = Policy.parse(payload), self.clock.now()
            term = policy.lease_until - policy.issued_at
            anew = replace(policy, issued_at=int(now.wall), lease_until=int(now.wall) + term)
            lease = Lease.begin(anew, asked=now.monotonic, received=now.monotonic)
            self.capture.change(Rules(anew, lease), now)

    put(Agent, __init__=begin)


@caught_by("bad_lease_long", "arrived: what only that document allows")
def long_lease() -> None:
    put(sayso_agent.policy, LONGEST_LEASE=2**40)


@caught_by("slow", "arrived: a click after the lease")
def lease_while_it_asks() -> None:
    lease()


@caught_by("unchanged", "arrived: a click after the lease")
def renewed_by_nothing_new() -> None:
    _renews(lambda answer, _token: answer.token is None)


@caught_by("frozen", "arrived: a click after the lease")
def renewed_by_the_same_again() -> None:
    _renews(lambda answer, token: answer.token == token)


def _renews(by: Callable[[Any, str], bool]) -> None:
    """Let the lease begin anew by some answers."""
    obey = Agent.obey

    def careless(self: Agent, fetched: Any) -> None:
        token = self._token
        obey(self, fetched)
        if by(fetched.answer, token):
            _renewed(self)

    put(Agent, obey=careless)


def _renewed(agent: Agent) -> None:
    if (rules := agent.capture.rules) is not None:
        policy, now = rules.policy, agent.clock.now()
        term = policy.lease_until - policy.issued_at
        anew = replace(policy, issued_at=int(now.wall), lease_until=int(now.wall) + term)
        lease = Lease.begin(anew, asked=now.monotonic, received=now.monotonic)
        agent.capture.rules = Rules(anew, lease)


@caught_by("truncated", "arrived: a click after the lease")
def renewed_by_half_an_answer() -> None:
    failed = Agent.failed

    def careless(self: Agent, error: Any) -> None:
        failed(self, error)
        _renewed(self)

    put(Agent, failed=careless)


@caught_by("hours", "arrived: a click after working hours")
def schedule() -> None:
    put(Policy, in_hours=lambda *_: True)
