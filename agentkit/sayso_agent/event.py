"""What recorders hand to the agent. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sayso_agent.matching import WindowFacts


class Typing(Enum):
    """How an event of typed text relates to the text before it in the same field."""

    WHOLE = "whole"  # complete by itself
    VALUE = "value"  # the field's value after one more key
    APPEND = "append"  # one more piece; goes behind what was there


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as a recorder saw it.

    `at` is the recorder's own wall clock, None for "now". `secure` is whether the field in use
    takes a password, None where the recorder cannot tell. `settles` says that whoever was typing
    has left the field, so that what was typed is complete. `visible` is every window that could be
    seen, None where the recorder cannot tell. `call` and `screen_share` say whether a call runs and
    whether a screen is shared, ours or another's, None where it cannot tell.
    """

    signal: str
    window: WindowFacts = field(default_factory=WindowFacts)
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float | None = None
    secure: bool | None = None
    field: str = ""
    typing: Typing = Typing.APPEND
    settles: bool = False
    visible: tuple[WindowFacts, ...] | None = None
    call: bool | None = None
    screen_share: bool | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something the recorder itself left out, and why."""

    reason: str
    settles: bool = False
