"""/api/v1/facts: dated facts about people, for the systems that know where somebody works.

Whoever asks is such a system with its own token, or a privacy officer who is signed in. A person is
named in the body, by reference or login address, so that neither stands in an address or a log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.ledger import Actor
from consent import services
from consent.exceptions import ConsentError, NotKnownHere
from consent.models import Subject, SubjectFact
from portal import personfacts
from portal.api.authentication import bearer_token
from portal.api.errors import Problem
from portal.api.login import signed_in
from portal.models import ServiceToken
from portal.people import AREAS, actor_of, roles_of
from portal.service_tokens import service_of

T = TypeVar("T")
CHANNEL: Final = "api"


@dataclass(frozen=True)
class Service:
    """Another system of the organisation, by its token."""

    name: str
    is_authenticated: bool = True
    is_active: bool = True


class ServiceOrOfficer(BaseAuthentication):
    """A system by its token, or else whoever is signed in."""

    scope: ClassVar = ServiceToken.Scope.FACTS

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Return the caller; nobody is anonymous."""
        if header := get_authorization_header(request):
            token = bearer_token(header)
            found = service_of(token, self.scope) if token else None
            if found is None:
                raise _unknown()
            return Service(found.name), ""
        if (caller := signed_in(request)) is None:
            raise _unknown()
        return caller

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401 as RFC 9110 asks."""
        return "Bearer"


class PersonIn(serializers.Serializer[dict[str, Any]]):
    """Whose facts: a reference, or the address they sign in with."""

    person = serializers.CharField(max_length=254)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a member that is not known, such as a misspelt `valid_until`."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            raise serializers.ValidationError(dict.fromkeys(unknown, "not known here"))
        return attrs


class FactIn(PersonIn):
    """One fact to record; `source` is the caller's own name unless it says another."""

    kind = serializers.ChoiceField(choices=SubjectFact.Kind.choices)
    value = serializers.CharField(max_length=80)
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(required=False, allow_null=True)
    # The framework has an attribute of this name for fields; on a serializer it means nothing.
    source = serializers.RegexField(personfacts.SOURCE, required=False)  # type: ignore[assignment]


class EndIn(PersonIn):
    """Which fact ends, named by what it says, and on which day it no longer holds."""

    kind = serializers.ChoiceField(choices=SubjectFact.Kind.choices)
    value = serializers.CharField(max_length=80)
    valid_from = serializers.DateField()
    valid_until = serializers.DateField()


class FactOut(serializers.Serializer[SubjectFact]):
    """One fact; half-open: it does not hold on `valid_until` any more."""

    kind = serializers.CharField()
    value = serializers.CharField()
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    recorded_at = serializers.DateTimeField()


class TurnOut(serializers.Serializer[personfacts.Turn]):
    """From a day on, the rules of these places apply."""

    day = serializers.DateField()
    places = serializers.ListField(child=serializers.CharField())
    sites = serializers.ListField(child=serializers.CharField())


class FactsOut(serializers.Serializer[dict[str, Any]]):
    """What is recorded about somebody, and which rules follow from it, from when on."""

    facts = FactOut(many=True)
    turns = TurnOut(many=True)


class FactsView(APIView):
    """Record one fact."""

    authentication_classes = [ServiceOrOfficer]

    @extend_schema(request=FactIn, responses={200: FactOut, 201: FactOut})
    def post(self, request: Request) -> Response:
        """Record it: 201. A repeat finds it as it stands: 200. The rules follow at once."""
        actor, said = _caller(request), _said(FactIn, request)
        itself = request.user.name if isinstance(request.user, Service) else "privacy-team"
        form = personfacts.FactForm({"source": itself, **said})
        if not form.is_valid():
            raise serializers.ValidationError(form.problems())
        subject = _person(said)
        newest = subject.facts.order_by("-pk").values_list("pk", flat=True).first() or 0
        fact = _refusing(lambda: personfacts.record(subject, form.cleaned_data, actor=actor))
        return _answer(FactOut(fact).data, status=201 if fact.pk > newest else 200)


class FactsEndView(APIView):
    """End one fact."""

    authentication_classes = [ServiceOrOfficer]

    @extend_schema(request=EndIn, responses={200: FactOut})
    def post(self, request: Request) -> Response:
        """Let it hold until a day, and not on it; a repeat returns what stands."""
        actor, said = _caller(request), _said(EndIn, request)
        subject = _person(said)
        fact = _refusing(
            lambda: services.end_fact(
                fact=personfacts.same_fact(
                    subject, kind=said["kind"], value=said["value"], valid_from=said["valid_from"]
                ),
                valid_until=said["valid_until"],
                actor=actor,
            )
        )
        return _answer(FactOut(fact).data)


class FactsSearchView(APIView):
    """Look at what is recorded about somebody."""

    authentication_classes = [ServiceOrOfficer]

    @extend_schema(request=PersonIn, responses={200: FactsOut})
    def post(self, request: Request) -> Response:
        """Return every fact and which rules follow; that it was looked at is recorded first."""
        actor, said = _caller(request), _said(PersonIn, request)
        subject = _person(said)
        facts = personfacts.looked_at(subject, actor=actor, channel=CHANNEL)
        turns = personfacts.turns(subject, at=timezone.now())
        return _answer(FactsOut({"facts": facts, "turns": turns}).data)


def acting(request: Request, area: str) -> Actor | None:
    """Return who acts: a system, or a login whose role opens the area; None for anybody else."""
    if isinstance(request.user, Service):
        return Actor.system(request.user.name)
    login = request._request  # noqa: SLF001  roles hang on Django's own request
    return actor_of(login) if roles_of(login) & AREAS[area] else None


def _caller(request: Request) -> Actor:
    """Return who acts: a system, or a privacy officer. Anybody else is refused."""
    if (actor := acting(request, "privacy")) is None:
        raise Problem(
            status_code=403,
            code="role_missing",
            detail="Only a privacy officer, or a system with a token for it, keeps facts.",
            next_step="Your own facts stand on your own page.",
        )
    return actor


def _said(reader: type[PersonIn], request: Request) -> dict[str, Any]:
    wanted = reader(data=request.data)
    wanted.is_valid(raise_exception=True)
    return dict(wanted.validated_data)


def _person(said: dict[str, Any]) -> Subject:
    return _refusing(lambda: personfacts.find_person(said["person"]))


def _refusing(act: Callable[[], T]) -> T:
    """Return what the act returns; its refusal becomes a problem with the same code."""
    try:
        return act()
    except ConsentError as refusal:
        raise Problem(
            status_code=404 if isinstance(refusal, NotKnownHere) else 422,
            code=refusal.code,
            detail=refusal.detail,
            next_step=refusal.next_step,
        ) from refusal


def _answer(data: Any, status: int = 200) -> Response:
    return Response(data, status=status, headers={"Cache-Control": "no-store"})


def _unknown() -> Problem:
    return Problem(
        status_code=401,
        code="token_unknown",
        detail="A bearer token of another system, given for this, or a login is needed.",
        next_step="Ask who runs the installation for a token: manage.py service_token.",
    )
