"""Ending tickets: the open ones of a set, or one."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from portal.fleet.models import EnrolmentTicket, TicketSet


@transaction.atomic
def end_tickets(*, uuid: UUID, actor: Actor) -> int:
    """End the tickets of a set that nobody used yet; return how many. A repeat ends none.

    Also ends one that was made for several machines, by its own number, and those that wait
    because of it. Raises TicketSet.DoesNotExist.
    """
    earlier = EnrolmentTicket.objects.filter(ticket_set=None, uuid=uuid)
    if earlier.exists():
        rows = earlier.filter(revoked_at=None)
        return _end(list(rows.select_for_update()), actor, ticket=uuid)
    found = TicketSet.objects.get(uuid=uuid)
    unused = found.tickets.filter(used=0, revoked_at=None, expires_at__gt=timezone.now())
    return _end(list(unused.select_for_update().order_by("number")), actor, ticket_set=uuid)


@transaction.atomic
def end_ticket(*, uuid: UUID, number: int, actor: Actor) -> EnrolmentTicket:
    """End one ticket of a set, and the machine that waits because of it; a repeat changes nothing.

    Raises EnrolmentTicket.DoesNotExist.
    """
    # The ticket alone: what a set is never changes, so nobody may lock it.
    held = EnrolmentTicket.objects.select_for_update(of=("self",))
    ticket = held.get(ticket_set__uuid=uuid, number=number)
    if ticket.revoked_at is None:
        _end([ticket], actor, ticket=ticket.uuid)
        ticket.refresh_from_db()
    return ticket


def _end(
    rows: Sequence[EnrolmentTicket],
    actor: Actor,
    *,
    ticket: UUID | None = None,
    ticket_set: UUID | None = None,
) -> int:
    if not rows:
        return 0
    ended = EnrolmentTicket.objects.filter(pk__in=[row.pk for row in rows])
    ended.update(revoked_at=timezone.now())
    ledger.append(
        events.TicketRevoked(tickets=len(rows), ticket=ticket, ticket_set=ticket_set),
        actor=actor,
        covers=rows,
    )
    return len(rows)
