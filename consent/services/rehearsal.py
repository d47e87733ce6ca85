"""What a change would do, by doing it: inside a savepoint, looked at, and undone.

It is looked at as of now and, where it begins on a day ahead, as of that day too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import NoReturn
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from audit.event import UnfitEventError
from audit.ledger import Actor
from consent.digests import digest
from consent.exceptions import ChangeUnfit
from consent.selectors.impact import Impact, compare
from consent.selectors.outcomes import Snapshot, take_snapshot
from consent.services.changes import Change, read_change
from consent.services.changes.kind import Standing
from consent.services.cohorts import refresh_once
from consent.services.room import LARGEST, beyond_room

REFUSED_BY_DATABASE = (IntegrityError, DataError, UnfitEventError)
"""What tells that a change cannot be made as it is written, by whom ever it is tried."""


class _Undone(Exception):
    """No error: it takes the savepoint back, and carries out what was seen there."""

    def __init__(self, after: Standing, later: list[Snapshot]) -> None:
        super().__init__()
        self.after = after
        self.later = later


@dataclass(frozen=True)
class Rehearsal:
    """What stood, what would stand, and whom it would concern."""

    before: Standing
    after: Standing
    impact: Impact


def rehearse(change: Change, *, author: UUID) -> Rehearsal:
    """Return what the change would do; nothing of it stays, and no cohort is locked.

    Raises ChangeUnfit where it cannot be made, or would change nothing, and whatever refusal the
    services have for it.
    """
    change.check()
    instants = _instants(change, timezone.now())
    before, earlier = change.standing(), [take_snapshot(at) for at in instants]
    after, later = _done_and_undone(change, author, instants)
    if digest(before) == digest(after):
        raise ChangeUnfit("payload: nothing would change")
    if not change.tightens() and (longest := beyond_room(earlier, later)):
        raise ChangeUnfit(
            f"payload: a policy would have {longest} bytes, and machines read {LARGEST}; have some "
            "purpose ask for fewer apps first"
        )
    first = instants[-1].date()
    ahead = first.isoformat() if first > instants[0].date() else None
    found = compare(zip(earlier, later, strict=True))
    return Rehearsal(before, after, replace(found, unknown=change.unknown(), ahead=ahead))


def _instants(change: Change, now: datetime) -> list[datetime]:
    """Return now and, where the change begins on a day to come, an instant of that day.

    At noon in UTC it is that day in every place that rules are known of.
    """
    first = change.begins()
    noon = datetime.combine(first, time(12), UTC) if first else now
    return [now, noon] if noon > now else [now]


def _done_and_undone(
    change: Change, author: UUID, instants: Sequence[datetime]
) -> tuple[Standing, list[Snapshot]]:
    try:
        # Left by an exception, the block refreshes no cohort: the documents are only computed.
        with transaction.atomic(), refresh_once():
            change.apply(actor=Actor.staff(author))
            _undo(change.standing(), [take_snapshot(at) for at in instants])
    except _Undone as seen:
        return seen.after, seen.later
    except REFUSED_BY_DATABASE as refusal:
        raise ChangeUnfit("payload: the database refuses this change as it is written") from refusal


def _undo(after: Standing, later: list[Snapshot]) -> NoReturn:
    raise _Undone(after, later)


@transaction.atomic
def impact_of(kind: str, payload: object) -> Impact:
    """Return whom a change would concern, before anybody proposes it; nothing is changed.

    Raises whatever `propose` would about the payload; agreements and councils are not looked at.
    """
    return rehearse(read_change(kind, payload), author=UUID(int=0)).impact
