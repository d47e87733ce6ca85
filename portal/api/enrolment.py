"""POST /api/v1/agents: a machine, approved by its person in the browser, becomes an agent.

The access token of the device flow (RFC 8628) proves the approval and is spent here; the proof,
a JWS by the agent's own key over that token, proves possession of the key.
"""

import base64
import binascii
import hashlib
import json
import time
from typing import Any

from allauth.idp.oidc.models import Token
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
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
from consent.models import Subject
from consent.policy.types import Platform
from portal.accounts import AGENT_CLIENT_ID
from portal.api.authentication import bearer_token
from portal.api.errors import Problem, unknown_token
from portal.api.tokens import new_token, token_hash
from portal.models import AgentToken, User

PROOF_MAX_AGE_SECONDS = 300
PROOF_TYPE = "agent-proof+jwt"


class EnrolIn(serializers.Serializer[dict[str, Any]]):
    """What a machine says about itself when it enrols."""

    name = serializers.CharField(max_length=80)
    platform = serializers.ChoiceField(choices=[p.value for p in Platform if p is not Platform.WEB])
    public_key = serializers.CharField(max_length=64)
    proof = serializers.CharField(max_length=2000)


class EnrolOut(serializers.Serializer[dict[str, Any]]):
    """What a new agent needs from then on; the token is shown this once."""

    agent = serializers.UUIDField()
    token = serializers.CharField()
    issuer = serializers.CharField()
    policy_url = serializers.CharField()
    ack_url = serializers.CharField()
    batches_url = serializers.CharField()
    jwks_url = serializers.CharField()


class EnrolView(APIView):
    """Enrol a machine that its person has approved."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(request=EnrolIn, responses={201: EnrolOut})
    def post(self, request: Request) -> Response:
        """Return the agent's reference and its poll token."""
        access_token = bearer_token(get_authorization_header(request))
        wanted = EnrolIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        key = _checked_key(data["public_key"], data["proof"], access_token or "")
        with transaction.atomic():
            subject = _spend(access_token)
            agent = services.enrol_agent(
                subject=subject,
                name=data["name"],
                platform=Platform(data["platform"]),
                public_key=key,
            )
            token = new_token()
            AgentToken.objects.create(agent=agent, sha256=token_hash(token))
        answer = EnrolOut(
            {
                "agent": agent.ref,
                "token": token,
                "issuer": settings.PUBLIC_URL,
                "policy_url": settings.PUBLIC_URL + reverse("api-policy"),
                "ack_url": settings.PUBLIC_URL + reverse("api-policy-ack"),
                "batches_url": settings.PUBLIC_URL + reverse("api-batches"),
                "jwks_url": settings.PUBLIC_URL + reverse("policy-keys"),
            }
        )
        return Response(answer.data, status=201, headers={"Cache-Control": "no-store"})


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


def _checked_key(public_key: str, proof: str, access_token: str) -> bytes:
    """Return the raw Ed25519 key if the proof is by it, for us, fresh, and about this token."""
    try:
        raw = _decode(public_key)
        head, body, signature = proof.split(".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        Ed25519PublicKey.from_public_bytes(raw).verify(
            _decode(signature), f"{head}.{body}".encode()
        )
        spent = _encode(hashlib.sha256(access_token.encode()).digest())
        fresh = abs(time.time() - int(claims["iat"])) <= PROOF_MAX_AGE_SECONDS
        sound = header["alg"] == "EdDSA" and header["typ"] == PROOF_TYPE
        ours = claims["aud"] == settings.PUBLIC_URL and claims["ath"] == spent
    except (ValueError, KeyError, TypeError, InvalidSignature, binascii.Error):
        fresh = sound = ours = False
        raw = b""
    if not (fresh and sound and ours):
        raise Problem(
            status_code=422,
            code="proof_invalid",
            detail="The proof of possession is not by this key, not for this portal, or too old.",
            next_step="Check the machine's clock and the portal's address, then enrol again.",
        )
    return raw


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
