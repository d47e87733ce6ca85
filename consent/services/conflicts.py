"""Tasks that laws raise by colliding: on record from when until when, and in the ledger."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Max

from audit import events, ledger
from audit.ledger import Actor
from consent.models import CohortMembership, CohortPolicy, Purpose, RetentionConflict
from consent.policy.clocks import LocalDay, local_days
from consent.rules import rulebook
from consent.selectors.attention import conflicts

SYSTEM: Final = Actor.system("policy")

Looked = tuple[tuple[LocalDay, ...], int | None, int | None]
_looked: list[Looked] = []
"""As of what this process looked last; nothing else can raise or end a conflict."""

Key = tuple[tuple[str, ...], int, int, int]


def follow_conflicts(*, at: datetime) -> int:
    """Raise and end the tasks that today's rules call for; return how many changed.

    Quick where since the last look it became another day in no place, and neither anything shared
    nor anybody's place changed.
    """
    standing = (
        local_days(rulebook().rows, at),
        CohortPolicy.objects.aggregate(last=Max("pk"))["last"],
        CohortMembership.objects.aggregate(last=Max("pk"))["last"],
    )
    if _looked == [standing]:
        return 0
    changed = _follow(at)
    _looked[:] = [standing]
    return changed


@transaction.atomic
def _follow(at: datetime) -> int:
    purposes = dict(Purpose.objects.values_list("code", "pk"))
    wanted: set[Key] = {
        (one.codes, purposes[one.purpose], one.days or 0, one.cap_days or 0)
        for one in conflicts(at)
    }
    rows = RetentionConflict.objects.select_for_update().filter(ended_at__isnull=True)
    known = {_key(row): row for row in rows.order_by("pk")}
    for key in sorted(wanted - set(known)):
        places, purpose, floor, cap = key
        row = RetentionConflict.objects.create(
            jurisdictions=list(places), purpose_id=purpose, floor_days=floor, cap_days=cap
        )
        _say(events.RetentionConflictRaised, row)
    for key in sorted(set(known) - wanted):
        row = known[key]
        row.ended_at = at
        row.save(update_fields=["ended_at"])
        _say(events.RetentionConflictEnded, row)
    return len(wanted ^ set(known))


def _key(row: RetentionConflict) -> Key:
    return tuple(row.jurisdictions), row.purpose_id, row.floor_days, row.cap_days


def _say(
    event: type[events.RetentionConflictRaised | events.RetentionConflictEnded],
    row: RetentionConflict,
) -> None:
    said = event(
        jurisdictions=tuple(row.jurisdictions),
        purpose=row.purpose.code,
        floor_days=row.floor_days,
        cap_days=row.cap_days,
    )
    ledger.append(said, actor=SYSTEM, covers=[row])
