"""What the kit plays about what an event says: text that must be masked, members that must go."""

import re
import time
from typing import Any, Final

from sayso_agent.conformance.sample import allow
from sayso_agent.conformance.stage import TRACKER, Stage, Told

TEXTS: Final = [allow("tracker", "mouse_click", "window_title", "clipboard", "key_content")]
CARD: Final = "4111 1111 1111 1111"
EMAIL: Final = "someone.else@example.org"
IBAN: Final = "KZ13 125K ZTA1 B2C3 D4E5"
PHONE: Final = "+44 20 7946 0958"
SECRETS: Final = {
    "a card number": CARD,
    "an e-mail address": EMAIL,
    "an IBAN": IBAN,
    "a phone number": PHONE,
}
_GAPS: Final = re.compile(r"[\s.\-]")


def _bare(text: str) -> str:
    return _GAPS.sub("", text).casefold()


def _unmasked(stage: Stage, sent: str) -> None:
    """Note every secret that is in what was sent, however it is spaced."""
    for what, secret in SECRETS.items():
        stage.fault(f"arrived: {what}", given=_bare(secret) in _bare(sent))


def _masking(stage: Stage) -> None:
    """Feed whole texts, each with something in it that must not leave."""
    stage.begin(allow=TEXTS)
    for what, secret in SECRETS.items():
        stage.event(what, allowed=None, signal="clipboard", action="copy",
                    text=f"take {secret} or what you like")  # fmt: skip
        stage.event(what, allowed=None, signal="window_title", text=f"Note: {secret}")
    stage.event("an allowed click", allowed=True)
    stage.program.end()
    _unmasked(stage, stage.portal.wire().decode(errors="replace"))


def _unknown_masking(stage: Stage) -> None:
    profiles = {"clipboard": "text-of-later-times"}
    stage.begin(allow=TEXTS, redaction={"profiles": profiles, "without": "deny"})
    stage.event("a text whose masking no agent has", allowed=False, signal="clipboard",
                action="copy", text="words")  # fmt: skip
    stage.event("an allowed click", allowed=True)


def _typed(stage: Stage) -> None:
    """Type what must not leave key by key: no key by itself is anything to mask."""
    stage.begin(allow=TEXTS)
    for what, secret in SECRETS.items():
        _type(stage, f"take {secret} or not", field=what)
        _leave(stage)
    _type(stage, CARD[:10], field="late")
    time.sleep(0.3)
    stage.decree()  # a policy in the middle of a number must not cut it into two harmless ones
    _type(stage, f"{CARD[10:]} it is", field="late")
    _leave(stage)
    stage.event("an allowed click", allowed=True)
    stage.program.end()
    typed = [line for line in stage.lines() if line["signal"] == "key_content"]
    _unmasked(stage, "".join(str(line.get("text", "")) for line in typed))


def _type(stage: Stage, text: str, *, field: str) -> None:
    key = {"signal": "key_content", "window": TRACKER, "secure": False, "field": field}
    for char in text:
        stage.feed({**key, "typing": "append", "text": char})


def _leave(stage: Stage) -> None:
    stage.feed({"signal": "app_focus", "window": TRACKER, "settles": True})


CANARY: Final = "zr550055"
LETTERS: Final = "qQ7é"
KEYS: Final = ("key_meta", "key_timing")


def _fields(stage: Stage) -> None:
    """Feed events that say more than their signal may: text in a click, letters in keys."""
    signals = ("mouse_click", "scroll", "clipboard", *KEYS)
    stage.begin(allow=[allow("tracker", *signals)])
    unknown: dict[str, Any] = dict.fromkeys(("label", "title", "value", "url", "html"), CANARY)
    feed = stage.event
    feed("a click with a text in it", allowed=None, beside={"text": CANARY})
    feed("a click with members that no click has", allowed=None, beside=unknown)
    feed("a click with a value inside another", allowed=None, beside={"inner": {"text": CANARY}})
    feed("a click with words where others belong", allowed=None,
         beside=dict.fromkeys(("action", "button", "element"), CANARY))  # fmt: skip
    feed("a scroll with a text in it", allowed=None, signal="scroll", beside={"text": CANARY})
    feed("a copy with more than its text", allowed=None, signal="clipboard", action="copy",
         text="words", beside=unknown)  # fmt: skip
    for letter in LETTERS:
        for signal in KEYS:
            stage.feed({"signal": signal, "window": TRACKER, "secure": False, "key": letter,
                        "char": letter, "code": letter, "action": "press", "ms": 80})  # fmt: skip
    feed("an allowed click", allowed=True)
    stage.program.end()
    stage.fault("arrived: a text, in a member that its signal does not have",
                given=CANARY.encode() in stage.portal.wire())  # fmt: skip
    keys = [line for line in stage.lines() if line["signal"] in KEYS]
    told = {value for line in keys for value in line.values() if isinstance(value, str)}
    stage.fault("arrived: which letter a key is", given=told & set(LETTERS))


CONTENT: Final[tuple[Told, ...]] = (
    ("masking", "are cards, addresses, IBANs and phone numbers masked?", _masking),
    ("masking_unknown", "is a signal denied whose masking the agent lacks?", _unknown_masking),
    ("typed", "are they masked where they are typed key by key?", _typed),
    ("fields", "does nothing leave in a member that its signal does not have?", _fields),
)
