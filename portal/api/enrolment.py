"""POST /api/v1/agents: a machine, approved by its person in the browser, becomes an agent.

The access token of the device flow (RFC 8628) proves the approval and is spent here; the proof,
a JWS by the agent's own key over that token, proves possession of the key.
"""

from typing import Any
from uuid import UUID

from allauth.idp.oidc.models import Token
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import services
from consent.models import Agent, Subject
from consent.policy.types import Platform
from portal.accounts import AGENT_CLIENT_ID
from portal.api import proofs
from portal.api.authentication import bearer_token
from portal.api.discovery import addresses_of_agents
from portal.api.errors import Problem, unknown_token
from portal.api.rotation import throttle
from portal.api.tokens import new_token, token_hash
from portal.api.ways import BY_APPROVAL
from portal.fleet.tickets import PREFIX as TICKET
from portal.fleet.tickets import TicketRefused, use_ticket
from portal.models import AgentToken, User
from portal.policykeys import standing


class EnrolIn(serializers.Serializer[dict[str, Any]]):
    """What a machine says about itself when it enrols."""

    name = serializers.CharField(max_length=80, help_text="What the person sees it listed as.")
    platform = serializers.ChoiceField(choices=[p.value for p in Platform if p is not Platform.WEB])
    public_key = serializers.CharField(max_length=100, help_text=proofs.KEY_FORM)
    key_kind = serializers.ChoiceField(choices=Agent.KeyKind.values, default=Agent.KeyKind.ED25519)
    proof = serializers.CharField(
        max_length=2000,
        help_text="A JWS of the type `agent-proof+jwt` by the new key. " + proofs.FORM,
    )
    serial = serializers.CharField(
        max_length=80,
        required=False,
        allow_blank=True,
        default="",
        help_text="Only for a ticket that is bound to one.",
    )


class EnrolOut(serializers.Serializer[dict[str, Any]]):
    """What a new agent needs from then on; the token is shown this once."""

    agent = serializers.UUIDField()
    token = serializers.CharField()
    issuer = serializers.CharField()
    policy_url = serializers.CharField()
    ack_url = serializers.CharField()
    batches_url = serializers.CharField()
    jwks_url = serializers.CharField()
    manifest_url = serializers.CharField()
    # The thumbprint (RFC 7638) of the one key that may sign manifests: to be kept, and compared.
    # The framework has an attribute of this name for fields; on a serializer it means nothing.
    root = serializers.CharField()  # type: ignore[assignment]
    token_url = serializers.CharField()
    rotate_after = serializers.IntegerField()
    key_url = serializers.CharField()
    change_key_after = serializers.IntegerField()
    # Only for a machine that came with a ticket and waits for its person.
    approve_url = serializers.CharField(required=False)
    code = serializers.CharField(required=False)


class EnrolView(APIView):
    """Enrol a machine that its person has approved."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        auth=BY_APPROVAL,
        request=EnrolIn,
        responses={201: EnrolOut},
    )
    def post(self, request: Request) -> Response:
        """Return the agent's reference and its poll token."""
        access_token = bearer_token(get_authorization_header(request))
        wanted = EnrolIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        throttle(token_hash((access_token or "") + data["public_key"]))
        kind = Agent.KeyKind(data["key_kind"])
        key = proofs.checked_key(
            kind=kind,
            public_key=data["public_key"],
            proof=data["proof"],
            secret=access_token or "",
        )
        root = standing.ensure().root  # first: what fails here fails before anybody is enrolled
        if access_token and access_token.startswith(TICKET):
            return _given(root, *_wait(access_token, data, key, kind))
        with transaction.atomic():
            subject = _spend(access_token)
            agent = services.enrol_agent(
                subject=subject,
                name=data["name"],
                platform=Platform(data["platform"]),
                public_key=key,
                key_kind=kind,
            )
            token = new_token()
            AgentToken.objects.create(agent=agent, sha256=token_hash(token))
        return _given(root, agent.ref, token)


def _given(root: str, ref: UUID, token: str, code: str = "") -> Response:
    answer = {
        "agent": ref,
        "token": token,
        "issuer": settings.PUBLIC_URL,
        "root": root,
        **addresses_of_agents(),
        "rotate_after": settings.AGENT_TOKEN_SECONDS,
        "change_key_after": settings.AGENT_KEY_SECONDS,
    }
    if code:
        address = settings.PUBLIC_URL + reverse("you-approve-machine")
        answer |= {"code": code, "approve_url": f"{address}?code={code}"}
    return Response(EnrolOut(answer).data, status=201, headers={"Cache-Control": "no-store"})


def _wait(
    ticket: str, data: dict[str, Any], key: bytes, kind: Agent.KeyKind
) -> tuple[UUID, str, str]:
    """Let a machine with a ticket wait for its person."""
    try:
        machine, token, code = use_ticket(
            secret=ticket,
            serial=data["serial"],
            name=data["name"],
            platform=Platform(data["platform"]),
            public_key=key,
            key_kind=kind,
        )
    except TicketRefused as refusal:
        raise Problem(
            status_code=403,
            code="ticket_refused",
            detail="The ticket is unknown, used up, expired, revoked, or for another machine.",
            next_step="Ask whoever gave it to you for another one.",
        ) from refusal
    return machine.ref, token, code


def _spend(access_token: str | None) -> Subject:
    """Return whose approval the token is, and end the token: it enrols one machine, once."""
    token = (
        Token.objects.lookup_by_value([Token.Type.ACCESS_TOKEN], access_token)
        if access_token
        else None
    )
    if token is None or token.client_id != AGENT_CLIENT_ID:
        raise unknown_token("The approval of the device flow is missing or used up.")
    user = User.objects.select_related("subject").filter(pk=token.user_id or 0).first()
    deleted, _ = Token.objects.filter(pk=token.pk).delete()
    if not deleted:
        raise unknown_token("The approval of the device flow is used up.")
    if user is None or user.subject is None or not user.is_active:
        raise Problem(
            status_code=403,
            code="not_an_employee",
            detail="This login belongs to nobody whose work could be recorded.",
            next_step="Approve the machine with the login of the person who works on it.",
        )
    return user.subject
