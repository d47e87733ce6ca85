"""What a change would do, by doing it: inside a savepoint, looked at, and undone."""

from dataclasses import dataclass, replace
from datetime import datetime
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

REFUSED_BY_DATABASE = (IntegrityError, DataError, UnfitEventError)
"""What tells that a change cannot be made as it is written, by whom ever it is tried."""


class _Undone(Exception):
    """No error: it takes the savepoint back, and carries out what was seen there."""

    def __init__(self, after: Standing, later: Snapshot) -> None:
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
    now = timezone.now()
    before, earlier = change.standing(), take_snapshot(now)
    after, later = _done_and_undone(change, author, now)
    if digest(before) == digest(after):
        raise ChangeUnfit("payload: nothing would change")
    impact = replace(compare(earlier, later), unknown=change.unknown())
    return Rehearsal(before, after, impact)


def _done_and_undone(change: Change, author: UUID, now: datetime) -> tuple[Standing, Snapshot]:
    try:
        # Left by an exception, the block refreshes no cohort: the documents are only computed.
        with transaction.atomic(), refresh_once():
            change.apply(actor=Actor.staff(author))
            _undo(change.standing(), take_snapshot(now))
    except _Undone as seen:
        return seen.after, seen.later
    except REFUSED_BY_DATABASE as refusal:
        raise ChangeUnfit("payload: the database refuses this change as it is written") from refusal


def _undo(after: Standing, later: Snapshot) -> NoReturn:
    raise _Undone(after, later)


@transaction.atomic
def impact_of(kind: str, payload: object) -> Impact:
    """Return whom a change would concern, before anybody proposes it; nothing is changed.

    Raises whatever `propose` would about the payload; agreements and councils are not looked at.
    """
    return rehearse(read_change(kind, payload), author=UUID(int=0)).impact
