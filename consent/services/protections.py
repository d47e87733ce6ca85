"""What every policy says for the sake of others, and of what must not be seen. Pure."""

from typing import Final

from consent.policy.types import REDACTED_BY, SHOWS_BYSTANDERS, SHOWS_OTHER_WINDOWS

SESSIONS: Final = ["own"]
"""Whose sessions: on a shared machine nobody else's, for consent is its person's alone."""

WINDOWS: Final = {
    "private": "deny",
    "other_sessions": "deny",
    "every_visible_for": sorted(signal.value for signal in SHOWS_OTHER_WINDOWS),
}
"""What holds for windows beyond the one in use."""

BYSTANDERS: Final = {
    situation: sorted(signal.value for signal in SHOWS_BYSTANDERS)
    for situation in ("call", "screen_share")
}
"""What is not captured while a call runs, and while a screen is shared, ours or another's: whoever
is in it has agreed to nothing."""

REDACTION: Final = {
    "profiles": {signal.value: profile.value for signal, profile in sorted(REDACTED_BY.items())},
    "without": "deny",
}
"""How each signal of content must be masked, and what to do with one that cannot be."""

BATCH_SECONDS: Final = 900
