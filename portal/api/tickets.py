"""/api/v1/tickets: tickets for machines, for the system that hands machines out."""

from typing import Any, ClassVar
from uuid import uuid4

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.ledger import Actor
from consent.models import Cohort
from portal.api.errors import Problem
from portal.api.facts import ServiceOrOfficer, acting
from portal.fleet import groups
from portal.fleet.sets import (
    LONGEST_DAYS,
    LONGEST_SERIAL,
    MOST,
    Made,
    RequestAnswered,
    RequestDiffers,
    SerialTwice,
    TicketOfMany,
    TicketUnbound,
    make_tickets,
)
from portal.models import ServiceToken


class ServiceOrKeeper(ServiceOrOfficer):
    """A system with a token for tickets, or whoever is signed in."""

    scope: ClassVar = ServiceToken.Scope.TICKETS


class TicketIn(serializers.Serializer[dict[str, Any]]):
    """What the tickets are bound to: one of `serials`, `site` and `cohort` (its digest).

    Each is for one machine: one for each serial number, or `count` of them for a site or a cohort.
    """

    # The framework has an attribute of this name for fields; on a serializer it means nothing.
    label = serializers.CharField(max_length=80)  # type: ignore[assignment]
    serials = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_SERIAL),
        required=False,
        allow_empty=False,
        max_length=MOST,
    )
    site = serializers.CharField(max_length=80, required=False)
    cohort = serializers.RegexField(r"\A[0-9a-f]{64}\Z", required=False)
    count = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=14)
    request = serializers.UUIDField(default=uuid4)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a member that is not known: a misspelt bound would be none."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            raise serializers.ValidationError(dict.fromkeys(unknown, "not known here"))
        return attrs


class HandedOut(serializers.Serializer[Any]):
    """For one machine: the ticket's secret, and behind the dot our root's thumbprint."""

    number = serializers.IntegerField()
    serial = serializers.CharField()
    ticket = serializers.CharField()


class TicketOut(serializers.Serializer[dict[str, Any]]):
    """A set of tickets, shown this once. A serial number is empty where there is none."""

    uuid = serializers.UUIDField()
    expires_at = serializers.DateTimeField()
    tickets = HandedOut(many=True)


class CohortOut(serializers.Serializer[dict[str, Any]]):
    """A cohort that a ticket may be bound to, by its digest and in words."""

    cohort = serializers.CharField()
    people_of = serializers.CharField()


def make(request: Request) -> Response:
    """Make what is asked for: 201; 200 where it had been made and its answer got lost."""
    actor = keeper(request)
    said = TicketIn(data=request.data)
    said.is_valid(raise_exception=True)
    wanted = dict(said.validated_data)
    digest = wanted.pop("cohort", "")
    made = _made(actor=actor, cohort=_cohort(digest) if digest else None, **wanted)
    first = made.ticket_set.tickets.get(number=1)
    given = TicketOut(
        {
            "uuid": made.ticket_set.uuid,
            "expires_at": first.expires_at,
            "tickets": [one._asdict() for one in made.handed],
        }
    )
    status = 201 if made.is_new else 200
    return Response(given.data, status=status, headers={"Cache-Control": "no-store"})


class TicketCohortsView(APIView):
    """The cohorts that a ticket may be bound to."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(responses={200: CohortOut(many=True)})
    def get(self, request: Request) -> Response:
        """Return those of enough people that naming one names nobody."""
        keeper(request)
        found = [
            {"cohort": cohort.digest, "people_of": groups.words(cohort)}
            for cohort in groups.offered()
        ]
        return Response([CohortOut(one).data for one in found])


def keeper(request: Request) -> Actor:
    """Return who acts: a system, or a login that may keep tickets. Anybody else is refused."""
    if (actor := acting(request, "tickets")) is None:
        raise Problem(
            status_code=403,
            code="role_missing",
            detail="Only a privacy officer, an operator or a system with a token makes tickets.",
            next_step="Ask one of them for a ticket.",
        )
    return actor


def _made(**wanted: Any) -> Made:
    try:
        return make_tickets(**wanted)
    except TicketUnbound as refusal:
        raise Problem(
            status_code=422,
            code="ticket_unbound",
            detail="Tickets are bound to exactly one of serial numbers, a site and a cohort.",
            next_step="Name one of `serials`, `site` and `cohort`.",
        ) from refusal
    except TicketOfMany as refusal:
        raise Problem(
            status_code=422,
            code="ticket_of_many",
            detail="Each serial number gets one ticket.",
            next_step="Leave `count` out, or bind the tickets to a site or a cohort.",
        ) from refusal
    except SerialTwice as refusal:
        raise Problem(
            status_code=422,
            code="serial_twice",
            detail="A serial number stands in the list more than once.",
            next_step="Name each machine once; `place` says where one stands again.",
            place=refusal.place,
        ) from refusal
    except RequestDiffers as refusal:
        raise Problem(
            status_code=409,
            code="request_differs",
            detail="Something else was asked for under this `request` already.",
            next_step="Ask for it under a new `request`.",
        ) from refusal
    except RequestAnswered as refusal:
        raise Problem(
            status_code=409,
            code="request_answered",
            detail="The tickets of this `request` arrived: one of them was used, or was ended.",
            next_step="Ask for more under a new `request`.",
        ) from refusal


def _cohort(digest: str) -> Cohort:
    for cohort in groups.offered():
        if cohort.digest == digest:
            return cohort
    raise Problem(
        status_code=404,
        code="cohort_unknown",
        detail="There is no such cohort, or so few people are in it that it is not named.",
        next_step="Look at /api/v1/tickets/cohorts.",
    )
