"""/api/v1/tickets and below: what became of tickets, and ending them. No answer holds a secret."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api import tickets
from portal.api.errors import Problem
from portal.api.tickets import ServiceOrKeeper, TicketIn, TicketOut, keeper
from portal.fleet import ending, overview
from portal.fleet.models import EnrolmentTicket, TicketSet
from portal.fleet.overview import SetTold, State, Use

NEWEST: Final = 100


class CountsOut(serializers.Serializer[Any]):
    """How many tickets stand how; each stands in one way."""

    open = serializers.IntegerField()
    used = serializers.IntegerField()
    expired = serializers.IntegerField()
    ended = serializers.IntegerField()
    shown_again = serializers.IntegerField(help_text="of those used, by another machine")


class SetOut(serializers.Serializer[Any]):
    """A set of tickets."""

    uuid = serializers.UUIDField()
    # The framework has an attribute of this name for fields; on a serializer it means nothing.
    label = serializers.CharField()  # type: ignore[assignment]
    bound_to = serializers.CharField()
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    total = serializers.IntegerField()
    counts = CountsOut()


class MachineOut(serializers.Serializer[Use]):
    """The machine that used a ticket, as it says itself: `sayso-agent status`."""

    platform = serializers.CharField()
    key_sha256 = serializers.CharField()


class OneOut(serializers.Serializer[Any]):
    """One ticket of a set."""

    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    used_at = serializers.DateTimeField(allow_null=True)
    machine = MachineOut(allow_null=True)
    shown_again_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class SetWithTicketsOut(SetOut):
    """A set, and each of its tickets."""

    tickets = OneOut(many=True)


class EndedOut(serializers.Serializer[Any]):
    """How many open tickets were ended."""

    ended = serializers.IntegerField()


class TicketsView(APIView):
    """Make tickets, and look at what was made."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(request=TicketIn, responses={200: TicketOut, 201: TicketOut})
    def post(self, request: Request) -> Response:
        """Return tickets, each for one machine, once. The same `request` again makes no more."""
        return tickets.make(request)

    @extend_schema(responses={200: SetOut(many=True)})
    def get(self, request: Request) -> Response:
        """Return the newest hundred sets, and how many tickets of each stand how."""
        keeper(request)
        newest = TicketSet.objects.order_by("-pk")[:NEWEST]
        found = overview.told(newest, timezone.now())
        return _answer([SetOut(_set(told)).data for told in found])


class TicketSetView(APIView):
    """One set of tickets."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(responses={200: SetWithTicketsOut})
    def get(self, request: Request, uuid: UUID) -> Response:
        """Return how each of its tickets stands, when it was used, and with which key."""
        keeper(request)
        now, found = timezone.now(), TicketSet.objects.filter(uuid=uuid)
        told = overview.told(found, now)
        if not told:
            raise _unknown()
        rows = list(told[0].ticket_set.tickets.order_by("number"))
        uses = overview.uses(rows)
        listed = [_one(row, uses.get(row.pk), now) for row in rows]
        return _answer(SetWithTicketsOut({**_set(told[0]), "tickets": listed}).data)


class TicketSetEndView(APIView):
    """The end of a set."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(operation_id="v1_tickets_end_open", request=None, responses={200: EndedOut})
    def post(self, request: Request, uuid: UUID) -> Response:
        """End the tickets that nobody used yet; a repeat finds none. Those used stay."""
        actor = keeper(request)
        try:
            ended = ending.end_tickets(uuid=uuid, actor=actor)
        except TicketSet.DoesNotExist as unknown:
            raise _unknown() from unknown
        return _answer(EndedOut({"ended": ended}).data)


class TicketEndView(APIView):
    """The end of one ticket."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(operation_id="v1_tickets_end_one", request=None, responses={200: OneOut})
    def post(self, request: Request, uuid: UUID, number: int) -> Response:
        """End it, and the machine that waits because of it. A repeat returns what stands."""
        actor = keeper(request)
        try:
            row = ending.end_ticket(uuid=uuid, number=number, actor=actor)
        except EnrolmentTicket.DoesNotExist as unknown:
            raise _unknown() from unknown
        return _answer(OneOut(_one(row, overview.uses([row]).get(row.pk), timezone.now())).data)


def _set(told: SetTold) -> dict[str, Any]:
    return {
        "uuid": told.ticket_set.uuid,
        "label": told.ticket_set.label,
        "bound_to": told.bound_to,
        "made_at": told.ticket_set.made_at,
        "expires_at": told.expires_at,
        "total": told.total,
        "counts": {
            **{state.value: count for state, count in told.states.items()},
            "shown_again": told.shown_again,
        },
    }


def _one(row: EnrolmentTicket, use: Use | None, now: datetime) -> dict[str, Any]:
    return {
        "number": row.number,
        "state": overview.state_of(row, now).value,
        "used_at": row.last_used_at,
        "machine": use,
        "shown_again_at": row.shown_again_at,
        "ended_at": row.revoked_at,
    }


def _answer(data: Any) -> Response:
    return Response(data, headers={"Cache-Control": "no-store"})


def _unknown() -> Problem:
    return Problem(
        status_code=404,
        code="ticket_unknown",
        detail="There is no such ticket, or no such set of tickets.",
        next_step="Look at /api/v1/tickets.",
    )
