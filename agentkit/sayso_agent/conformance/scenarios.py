"""All that the kit plays; each scenario starts an agent of its own on a portal of its own."""

from dataclasses import dataclass
from typing import Final

from sayso_agent.conformance.answers import ANSWERS, DOCUMENTS
from sayso_agent.conformance.batches import BATCH
from sayso_agent.conformance.changes import CHANGES
from sayso_agent.conformance.content import CONTENT
from sayso_agent.conformance.endings import ENDINGS
from sayso_agent.conformance.keys import KEYS
from sayso_agent.conformance.leases import LEASES
from sayso_agent.conformance.stage import Play, Told
from sayso_agent.conformance.windows import WINDOWS


@dataclass(frozen=True, slots=True)
class Scenario:
    """One play; `asks` is the question that it answers."""

    name: str
    asks: str
    play: Play


_VOUCHED: Final[tuple[Told, ...]] = tuple((f"keys_{name}", asks, play) for name, asks, play in KEYS)
GROUPS: Final[tuple[tuple[str, tuple[Told, ...]], ...]] = (
    ("windows and people", WINDOWS),
    ("content", CONTENT),
    ("what must go", ENDINGS),
    ("batches", BATCH),
    ("answers", ANSWERS),
    ("changes", CHANGES),
    ("leases and hours", LEASES),
    ("keys", _VOUCHED),
    ("documents", DOCUMENTS),
)
"""What the scenarios are about, and those about it."""

SCENARIOS: Final = tuple(Scenario(*told) for _about, group in GROUPS for told in group)
