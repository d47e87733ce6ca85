"""The ledger as it is shown to others than the person: what is a person's own is not told.

Of an entry that is somebody's own (`Event.own`) others learn its number, its hour and its proof:
not what happened, who acted, whom it is about or which row it accounts for. It is found by no
reference and no actor. An entry of a type that this version does not know counts as one.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from audit import selectors
from audit.body import ActorKind
from audit.events import CATALOGUE
from audit.selectors import EntryDetail, EntryRow

OWN: Final = "person.own"
"""What stands in place of the type of an entry that is somebody's own."""
TITLE: Final = "A person's own"
TOLD: Final = frozenset(code for code, kind in CATALOGUE.items() if not kind.own)
"""The types of which others are told."""


def search(
    *,
    type: str | None = None,  # noqa: A002  the field's own name
    actor_kind: ActorKind | None = None,
    subject_ref: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[EntryRow]:
    """Return the newest entries that match, newest first, none of them anybody's own.

    Those are listed, told apart by number and hour only, where the type asked for is `OWN`; then
    neither a person nor an actor narrows the search: with either, nothing is found.
    """
    if type == OWN and (subject_ref or actor_kind):
        return []
    rows = selectors.search(
        type=None if type == OWN else type,
        among=None if type == OWN else TOLD,
        besides=TOLD if type == OWN else None,
        actor_kind=actor_kind,
        subject_ref=subject_ref,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return [_veiled(row) for row in rows]


def entry_detail(entry_id: int) -> EntryDetail | None:
    """Return one entry as others see it; None if there is none.

    Of somebody's own not even whether its detail was erased: who knows whose was, could tell.
    """
    found = selectors.entry_detail(entry_id)
    if found is None or found.row.type in TOLD:
        return found
    return EntryDetail(
        row=_veiled(found.row),
        body={},
        leaf_hash=found.leaf_hash,
        opening="closed",
        subject_ref=None,
        actor_ref=None,
        detail={},
        covers=(),
    )


def _veiled(row: EntryRow) -> EntryRow:
    if row.type in TOLD:
        return row
    hour = row.recorded_at.replace(minute=0, second=0, microsecond=0)
    return replace(
        row,
        type=OWN,
        title=TITLE,
        recorded_at=hour,
        event_time=None,
        imported=False,
        actor_kind="",
        data={},
    )
