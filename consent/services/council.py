"""Council seats: who speaks for the works council of which unit, from when to when.

The council keeps its own seats: whoever holds one in a unit gives and ends those of that unit. The
first one, and what is left where nobody sits any more, is for whoever runs the installation. The
privacy team, which asks the council, has no hand in it; the database holds that as well.
"""

from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import CouncilSeat, Proposal
from consent.selectors.proposals import OPEN_STATES
from consent.services.proposals import one_change_at_a_time
from consent.services.refused import in_words


@in_words
@transaction.atomic
def give_seat(
    *, person: UUID, unit: str, valid_from: date, actor: Actor, by: UUID | None = None
) -> CouncilSeat:
    """Let the person speak for the unit's council from that day on; a repeat returns the seat.

    `by` is the member who hands it on; without one it is whoever runs the installation. Raises
    SeatNotYours or SeatConflict; then nothing changed.
    """
    # No change is proposed or made meanwhile: else its author could take a seat that nobody saw.
    # Nor is another seat given or ended, such as that of who gives this one.
    one_change_at_a_time()
    if standing := CouncilSeat.objects.filter(_of(person, unit)).first():
        return standing
    _refuse(unit, by, takes=person)
    seat = CouncilSeat.objects.create(person=person, unit=unit, valid_from=valid_from, given_by=by)
    ledger.append(events.CouncilSeatGiven(to=person, unit=unit), actor=actor, covers=[seat])
    return seat


@in_words
@transaction.atomic
def end_seat(*, seat: CouncilSeat, actor: Actor, by: UUID | None = None) -> CouncilSeat:
    """End a seat now. A veto cast from it stands; a yes counts no more where nothing is decided.

    A repeat returns the seat as it stands.

    Raises SeatNotYours or SeatConflict as `give_seat` does.
    """
    # First its row, as votes do, which rely on it: so no two wait for each other.
    standing = CouncilSeat.objects.select_for_update().get(pk=seat.pk)
    if standing.ended_at:
        return standing
    one_change_at_a_time()
    _refuse(standing.unit, by)
    standing.ended_at, standing.ended_by = timezone.now(), by
    standing.save(update_fields=["ended_at", "ended_by"])
    ledger.append(
        events.CouncilSeatEnded(to=standing.person, unit=standing.unit),
        actor=actor,
        covers=[standing],
    )
    return standing


def _refuse(unit: str, by: UUID | None, takes: UUID | None = None) -> None:
    """Refuse hands that are not the council's, and those of who waits for the council's word."""
    if by is not None:
        seats = CouncilSeat.objects.filter(_of(by, unit), valid_from__lte=timezone.now().date())
        if by == takes or not seats.exists():
            raise exceptions.SeatNotYours
    asked = Proposal.objects.filter(state__in=OPEN_STATES, council_units__contains=[unit])
    if asked.filter(proposed_by__in=[one for one in (by, takes) if one]).exists():
        raise exceptions.SeatConflict


def _of(person: UUID | None, unit: str) -> Q:
    return Q(person=person, unit=unit, ended_at__isnull=True)
