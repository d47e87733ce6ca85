"""Explaining a decision to somebody else than the person: recorded before it is shown.

Others get the half that holds for everybody who stands where the person stands. The person's own
half (answers, pauses, machines) is not read at all unless they shared this very question, so
refused, taken back, paused, never asked, without a machine and given look alike (DESIGN
invariants 12 and 18; ADR 16).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit import selectors as audit
from audit.ledger import Actor
from consent import selectors
from consent.models import Subject
from consent.policy.bounds import AnySignal
from consent.policy.reasons import ReasonCode
from consent.selectors.explain import Explanation

LOOK: Final = events.DecisionExplained.type
WHOLE: Final = "whole"
SHARED: Final = "shared"


def explain_to_others(
    *,
    subject: Subject,
    app: str,
    signal: AnySignal,
    at: datetime,
    actor: Actor,
    channel: str,
    purpose: str | None = None,
) -> Explanation:
    """Return the shared half, or all of it where the person shares it now.

    Where the read cannot be recorded, nothing is said. Raises NotKnownHere for a purpose that the
    portal never heard of.
    """
    with transaction.atomic():
        whole = selectors.is_shared(subject, app=app, signal=signal, about=at, at=timezone.now())
        answer = selectors.explain if whole else selectors.explain_shared
        found = answer(subject, purpose=purpose, app=app, signal=signal, at=at)
        # What the registry does not have is whatever somebody typed: the ledger does not repeat it.
        unnamed = is_never(found) or not found.known
        look = events.DecisionExplained(
            channel=channel,
            part=WHOLE if whole else SHARED,
            # Of what is never captured the ledger names nothing, not even to the person.
            app=None if unnamed else app,
            signal=None if unnamed else signal.value,
            about=None if unnamed else at,
        )
        ledger.append(look, actor=actor, subject=subject.ref)
    return found


def is_never(found: Explanation) -> bool:
    """Say whether the answer is that this is never captured: then there is nothing else to it."""
    return any(
        reason.code == ReasonCode.NEVER_CATEGORY
        for answer in found.answers
        for reason in answer.decision.reasons
    )


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody asked why, about this person; what is sealed may be gone and is then empty."""

    at: datetime
    actor_kind: str
    whole: bool
    detail: dict[str, Any]
    """`app`, `signal` and `about`, as far as they can still be read."""


def looks_at(subject: Subject, *, limit: int, before: datetime | None = None) -> Iterator[Look]:
    """Yield who asked about the person, newest first, for the person themselves."""
    for row in audit.search(type=LOOK, subject_ref=subject.ref, until=before, limit=limit):
        entry = audit.entry_detail(row.id)
        yield Look(
            at=row.recorded_at,
            actor_kind=row.actor_kind,
            # What was recorded before there were halves told everything but the person's own.
            whole=row.data.get("part") == WHOLE,
            detail=entry.detail if entry else {},
        )
