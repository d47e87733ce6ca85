"""What the kit plays to an agent, each scenario by itself: what the portal does, what may come."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.conformance.answers import ANSWERS
from sayso_agent.conformance.bucket import FakeBucket
from sayso_agent.conformance.keys import KEYS
from sayso_agent.conformance.leases import LEASES
from sayso_agent.conformance.portal import allow
from sayso_agent.conformance.stage import EXPENSES, PEOPLE, TRACKER, Stage

ALLOWED: Final = [allow("tracker", "mouse_click", "scroll")]
TEXTS: Final = [allow("tracker", "mouse_click", "window_title", "clipboard", "key_content")]
HELD: Final = 3600
CARD: Final = "4111 1111 1111 1111"
EMAIL: Final = "someone.else@example.org"
NATIVE: Final = {"platform": "linux", "executable": "tracker"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One play; `asks` is the question that it answers."""

    name: str
    asks: str
    play: Callable[[Stage], None]


def _allowance(stage: Stage) -> None:
    """Feed what is allowed among all that is not."""
    apps = stage.portal.policy["apps"]
    native = {"platform": "linux", "kind": "executable", "value": "tracker"}
    tracker = {**apps["tracker"], "matchers": [*apps["tracker"]["matchers"], native]}
    titles = allow("expenses", "window_title")
    stage.begin(apps={**apps, "tracker": tracker}, allow=[*TEXTS, titles])
    web = {"platform": "web", "private": False}
    feed = stage.event
    feed("an allowed click", allowed=True)
    feed("a signal that is denied", allowed=False, signal="mouse_move")
    feed("a signal that is not named", allowed=False, signal="scroll")
    feed("an app that is not named", allowed=False, window={**web, "host": "else.example.com"})
    feed("an app without an allowance", allowed=False, window=EXPENSES)
    feed("an app of a category that is never captured", allowed=False, window=PEOPLE)
    feed("a window that nothing is known of", allowed=False, window={})
    feed("a program that is never captured", allowed=False,
         window={"platform": "macos", "bundle_id": "com.1password.1password"})  # fmt: skip
    feed("a private window", allowed=False, window={**TRACKER, "private": True})
    feed("another person's session", allowed=False, window={**TRACKER, "session": "other"})
    feed("a signal that is never captured", allowed=False, signal="webcam")
    feed("a signal that nobody knows", allowed=False, signal="thoughts")
    feed("a host that only ends alike", allowed=False,
         window={**web, "host": "eviltracker.example.com"})  # fmt: skip
    secret = {"signal": "key_content", "typing": "whole", "settles": True}
    feed("a password", allowed=False, text="secret", secure=True, **secret)
    feed("keys in a field of unknown kind", allowed=False, text="secret", **secret)
    title = {"signal": "window_title", "text": "Plan", "window": NATIVE}
    feed("a title beside a window that is allowed", allowed=True, visible=[NATIVE, EXPENSES],
         **title)  # fmt: skip
    feed("a title beside a window that is not", allowed=False, visible=[NATIVE, PEOPLE], **title)
    feed("a title beside an unknown window", allowed=False, visible=[NATIVE, {}], **title)
    feed("a title, and nobody says what is beside it", allowed=False, **title)
    stage.program.end()
    manifests = stage.portal.manifests.values()
    listed = [m.get("visible", {}).get("window_title") for m in manifests if _titles(m)]
    if listed and set().union(*(apps or [] for apps in listed)) != {"expenses", "tracker"}:
        stage.faults.append("missing: a list of every window beside the title, in its manifest")


def _titles(manifest: dict[str, Any]) -> bool:
    return "window_title" in manifest["signals"]


def _shared_machine(stage: Stage) -> None:
    """The agent runs as another account than the one that was enrolled: a service, say."""
    stage.program.environment["SAYSO_ACCOUNT"] = "of-somebody-else"
    stage.begin(allow=ALLOWED)
    stage.event("a click, and nobody says whose session it is of", allowed=False)
    stage.event("a click in another person's session", allowed=False,
                window={**TRACKER, "session": "other"})  # fmt: skip
    stage.event("a click in the enrolled person's session", allowed=True,
                window={**TRACKER, "session": "own"})  # fmt: skip


def _private_unknown(stage: Stage) -> None:
    """Feed clicks on an allowed page, of whose window it is said or not whether it is private."""
    stage.begin(allow=ALLOWED)
    page = {"platform": "web", "host": "tracker.example.com"}
    feed = stage.event
    feed("a click, and nobody says whether its window is private", allowed=False, window=page)
    feed("a click, and nobody knows whether its window is private", allowed=False,
         window={**page, "private": None})  # fmt: skip
    feed("a click in a window that is not private", allowed=True,
         window={**page, "private": False})  # fmt: skip


def _no_session(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, sessions=[])
    stage.event("a click, and no session may be captured", allowed=False,
                window={**TRACKER, "session": "own"})  # fmt: skip
    time.sleep(0.3)
    stage.decree(sessions=["own"])
    stage.event("a click in one's own session", allowed=True)


def _bystanders(stage: Stage) -> None:
    """Feed messages in and out of a call; of clicks the policy of this play says the same."""
    others = {"call": ["mouse_click"], "screen_share": [], "visitors": ["scroll"]}
    stage.begin(allow=[allow("tracker", "mouse_click", "scroll", "comms_content")],
                bystanders=others)  # fmt: skip
    message = {"signal": "comms_content", "direction": "out", "text": "words"}
    alone = {"call": False, "screen_share": False}
    feed = stage.event
    feed("a message, alone", allowed=True, **message, **alone)
    feed("a message in a call", allowed=False, **message, call=True, screen_share=False)
    feed("a message before a shared screen", allowed=False, **message, call=False,
         screen_share=True)  # fmt: skip
    feed("a message, and nobody says whether others are there", allowed=False, **message)
    feed("a click, which the policy adds, in a call", allowed=False, call=True)
    feed("a click, alone", allowed=True, call=False)
    feed("what is off in a situation that nobody knows", allowed=False, signal="scroll", dy=1,
         **alone)  # fmt: skip


def _masking(stage: Stage) -> None:
    """Feed text with a card number and an address in it."""
    stage.begin(allow=TEXTS)
    stage.event("a text", allowed=None, signal="clipboard", action="copy",
                text=f"pay with {CARD} or write to {EMAIL} today")  # fmt: skip
    stage.event("an allowed click", allowed=True)
    stage.program.end()
    wire = stage.portal.wire()
    digits = CARD.replace(" ", "").encode()
    if CARD.encode() in wire or digits in wire:
        stage.faults.append("arrived: a card number")
    if EMAIL.encode() in wire:
        stage.faults.append("arrived: an e-mail address")


def _unknown_masking(stage: Stage) -> None:
    profiles = {"clipboard": "text-of-later-times"}
    stage.begin(allow=TEXTS, redaction={"profiles": profiles, "without": "deny"})
    stage.event("a text whose masking no agent has", allowed=False, signal="clipboard",
                action="copy", text="words")  # fmt: skip
    stage.event("an allowed click", allowed=True)


def _unknown_matcher(stage: Stage) -> None:
    mark = {"platform": "web", "kind": "telepathy", "value": "tracker.example.com"}
    apps = stage.portal.policy["apps"]
    tracker = {**apps["tracker"], "matchers": [*apps["tracker"]["matchers"], mark]}
    stage.begin(
        apps={**apps, "tracker": tracker}, allow=[*ALLOWED, allow("expenses", "mouse_click")]
    )
    stage.event("an app with a mark that nobody knows", allowed=False)
    stage.event("another app", allowed=True, window=EXPENSES)


def _purged(**policy: Any) -> Callable[[Stage], None]:
    """Return the play of a change after which what waits must be gone."""

    def play(stage: Stage) -> None:
        stage.begin(allow=ALLOWED, embargo_seconds=HELD)
        before = {name: stage.portal.policy[name] for name in policy}
        stage.event("what waited when it was ended", allowed=False)
        time.sleep(0.5)
        stage.decree(**policy)
        stage.event("what happened after it was ended", allowed=False)
        time.sleep(0.3)
        stage.decree(**before, embargo_seconds=0)
        stage.event("a click under the next policy", allowed=True)

    return play


def _struck(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, embargo_seconds=HELD)
    stage.event("what was struck", allowed=False)
    time.sleep(0.5)
    now = int(stage.portal.now())
    stage.decree(strikes=[{"from": now - 60, "until": now + 1}], embargo_seconds=0)
    # An agent's time begins with the whole second in which its lease was issued.
    time.sleep(max(now + 2.2 - time.time(), 0.0))
    stage.event("a click after the strike", allowed=True)
    stage.program.end()
    if stage.portal.refused:
        stage.faults.append(f"refused by the portal: {sorted(stage.portal.refused)}")


def _embargo(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, embargo_seconds=HELD)
    stage.event("what is under embargo", allowed=False)
    time.sleep(1.0)


def _brought(stage: Stage) -> None:
    """Have the bytes brought to another host, which the policy names."""
    with FakeBucket() as bucket:
        stage.portal.bucket = bucket
        stage.begin(allow=ALLOWED)
        stage.event("a click whose bytes go to another host", allowed=None)
        stage.program.end()
    if not stage.portal.admitted:
        stage.faults.append("missing: a batch, at the host that the policy names")
    if any("authorization" in seen.headers for seen in bucket.requests):
        stage.faults.append("arrived: the agent's token, at another host")


def _elsewhere(stage: Stage) -> None:
    """Have the bytes brought to another host, which the policy does not name."""
    with FakeBucket() as bucket:
        stage.portal.bucket = bucket
        stage.begin(allow=ALLOWED, uploads=[])
        stage.event("a click whose bytes go to another host", allowed=None)
        stage.program.end()
    if bucket.requests:
        stage.faults.append("arrived: bytes, at a host that the policy does not name")


def _paused(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, paused=True)
    stage.event("a click while the person pauses", allowed=False)
    time.sleep(0.3)
    stage.decree(paused=False)
    stage.event("a click after the person resumed", allowed=True)


SCENARIOS: Final = (
    Scenario("allowance", "does what is allowed arrive, and nothing else?", _allowance),
    Scenario("shared_machine", "is only the enrolled person's session captured?", _shared_machine),
    Scenario("private_unknown", "is a page denied whose window may be a private one?",
             _private_unknown),
    Scenario("no_session", "is nothing captured where no session may be?", _no_session),
    Scenario("bystanders", "are messages off in a call, and before a shared screen?", _bystanders),
    Scenario("masking", "are card numbers and addresses masked?", _masking),
    Scenario("masking_unknown", "is a signal denied whose masking the agent lacks?",
             _unknown_masking),
    Scenario("matcher_unknown", "is an app left out that has a mark nobody knows?",
             _unknown_matcher),
    Scenario("withdrawn", "is what waits purged when consent is withdrawn?",
             _purged(allow=[], deny=[{"reasons": ["consent_withdrawn"]}])),
    Scenario("deny_beats_allow", "does a denial beat an allowance?",
             _purged(deny=[{"purpose": "train-agents", "apps": ["tracker"],
                            "signals": ["mouse_click"], "reasons": ["signal_prohibited"]}])),
    Scenario("never_beats_allow", "does `never` beat an allowance?",
             _purged(never={"categories": ["tracker"], "signals": [], "matchers": []})),
    Scenario("struck", "is what the person had forgotten purged, and no batch over it?", _struck),
    Scenario("embargo", "does nothing leave before the embargo is over?", _embargo),
    Scenario("brought", "are bytes brought to the host that the policy names?", _brought),
    Scenario("elsewhere", "are no bytes brought to a host that it does not name?", _elsewhere),
    Scenario("paused", "does a pause deny, and resuming allow again?", _paused),
    *(Scenario(*told) for told in ANSWERS),
    *(Scenario(*told) for told in LEASES),
    *(Scenario(f"keys_{name}", asks, play) for name, asks, play in KEYS),
)  # fmt: skip
"""All of them; each starts an agent of its own on a portal of its own."""
