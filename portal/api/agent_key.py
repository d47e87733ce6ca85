"""POST /api/v1/agents/key: an agent names its next key, proven by its own and by that one."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent.models import Agent
from portal.agent_keys import check_by_agent, plan_key
from portal.api import proofs
from portal.api.authentication import bearer_token
from portal.api.rotation import holder_of, throttle
from portal.api.tokens import token_hash
from portal.api.ways import BY_AGENT


class KeyIn(serializers.Serializer[dict[str, Any]]):
    """The new key and two proofs, JWS of the type `agent-key+jwt` over the token and the new key.

    They are as the one of a new token is, but for what they are over: `ath` is the SHA-256 of the
    token, a dot, and `public_key` as given here.
    """

    public_key = serializers.CharField(max_length=100, help_text=proofs.KEY_FORM)
    key_kind = serializers.ChoiceField(choices=Agent.KeyKind.values)
    proof = serializers.CharField(max_length=2000, help_text="By the key that the agent has.")
    new_proof = serializers.CharField(max_length=2000, help_text="By the new key.")


class KeyOut(serializers.Serializer[dict[str, Any]]):
    """When to change the key again; the old one is good until the new one is first used."""

    change_key_after = serializers.IntegerField()


class KeyView(APIView):
    """Plan the agent's next key."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        auth=BY_AGENT,
        request=KeyIn,
        responses={200: KeyOut},
    )
    def post(self, request: Request) -> Response:
        """Take the key. The next proof by it makes it the agent's own; asking again is harmless."""
        token = bearer_token(get_authorization_header(request)) or ""
        throttle(token_hash(token))
        holder = holder_of(token)
        said = KeyIn(data=request.data)
        said.is_valid(raise_exception=True)
        data = said.validated_data
        kind, secret = Agent.KeyKind(data["key_kind"]), f"{token}.{data['public_key']}"
        key = proofs.checked_key(
            kind=kind,
            public_key=data["public_key"],
            proof=data["new_proof"],
            secret=secret,
            typ=proofs.CHANGE,
        )
        check_by_agent(holder, data["proof"], typ=proofs.CHANGE, secret=secret)
        plan_key(holder=holder, public_key=key, key_kind=kind)
        return Response(KeyOut({"change_key_after": settings.AGENT_KEY_SECONDS}).data)
