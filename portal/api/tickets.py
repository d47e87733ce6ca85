"""/api/v1/tickets: tickets for machines, for the system that hands machines out."""

from typing import Any, ClassVar

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
from portal.fleet.tickets import LONGEST_DAYS, TicketOfMany, TicketUnbound, make_ticket
from portal.models import ServiceToken


class ServiceOrKeeper(ServiceOrOfficer):
    """A system with a token for tickets, or whoever is signed in."""

    scope: ClassVar = ServiceToken.Scope.TICKETS


class TicketIn(serializers.Serializer[dict[str, Any]]):
    """What the ticket is bound to: exactly one of `serial`, `site` and `cohort` (its digest)."""

    # The framework has an attribute of this name for fields; on a serializer it means nothing.
    label = serializers.CharField(max_length=80)  # type: ignore[assignment]
    serial = serializers.CharField(max_length=80, required=False)
    site = serializers.CharField(max_length=80, required=False)
    cohort = serializers.RegexField(r"\A[0-9a-f]{64}\Z", required=False)
    places = serializers.IntegerField(min_value=1, max_value=100_000, default=1)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=14)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a member that is not known: a misspelt bound would be none."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            raise serializers.ValidationError(dict.fromkeys(unknown, "not known here"))
        return attrs


class TicketOut(serializers.Serializer[dict[str, Any]]):
    """The ticket, shown this once: its secret, and behind the dot our root's thumbprint."""

    uuid = serializers.UUIDField()
    ticket = serializers.CharField()
    expires_at = serializers.DateTimeField()


class CohortOut(serializers.Serializer[dict[str, Any]]):
    """A cohort that a ticket may be bound to, by its digest and in words."""

    cohort = serializers.CharField()
    people_of = serializers.CharField()


class TicketsView(APIView):
    """Make a ticket."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(request=TicketIn, responses={201: TicketOut})
    def post(self, request: Request) -> Response:
        """Return a ticket for one machine by its serial number, or for some of a group."""
        actor = _keeper(request)
        said = TicketIn(data=request.data)
        said.is_valid(raise_exception=True)
        wanted = dict(said.validated_data)
        digest = wanted.pop("cohort", "")
        cohort = _cohort(digest) if digest else None
        try:
            made, ticket = make_ticket(actor=actor, cohort=cohort, **wanted)
        except TicketUnbound as refusal:
            raise Problem(
                status_code=422,
                code="ticket_unbound",
                detail="A ticket is bound to exactly one of a serial number, a site and a cohort.",
                next_step="Name one of `serial`, `site` and `cohort`.",
            ) from refusal
        except TicketOfMany as refusal:
            raise Problem(
                status_code=422,
                code="ticket_of_many",
                detail="A serial number is of one machine.",
                next_step="Leave `places` out, or bind the ticket to a site or a cohort.",
            ) from refusal
        given = TicketOut({"uuid": made.uuid, "ticket": ticket, "expires_at": made.expires_at})
        return Response(given.data, status=201, headers={"Cache-Control": "no-store"})


class TicketCohortsView(APIView):
    """The cohorts that a ticket may be bound to."""

    authentication_classes = [ServiceOrKeeper]

    @extend_schema(responses={200: CohortOut(many=True)})
    def get(self, request: Request) -> Response:
        """Return those of enough people that naming one names nobody."""
        _keeper(request)
        found = [
            {"cohort": cohort.digest, "people_of": groups.words(cohort)}
            for cohort in groups.offered()
        ]
        return Response([CohortOut(one).data for one in found])


def _keeper(request: Request) -> Actor:
    """Return who acts: a system, or a login that may keep tickets. Anybody else is refused."""
    if (actor := acting(request, "tickets")) is None:
        raise Problem(
            status_code=403,
            code="role_missing",
            detail="Only a privacy officer, an operator or a system with a token makes tickets.",
            next_step="Ask one of them for a ticket.",
        )
    return actor


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
