"""Batches that come too late: what the portal answers to what no honest agent would hand in."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sayso_agent.asking import portal_of
from sayso_agent.errors import AgentError
from sayso_agent.home import Home
from sayso_agent.portal import Portal, Refusal
from sayso_agent.segment import Record, Segment, Slot
from sayso_agent.transport import Body
from sayso_agent.upload import manifest

ADMITTED: Final = "admitted"


@dataclass(frozen=True)
class Late:
    """A machine whose person withdrew, the policy it obeyed until then, and when that ended."""

    home: Path
    portal: str
    """Where to hand in: the way that the machine itself went may be cut."""
    slot: Slot
    committed: float
    """By the portal's clock."""


def hand_in(late: Iterable[Late]) -> dict[str, dict[str, int]]:
    """Hand in for each machine one batch of just before the commit and one of just after it.

    Return how often each was answered with what: the first reason, or `admitted`.
    """
    answers: dict[str, Counter[str]] = {"before": Counter(), "after": Counter()}
    for one in late:
        portal = _portal(one)
        before = max(one.committed - 1.0, one.slot.issued_at)
        after = min(one.committed + 0.5, one.slot.until - 1.0)
        answers["before"][_answer(portal, one.slot, before)] += 1
        answers["after"][_answer(portal, one.slot, after)] += 1
        portal.transport.close()
    return {name: dict(counted) for name, counted in answers.items()}


def _portal(one: Late) -> Portal:
    identity = Home(one.home).identity()
    batches = one.portal + urlsplit(identity.endpoints.batches).path
    ends = replace(identity.endpoints, batches=batches)
    return portal_of(replace(identity, portal=one.portal, endpoints=ends))


def _answer(portal: Portal, slot: Slot, stamp: float) -> str:
    event = {"t": round(stamp, 3), "signal": "mouse_click", "x": 10, "y": 20, "action": "click"}
    record = Record(round(stamp, 3), "mouse_click", json.dumps(event).encode(), stamp)
    segment = Segment(str(uuid.uuid4()), slot, (record,))
    try:
        found = portal.announce(manifest(segment))
        if found is not None and not isinstance(found, Refusal):
            found = portal.upload(found.url, Body(segment.size, segment.parts))
    except AgentError as error:
        return error.code
    if found is None:
        return ADMITTED
    return found.reasons[0] if found.reasons else found.code
