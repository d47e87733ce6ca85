"""Council seats: who speaks for the works council of which unit, from when to when."""

from datetime import date
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import CouncilSeat


@transaction.atomic
def give_seat(*, person: UUID, unit: str, valid_from: date, actor: Actor) -> CouncilSeat:
    """Let the person speak for the unit's council from that day on; a repeat returns the seat."""
    if standing := CouncilSeat.objects.filter(**_of(person, unit)).first():
        return standing
    try:
        with transaction.atomic():
            seat = CouncilSeat.objects.create(person=person, unit=unit, valid_from=valid_from)
    except IntegrityError:  # given in the same moment by somebody else
        return CouncilSeat.objects.get(**_of(person, unit))
    ledger.append(events.CouncilSeatGiven(to=person, unit=unit), actor=actor, covers=[seat])
    return seat


@transaction.atomic
def end_seat(*, seat: CouncilSeat, actor: Actor) -> CouncilSeat:
    """End a seat now; votes cast from it before stay. A repeat returns it as it stands."""
    standing = CouncilSeat.objects.select_for_update().get(pk=seat.pk)
    if standing.ended_at:
        return standing
    standing.ended_at = timezone.now()
    standing.save(update_fields=["ended_at"])
    ledger.append(
        events.CouncilSeatEnded(to=standing.person, unit=standing.unit),
        actor=actor,
        covers=[standing],
    )
    return standing


def _of(person: UUID, unit: str) -> dict[str, object]:
    return {"person": person, "unit": unit, "ended_at__isnull": True}
