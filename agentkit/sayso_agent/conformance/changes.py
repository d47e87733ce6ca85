"""What the kit plays to who waits for changes: several in a row, and answers that get lost.

An agent need not wait. One that does lives by being told: it may not fall back to asking seldom
while its person pauses, resumes and pauses again.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from sayso_agent.conformance.stage import ALLOWED, Stage, Told

OFFERED: Final = 30
SELDOM: Final = 10
"""`poll_after` here: who asks only as often as that hears a change much later than `SOON`."""
SOON: Final = 3.0
PACE: Final = 0.3
RESTED: Final = 1.2
PAUSED: Final = {"paused": True}
RESUMED: Final = {"paused": False}


def _row(stage: Stage) -> None:
    """Change several times: each as soon as the one before was fetched, then at a steady pace."""
    _begin(stage)
    _change(stage, PAUSED, RESUMED, PAUSED, chased=True)
    stage.event("a click after the person had paused twice", allowed=False)
    _rest(stage)
    _change(stage, RESUMED, PAUSED, RESUMED, PAUSED)
    stage.event("a click after the person had paused four times", allowed=False)
    _rest(stage)
    _change(stage, RESUMED)
    stage.obeyed()
    stage.event("a click after the person resumed", allowed=True)


def _lost(stage: Stage) -> None:
    """Lose what would tell of a change, and then what would bring the policy."""
    _begin(stage)
    before = {name: stage.portal.policy[name] for name in ("allow", "deny")}
    stage.portal.loses = 2
    denial = {"purpose": "train-agents", "reasons": ["consent_withdrawn"]}
    _change(stage, {"allow": [], "deny": [denial]})
    stage.event("a click after two answers got lost", allowed=False)
    _rest(stage)
    stage.decree(**before)
    stage.event("a click under the next policy", allowed=True)


def _begin(stage: Stage) -> None:
    """Begin by offering to hold polls, and let the agent take it up if it does that at all."""
    portal = stage.portal
    portal.etags, portal.extra_headers = True, portal.offer(OFFERED)
    stage.begin(allow=ALLOWED, poll_after=SELDOM)
    asked = portal.paths("GET").count
    stage.until(lambda: portal.waiting > 0 or asked("/api/v1/policy") > 2)


def _rest(stage: Stage) -> None:
    """Let the agent come to rest: no person clicks without end."""
    stage.obeyed()
    stage.until(lambda: stage.portal.waiting > 0 or not stage.portal.waited)
    time.sleep(RESTED)


def _change(stage: Stage, *changes: dict[str, Any], chased: bool = False) -> None:
    """Make changes, one version each; note where who waits does not obey the last of them soon."""
    portal = stage.portal
    for change in changes:
        portal.version += 1
        portal.policy = {**portal.policy, **change}
        _until(SOON if chased else PACE, lambda: chased and portal.version in portal.issued)
    heard = portal.acknowledgements
    soon = _until(SOON if portal.waited else stage.patience,
                  lambda: any(a.get("version") == portal.version for a in heard))  # fmt: skip
    stage.fault(f"wrong: it waits for changes, and does not obey within {SOON:.0f} s the last of"
                f" {len(changes)} in a row", given=portal.waited and not soon)  # fmt: skip


def _until(seconds: float, there: Callable[[], bool]) -> bool:
    """Wait so long for something; return whether it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if there():
            return True
        time.sleep(0.01)
    return False


CHANGES: Final[tuple[Told, ...]] = (
    ("row", "is each of several changes in a row heard at once by who waits for them?", _row),
    ("lost", "is a change heard soon although the answers that tell of it get lost?", _lost),
)
