"""POST /api/v1/agents/token: an agent changes its poll token, proving that it holds its key."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal import holders
from portal.agent_keys import check_by_agent
from portal.api import pace, proofs
from portal.api.authentication import as_problem, bearer_token
from portal.api.errors import Problem
from portal.api.tokens import token_hash
from portal.api.ways import BY_AGENT
from portal.endpoint import answer
from portal.endpoint.answer import Refusal
from portal.endpoint.limits import Buckets
from portal.holders import Holder
from portal.rotation import ProofUsed, Rotated, TokenGivenUp, rotate_token

BURST: Final = 10
_buckets = Buckets(BURST)


class RotateIn(serializers.Serializer[dict[str, Any]]):
    """The proof, a JWS of the type `agent-rotation+jwt` by the agent's key over the old token."""

    proof = serializers.CharField(max_length=2000, help_text=proofs.FORM)


class RotateOut(serializers.Serializer[dict[str, Any]]):
    """The new token, shown this once; the old one works until it is used, at most so long."""

    token = serializers.CharField()
    old_until = serializers.DateTimeField()
    rotate_after = serializers.IntegerField()
    change_key_after = serializers.IntegerField()


class RotateView(APIView):
    """Change the poll token."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        auth=BY_AGENT,
        request=RotateIn,
        responses={201: RotateOut},
    )
    def post(self, request: Request) -> Response:
        """Return a new token. Asking again is harmless: it replaces one that was never used."""
        token = bearer_token(get_authorization_header(request)) or ""
        throttle(token_hash(token))
        holder = holder_of(token)  # before all else: whoever is cut off hears that first
        said = RotateIn(data=request.data)
        said.is_valid(raise_exception=True)
        rotated = _rotate(holder, token, said.validated_data["proof"])
        given = RotateOut(
            {
                "token": rotated.token,
                "old_until": rotated.old_until,
                "rotate_after": settings.AGENT_TOKEN_SECONDS,
                "change_key_after": settings.AGENT_KEY_SECONDS,
            }
        )
        return Response(given.data, status=201, headers={"Cache-Control": "no-store"})


def throttle(who: bytes) -> None:
    """Count a request by a credential; raise Problem 429 where it was one too many.

    By the credential and never by the address: a whole company may share one.
    """
    pace.count(_buckets, who)


def _rotate(holder: Holder, token: str, proof: str) -> Rotated:
    check_by_agent(holder, proof, typ=proofs.ROTATE, secret=token)
    try:
        return rotate_token(holder=holder, proof=proof)
    except TokenGivenUp:
        return _rotate(holder_of(token), token, proof)  # is answered as what it is by now
    except ProofUsed as error:
        raise Problem(
            status_code=409,
            code="proof_used",
            detail="This proof has brought a token already.",
            next_step="Sign a new proof, with another `jti`, and ask again.",
        ) from error


def holder_of(token: str) -> Holder:
    """Return who asks. A token whose time beside a new one is over is still good for this.

    So a machine that was off while its new token got lost comes back by its key alone.
    """
    digest = token_hash(token)
    found = holders.judge(digest)
    if found is answer.TOKEN_ENDED:
        found = holders.find(digest) or answer.UNKNOWN
    if isinstance(found, Refusal):
        raise as_problem(found)
    return found
