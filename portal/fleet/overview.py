"""What is told of tickets: how many of a set stand how, and what became of each.

Which key used one, never whether a person approved: that they did is theirs to tell.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.translation import gettext as _

from portal.fleet import groups
from portal.fleet.models import EnrolmentTicket, PendingMachine, TicketSet


class State(StrEnum):
    """How a ticket stands. What was used stays used, also when it is ended afterwards."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    ENDED = "ended"


class Use(NamedTuple):
    """Which machine used a ticket: by its platform and its key, as that machine shows it."""

    platform: str
    key_sha256: str


class SetTold(NamedTuple):
    """A set, and how many of its tickets stand how."""

    ticket_set: TicketSet
    bound_to: str
    total: int
    states: dict[State, int]
    shown_again: int
    last_used_at: datetime | None
    expires_at: datetime


def states_at(now: datetime) -> dict[State, Q]:
    """Return which tickets of sets stand how at an instant; each stands in exactly one way."""
    unused = Q(used=0)
    return {
        State.USED: ~unused,
        State.ENDED: unused & Q(revoked_at__isnull=False),
        State.EXPIRED: unused & Q(revoked_at=None, expires_at__lte=now),
        State.OPEN: unused & Q(revoked_at=None, expires_at__gt=now),
    }


def state_of(ticket: EnrolmentTicket, now: datetime) -> State:
    """Return how a ticket of a set stands."""
    if ticket.used:
        return State.USED
    if ticket.revoked_at:
        return State.ENDED
    return State.EXPIRED if ticket.expires_at <= now else State.OPEN


def told(sets: Iterable[TicketSet], now: datetime) -> list[SetTold]:
    """Return what is told of these sets, in their order."""
    listed = list(sets)
    tickets = EnrolmentTicket.objects.filter(ticket_set__in=listed)
    rows: Any = tickets.values("ticket_set").annotate(
        total=Count("pk"),
        shown_again=Count("pk", filter=Q(shown_again_at__isnull=False)),
        last_used=Max("last_used_at"),
        expires=Min("expires_at"),
        **{f"n_{state}": Count("pk", filter=those) for state, those in states_at(now).items()},
    )
    counted = {row["ticket_set"]: row for row in rows}
    firsts = {
        ticket.ticket_set_id: ticket for ticket in tickets.filter(number=1).select_related("cohort")
    }
    return [
        SetTold(
            ticket_set=one,
            bound_to=bound_to(firsts[one.pk]),
            total=counted[one.pk]["total"],
            states={state: counted[one.pk][f"n_{state}"] for state in State},
            shown_again=counted[one.pk]["shown_again"],
            last_used_at=counted[one.pk]["last_used"],
            expires_at=counted[one.pk]["expires"],
        )
        for one in listed
    ]


def bound_to(ticket: EnrolmentTicket) -> str:
    """Return in words what a ticket, and every other of its set, is bound to."""
    if ticket.cohort:
        return groups.words(ticket.cohort)
    if ticket.site:
        return ticket.site
    return _("a serial number each") if ticket.ticket_set_id else _("one serial number")


def uses(tickets: Iterable[EnrolmentTicket]) -> dict[int, Use]:
    """Return which machine used each of the tickets of sets; what is unused is missing."""
    machines = PendingMachine.objects.filter(ticket__in=[ticket.pk for ticket in tickets])
    return {
        machine.ticket_id: Use(machine.platform, sha256(machine.public_key).hexdigest())
        for machine in machines
    }


def earlier() -> QuerySet[EnrolmentTicket]:
    """Return the tickets from before each was good for one machine only, the newest first."""
    found = EnrolmentTicket.objects.filter(ticket_set=None)
    return found.select_related("cohort").order_by("-pk")
