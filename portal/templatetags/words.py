"""Filters that turn the closed lists of the core into words: names, sentences, tones.

A value that has no words here is shown as it is, so that nothing is hidden.
"""

from typing import Final

from django import template
from django.utils.functional import Promise
from django.utils.translation import get_language_info, gettext
from django.utils.translation import gettext_lazy as _

register = template.Library()

Words = str | Promise

SHORT: Final = {"hr": "HR"}
"""Keys that are short for something, and stay so."""

GROUPS: Final[dict[str, tuple[Words, Words]]] = {
    "navigation": (
        _("Clicks and navigation"),
        _("Records which window is in front, which buttons you click and where you scroll."),
    ),
    "pointer_paths": (
        _("Pointer paths"),
        _("Records how the mouse pointer moves across the window."),
    ),
    "typing_rhythm": (
        _("Typing rhythm"),
        _("Records that a key was pressed and when, never which letter."),
    ),
    "typed_text": (
        _("Typed text"),
        _("Records what you type and copy. Password fields are never recorded."),
    ),
    "window_text": (
        _("Window text"),
        _("Records the title of the window and the text shown in it."),
    ),
    "screen_pictures": (
        _("Screen pictures"),
        _("Records pictures or video of the window, with everything that is visible in it."),
    ),
    "messages": (
        _("Messages"),
        _("Records the text of messages you read and write."),
    ),
}

SIGNALS: Final[dict[str, Words]] = {
    "app_focus": _("Which app is in front"),
    "ui_event": _("Buttons and menus used"),
    "mouse_click": _("Mouse clicks"),
    "mouse_move": _("Mouse movement"),
    "scroll": _("Scrolling"),
    "key_meta": _("Special keys and shortcuts"),
    "key_timing": _("When keys are pressed"),
    "key_content": _("What is typed"),
    "clipboard": _("What is copied"),
    "window_title": _("Window titles"),
    "dom_text": _("Text on pages"),
    "screenshot": _("Screen pictures"),
    "screen_video": _("Screen video"),
    "comms_content": _("Message texts"),
    "secure_input": _("Password fields and other protected fields"),
    "webcam": _("Camera"),
    "audio": _("Sound"),
    "location": _("Location"),
    "derived_emotion": _("Guesses about feelings"),
    "derived_performance": _("Guesses about performance"),
    "derived_biometric_id": _("Guesses about who somebody is"),
}

PROTECTED_KINDS: Final[dict[str, Words]] = {
    "banking": _("Banking"),
    "health": _("Health"),
    "hr": _("Personnel matters (HR)"),
    "legal_advice": _("Legal advice"),
    "password_manager": _("Password manager"),
    "personal": _("Private life"),
    "union": _("Union or works council"),
    "whistleblowing": _("Whistleblowing"),
}
"""What an app may be about that is never recorded, for whoever reports one."""

# The tone picks colour and shape. To say no is as good an answer as to say yes: never a warning.
STATES: Final[dict[str, tuple[str, Words]]] = {
    "unknown": ("off", _("Not answered")),
    "requested": ("wait", _("Waiting for your answer")),
    "deferred": ("off", _("Not now")),
    "refused": ("off", _("No")),
    "given": ("on", _("Yes")),
    "withdrawn": ("off", _("Withdrawn")),
    "revoked": ("off", _("Ended by the organisation")),
    "expired": ("off", _("Expired")),
    "invalidated": ("off", _("No longer valid")),
    "on": ("on", _("Recording")),
    "off": ("off", _("Not recording")),
    "paused": ("wait", _("Paused")),
    "active": ("good", _("Connected")),
    "enrolled": ("good", _("Connected")),
    "blocked": ("bad", _("Blocked")),
    "removed": ("off", _("Removed")),
    "cut_off": ("bad", _("Cut off")),
    "silent": ("off", _("Not heard from")),
    "owed": ("wait", _("Owed")),
    "queued": ("wait", _("Waiting")),
    "running": ("wait", _("In progress")),
    "waiting": ("wait", _("Waiting")),
    "awaiting_bytes": ("wait", _("Waiting for data")),
    "admitted": ("on", _("Kept")),
    "batch_refused": ("off", _("Refused")),
    "quarantined": ("warn", _("Set apart")),
    "erased": ("good", _("Deleted")),
    "deleted": ("good", _("Deleted")),
    "verified": ("good", _("Deleted and checked")),
    "held": ("warn", _("On legal hold")),
    "failed": ("bad", _("Failed")),
    "ready": ("good", _("Ready")),
    "draft": ("off", _("Draft")),
    "proposed": ("wait", _("Waiting for approval")),
    "approved": ("good", _("Approved")),
    "rejected": ("off", _("Not approved")),
    "vetoed": ("warn", _("Vetoed")),
    "published": ("good", _("Published")),
    "in_force": ("good", _("In force")),
    "ended": ("off", _("Ended")),
    "received": ("wait", _("Received")),
    "extended": ("wait", _("Extended")),
    "answered": ("good", _("Answered")),
    "overdue": ("bad", _("Overdue")),
    "ok": ("good", _("Working")),
    "degraded": ("warn", _("Slower than usual")),
    "down": ("bad", _("Not working")),
    "kept": ("good", _("Kept")),
    "missed": ("bad", _("Missed")),
    "unmeasured": ("off", _("Not measured")),
    "open": ("wait", _("Open")),
    "closed": ("off", _("Closed")),
    "yes": ("good", _("Yes")),
    "no": ("off", _("No")),
}

PLATFORMS: Final[dict[str, Words]] = {
    "linux": _("Linux"),
    "macos": _("macOS"),
    "windows": _("Windows"),
    "web": _("Web"),
}


@register.filter
def group_name(key: str) -> Words:
    """Return the name of a signal group."""
    return GROUPS[key][0] if key in GROUPS else plain(key)


@register.filter
def group_does(key: str) -> Words:
    """Return what switching the group on does, in one sentence; silence for an unknown group."""
    return GROUPS[key][1] if key in GROUPS else ""


@register.filter
def signal_name(key: str) -> Words:
    """Return the name of a signal."""
    return SIGNALS.get(key, plain(key))


@register.filter
def protected_name(key: str) -> Words:
    """Return the name of a kind of app that is never recorded."""
    return PROTECTED_KINDS.get(key, plain(key))


@register.filter
def state_name(key: str) -> Words:
    """Return the word shown for a state."""
    return STATES[key][1] if key in STATES else plain(key)


@register.filter
def state_tone(key: str) -> str:
    """Return the tone of a state: on, off, wait, good, warn or bad; off where it is unknown."""
    return STATES[key][0] if key in STATES else "off"


@register.filter
def language_name(code: str) -> Words:
    """Return the name of a language; one that Django does not know stands as it is."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


@register.filter
def platform_name(key: str) -> Words:
    """Return the name of a platform."""
    return PLATFORMS.get(key, plain(key))


@register.filter
def colon(label: Words) -> str:
    """Return a label and its colon, which French sets off by a narrow space."""
    return gettext("%(label)s:") % {"label": label}


def plain(key: str) -> str:
    """Return a key as words, for lists that grew before their words did."""
    return SHORT.get(str(key)) or str(key).replace("_", " ").capitalize()
