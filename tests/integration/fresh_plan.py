"""What the processes of a freshness test agree on: who there is, what is asked, what is noted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PURPOSE = "train-agents"
PAIRS = (("tracker", "mouse_click"), ("sheet", "scroll"))
"""What everybody may say yes to, by its number; in an answer, a bit each."""
ALL = (1 << len(PAIRS)) - 1
NOTHING = 1 << len(PAIRS)
"""Noted where an answer said nothing about what is allowed."""
RUNNING, OPEN = "running", "open:1"
"""Switches of everybody: the kill switch, and whether the app of pair 1 is not reported."""


def yes(person: int, pair: int) -> str:
    """The switch of a person's yes to a pair."""
    return f"yes:{person}:{pair}"


def going(person: int) -> str:
    """The switch of a person's pause."""
    return f"going:{person}"


def switches_of(person: int, pair: int) -> tuple[str, ...]:
    """All switches that must be on for a pair of a person to be allowed."""
    return (yes(person, pair), going(person), RUNNING, *([OPEN] if pair == 1 else []))


@dataclass(frozen=True)
class Plan:
    """One run."""

    subjects: list[int]
    tokens: list[str]
    ports: list[int]
    answers: int
    """How many are wanted; the asker ends by itself when it has them. 0: until told to stop."""
    lines: int
    """Connections to each server."""
    pause: float
    """Seconds between an answer and the next question of a line."""
    writers: int
    rate: float
    """Decisions a second of each writer, and a tenth of it for what concerns everybody."""
    bare: float
    """Which part of the questions names no policy, so that the signed one is answered."""
    without: str
    """The part of the fence that is taken out."""

    def write(self, folder: Path) -> None:
        (folder / "plan.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Plan:
        return cls(**json.loads((folder / "plan.json").read_text()))


# An answer as it is noted: three unsigned 64-bit numbers, in the order in which answers came.
NOTED_BYTES = 24


def packed(server: int, person: int, said: int) -> int:
    """The third number: who was asked, about whom, and what was said. The others: when."""
    return server << 32 | person << 8 | said


def unpacked(number: int) -> tuple[int, int, int]:
    """What `packed` put together."""
    return number >> 32, number >> 8 & 0xFFFFFF, number & 0xFF
