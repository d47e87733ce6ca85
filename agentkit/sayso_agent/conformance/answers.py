"""What the kit plays about answers: documents and statuses that an agent must not go on after."""

import time
from collections.abc import Callable
from typing import Final

from sayso_agent.conformance.documents import BAD, Made
from sayso_agent.conformance.leases import SHORT
from sayso_agent.conformance.portal import FakePortal, allow, problem
from sayso_agent.conformance.stage import Stage

POLICY: Final = "/api/v1/policy"
ALLOWED: Final = [allow("tracker", "mouse_click", "scroll")]
HELD: Final = 3600


def _bad(made: Made) -> Callable[[Stage], None]:
    """Return the play of a document that would allow, while nothing is allowed."""

    def play(stage: Stage) -> None:
        stage.begin(allow=[])
        portal = stage.portal
        portal.version += 1
        portal.policy = {**portal.policy, "allow": ALLOWED}
        portal.document = made
        stage.asked()
        stage.event("what only that document allows", allowed=False)
        time.sleep(0.3)
        portal.document = None
        stage.decree()
        stage.event("a click under the next proper policy", allowed=True)

    return play


def _old_version(stage: Stage, *, restart: bool = False) -> None:
    """Withdraw, then serve the older policy again, freshly signed."""
    portal = stage.portal
    stage.begin(allow=ALLOWED)
    newer = portal.version + 5
    portal.version = newer - 1
    stage.decree(allow=[])
    portal.version = newer - 3
    portal.policy = {**portal.policy, "allow": ALLOWED}
    if restart:
        stage.restart()
    stage.asked()
    stage.event("what only the older policy allows", allowed=False)
    time.sleep(0.3)
    portal.version = newer
    stage.decree()
    stage.event("a click under the next proper policy", allowed=True)


def _restarted(stage: Stage) -> None:
    _old_version(stage, restart=True)


def _standing(status: int, *, purges: bool) -> Callable[[Stage], None]:
    """Return the play of a portal that no longer knows, or no longer serves, the agent."""

    def play(stage: Stage) -> None:
        stage.begin(allow=ALLOWED, embargo_seconds=HELD)
        held = False if purges else None
        stage.event("what was waiting to be handed in", allowed=held)
        time.sleep(0.5)
        stage.portal.always[POLICY] = problem(status, "gone")
        stage.asked()
        stage.event("what happened after that answer", allowed=False)
        time.sleep(0.3)
        del stage.portal.always[POLICY]
        stage.portal.version += 1
        stage.portal.policy = {**stage.portal.policy, "embargo_seconds": 0}
        if not stage.program.running():  # it may end itself; what it kept would leave now
            stage.restart()
        stage.asked()

    return play


def _changed(stage: Stage) -> None:
    """Say that something changed, as to an agent that waits, and no more for a while."""
    stage.begin(allow=ALLOWED)
    stage.event("a click before", allowed=True)
    stage.portal.always[POLICY] = problem(409, "policy_changed")
    stage.asked()
    stage.event("a click between the change and the policy", allowed=False)
    time.sleep(0.5)
    del stage.portal.always[POLICY]
    stage.decree()
    stage.event("a click under the next policy", allowed=True)


def _redirected(stage: Stage) -> None:
    """Send the agent to another host that has the same key and would allow for an hour."""
    portal = stage.portal
    portal.lease = SHORT
    stage.begin(allow=ALLOWED)
    elsewhere = FakePortal(key=portal.key, agent=portal.agent, version=portal.version + 1)
    elsewhere.issuer, elsewhere.policy = portal.url, portal.policy
    with elsewhere:
        portal.always[POLICY] = (302, {"Location": f"{elsewhere.url}{POLICY}"}, b"")
        time.sleep(SHORT + 0.5)
        stage.event("a click after the lease", allowed=False)
        time.sleep(0.5)
        if any("authorization" in seen.headers for seen in elsewhere.requests):
            stage.faults.append("arrived: the agent's token, at another host")


ANSWERS: Final = (
    ("changed", "does capture stop until the policy is fetched, once told of a change?", _changed),
    ("old_version", "is an older version refused?", _old_version),
    ("restarted", "is an older version refused after a restart?", _restarted),
    ("status_401", "does capture stop when the token is unknown?", _standing(401, purges=False)),
    ("status_403", "does capture stop, and what waits go, when blocked?",
     _standing(403, purges=True)),
    ("status_410", "does capture stop, and what waits go, when erased?",
     _standing(410, purges=True)),
    ("redirect", "is a redirect to another host not followed?", _redirected),
    *((f"bad_{name}", f"refused: {what}?", _bad(made)) for name, (what, made) in BAD.items()),
)  # fmt: skip
"""Name, question and play of each."""
