"""What the kit plays about windows: which app one is, whose it is, and who else is there."""

import time
from collections.abc import Mapping
from typing import Any, Final

from sayso_agent.conformance.sample import allow, app
from sayso_agent.conformance.stage import ALLOWED, EXPENSES, NATIVE, PEOPLE, TRACKER, Stage, Told
from sayso_agent.words import NEVER_CATEGORIES, NEVER_SIGNALS

TEXTS: Final = [allow("tracker", "mouse_click", "window_title", "clipboard", "key_content")]
WEB: Final = {"platform": "web", "private": False}


def _known(stage: Stage, **more: Any) -> dict[str, Any]:
    """Return the usual apps, the tracker as a program too, and more."""
    apps = stage.portal.policy["apps"]
    native = {"platform": "linux", "kind": "executable", "value": "tracker"}
    tracker = {**apps["tracker"], "matchers": [*apps["tracker"]["matchers"], native]}
    return {**apps, "tracker": tracker, **more}


def _allowance(stage: Stage) -> None:
    """Feed what is allowed among all that is not."""
    titles = allow("expenses", "window_title")
    stage.begin(apps=_known(stage), allow=[*TEXTS, titles])
    feed = stage.event
    feed("an allowed click", allowed=True)
    feed("a signal that is denied", allowed=False, signal="mouse_move")
    feed("a signal that is not named", allowed=False, signal="scroll")
    feed("an app that is not named", allowed=False, window={**WEB, "host": "else.example.com"})
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
         window={**WEB, "host": "eviltracker.example.com"})  # fmt: skip
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
    usual = stage.portal.policy["bystanders"]
    others = {**usual, "call": [*usual["call"], "mouse_click"], "visitors": ["scroll"]}
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


def _unknown_matcher(stage: Stage) -> None:
    mark = {"platform": "web", "kind": "telepathy", "value": "tracker.example.com"}
    apps = stage.portal.policy["apps"]
    tracker = {**apps["tracker"], "matchers": [*apps["tracker"]["matchers"], mark]}
    stage.begin(
        apps={**apps, "tracker": tracker}, allow=[*ALLOWED, allow("expenses", "mouse_click")]
    )
    stage.event("an app with a mark that nobody knows", allowed=False)
    stage.event("another app", allowed=True, window=EXPENSES)


APPS: Final[Mapping[str, dict[str, Any]]] = {
    "browser": app("browser", ("linux", "executable", "wanderer")),
    "editor": app("office", ("windows", "executable", "editor.exe"),
                  ("windows", "signer", "Editor Ltd")),
    "vendor": app("office", ("windows", "signer", "Vendor Ltd")),
    "twin": app("office", ("linux", "executable", "twin")),
    "other_twin": app("office", ("linux", "executable", "twin")),
    "below": app("office", ("web", "domain", "*.below.example")),
}  # fmt: skip


def _marks(stage: Stage) -> None:
    """Allow apps of many marks, and feed windows that carry some of them only."""
    stage.begin(apps=_known(stage, **APPS), allow=[*ALLOWED, *_clicks(APPS)])
    feed = stage.event
    windows = {"platform": "windows", "executable": "editor.exe"}
    feed("a browser, and nobody says which page it shows", allowed=False,
         window={"platform": "linux", "executable": "wanderer"})  # fmt: skip
    feed("a page of no app in a browser that is allowed", allowed=False,
         window={**WEB, "executable": "wanderer", "host": "else.example.com"})  # fmt: skip
    feed("a program by another signer", allowed=False,
         window={**windows, "signer": "Somebody Else Ltd"})  # fmt: skip
    feed("a program by a signer that nobody names", allowed=False, window=windows)
    feed("a program by the right signer", allowed=True, window={**windows, "signer": "Editor Ltd"})
    feed("any program by a signer who is all that an app names", allowed=False,
         window={**windows, "executable": "any.exe", "signer": "Vendor Ltd"})  # fmt: skip
    feed("a window that fits two apps alike", allowed=False,
         window={"platform": "linux", "executable": "twin"})  # fmt: skip
    feed("the host above those that a star takes in", allowed=False,
         window={**WEB, "host": "below.example"})  # fmt: skip
    feed("a host that a star takes in", allowed=True, window={**WEB, "host": "a.below.example"})


def _clicks(apps: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [allow(code, "mouse_click") for code in apps]


CLOSED: Final[Mapping[str, dict[str, Any]]] = {
    "bank": app("office", ("web", "domain", "bank.example"), ("web", "domain", "*.bank.example")),
    "vault": app("office", ("linux", "executable", "vault")),
}
"""Apps of which somebody says that they may be recorded, and `never` says the contrary."""


def _never_wide(stage: Stage) -> None:
    """Close a domain and a program; feed them under every other name that they have."""
    matchers = [{"platform": "web", "kind": "domain", "value": "*.bank.example"},
                {"platform": "windows", "kind": "executable", "value": "vault.exe"}]  # fmt: skip
    never = {**stage.portal.policy["never"], "matchers": matchers}
    stage.begin(apps=_known(stage, **CLOSED), allow=[*ALLOWED, *_clicks(CLOSED)], never=never)
    feed = stage.event
    for host in ("bank.example", "BANK.example.", "bank.example:8443", "a.b.bank.example"):
        feed(f"{host} where *.bank.example is never captured", allowed=False,
             window={**WEB, "host": host})  # fmt: skip
    feed("a page of which a further name is never captured", allowed=False,
         window={**TRACKER, "aliases": ["pay.bank.example"]})  # fmt: skip
    feed("a page with a further name that nothing is said of", allowed=True,
         window={**TRACKER, "aliases": ["tracker.example.net"]})  # fmt: skip
    feed("vault where vault.exe is never captured", allowed=False,
         window={"platform": "linux", "executable": "/opt/Vault", "signer": "Any"})  # fmt: skip


def _built_in(stage: Stage) -> None:
    """Allow what no policy may allow, and leave out what would say so."""
    closed = {code: app(code, ("web", "domain", f"{code.replace('_', '-')}.example.net"))
              for code in sorted(NEVER_CATEGORIES)}  # fmt: skip
    ours = allow("tracker", "mouse_click", "window_title", "comms_content")
    stage.begin(apps=_known(stage, **closed), allow=[ours, *_clicks(closed)],
                never={"categories": [], "signals": [], "matchers": []})  # fmt: skip
    feed = stage.event
    for code in closed:
        host = closed[code]["matchers"][0]["value"]
        feed(f"an app of the category {code}", allowed=False, window={**WEB, "host": host})
    feed("an allowed click", allowed=True)
    time.sleep(0.3)
    proper = {name: stage.portal.policy[name] for name in ("allow", "windows", "bystanders")}
    _beyond_the_schema(stage, ours)
    stage.decree(**proper)
    feed("a click under the next proper policy", allowed=True)


def _beyond_the_schema(stage: Stage, ours: dict[str, Any]) -> None:
    """Leave out more than the schema lets a policy; an agent may refuse it as a whole."""
    portal = stage.portal
    portal.policy = {
        **portal.policy,
        "allow": [{**ours, "signals": [*ours["signals"], *sorted(NEVER_SIGNALS)]}],
        "windows": {**portal.policy["windows"], "every_visible_for": []},
        "bystanders": {"call": [], "screen_share": []},
    }
    portal.version += 1
    stage.asked()
    feed = stage.event
    for signal in sorted(NEVER_SIGNALS):
        feed(f"the signal {signal}", allowed=False, signal=signal)
    title = {"signal": "window_title", "text": "Plan", "window": NATIVE}
    feed("a title beside a window that is not allowed", allowed=False, visible=[NATIVE, PEOPLE],
         **title)  # fmt: skip
    feed("a title, and nobody says what is beside it", allowed=False, **title)
    message = {"signal": "comms_content", "direction": "out", "text": "words"}
    feed("a message in a call", allowed=False, call=True, screen_share=False, **message)
    time.sleep(0.3)


WINDOWS: Final[tuple[Told, ...]] = (
    ("allowance", "does what is allowed arrive, and nothing else?", _allowance),
    ("marks", "is a window no app that lacks a mark, or fits two apps?", _marks),
    ("never_wide", "does `never` close a page or program under its other names?", _never_wide),
    ("built_in", "does what is built in hold where the policy leaves it out?", _built_in),
    ("shared_machine", "is only the enrolled person's session captured?", _shared_machine),
    ("private_unknown", "is a page denied whose window may be a private one?", _private_unknown),
    ("no_session", "is nothing captured where no session may be?", _no_session),
    ("bystanders", "are messages off in a call, and before a shared screen?", _bystanders),
    ("matcher_unknown", "is an app left out that has a mark nobody knows?", _unknown_matcher),
)
