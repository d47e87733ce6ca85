"""What the kit plays about a portal's answers: old versions, changes, redirects, pleas to wait."""

import time
from typing import Final

from sayso_agent.conformance.documents import BAD, Made
from sayso_agent.conformance.leases import SHORT
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.conformance.stage import ALLOWED, BATCHES, POLICY, Play, Stage, Told

ASKED_TO_WAIT: Final = 3


def _bad(made: Made) -> Play:
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


def _polite(stage: Stage) -> None:
    """Count the polls of a while; then ask for a rest, of polls and of batches."""
    portal = stage.portal
    stage.begin(allow=ALLOWED)
    began = time.monotonic()
    time.sleep(2.0)
    # `poll_after` is 1, and an agent may take a little off; one poll may be of the time before.
    stage.fault("wrong: it polls far more often than `poll_after` says",
                given=_since(stage, POLICY, began) > 4)  # fmt: skip
    refusal = problem(429, "too_many_requests", retry_after=ASKED_TO_WAIT)
    portal.always.update(dict.fromkeys((POLICY, BATCHES), refusal))
    began = time.monotonic()
    stage.event("a click that is handed in at the wrong time", allowed=None)
    stage.until(lambda: all(_since(stage, path, began) for path in (POLICY, BATCHES)))
    time.sleep(ASKED_TO_WAIT - 0.5)
    for path in (POLICY, BATCHES):
        times = [seen.at for seen in portal.requests if seen.path == path and seen.at >= began]
        soon = [at for at in times[1:] if at < times[0] + ASKED_TO_WAIT - 0.5]
        stage.fault(f"wrong: {path} is asked again although `Retry-After` says later", given=soon)
    portal.always.clear()
    stage.decree()
    stage.event("a click after the rest", allowed=True)


def _not_held(stage: Stage) -> None:
    """Offer to hold polls, as the portal behind a proxy would, and answer each at once."""
    portal = stage.portal
    portal.etags, portal.extra_headers = True, {"Policy-Poll": "jitter=0.2, wait=30"}
    stage.begin(allow=ALLOWED)
    stage.asked(1)
    began = time.monotonic()
    time.sleep(3.0)
    # `poll_after` is 1; an agent that asks again at once asks ten times as often and more.
    stage.fault("wrong: it asks again at once where its polls are not held",
                given=_since(stage, POLICY, began) > 6)  # fmt: skip
    stage.decree()
    stage.event("a click under the next policy", allowed=True)


def _since(stage: Stage, path: str, moment: float) -> int:
    return sum(seen.path == path and seen.at >= moment for seen in stage.portal.requests)


ANSWERS: Final[tuple[Told, ...]] = (
    ("changed", "does capture stop until the policy is fetched, once told of a change?", _changed),
    ("old_version", "is an older version refused?", _old_version),
    ("restarted", "is an older version refused after a restart?", _restarted),
    ("redirect", "is a redirect to another host not followed?", _redirected),
    ("polite", "does it ask as often as it is told to, and no more?", _polite),
    (
        "not_held",
        "does it not hurry where polls are answered at once that were to be held?",
        _not_held,
    ),
)

DOCUMENTS: Final[tuple[Told, ...]] = tuple(
    (f"bad_{name}", f"refused: {what}?", _bad(made)) for name, (what, made) in BAD.items()
)
