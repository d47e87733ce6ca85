"""GET /api/v1/policy: the lease, or 304 while the one the agent has still says what is true.

`answer` holds the whole decision and knows nothing of HTTP frameworks, so that the plain view and
every faster way to it give the same answer.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import exceptions, services
from portal.api.authentication import agent_for, agent_of, bearer_token
from portal.api.errors import Problem
from portal.api.signing import key_set, sign_policy


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one answer to a poll."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def answer(
    token: str | None, if_none_match: str | None, prefer: str | None, now: datetime
) -> Answer:
    """Return what the holder of `token` is told at `now`.

    200 with a signed policy, or 304 when `if_none_match` names the policy in force. Raises the
    API's problems for a token that is unknown (401) or an agent that is revoked (403).
    `prefer` may ask to wait for a change (RFC 7240); it is answered at once.
    """
    agent = agent_for(token)
    standing = services.policy_in_force(agent=agent, at=now)
    headers = {
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "Policy-Poll": f"interval={settings.POLICY_POLL_SECONDS}, jitter=0.2",
    }
    if standing and if_none_match and etag(standing.version) in _tags(if_none_match):
        return Answer(304, {**headers, "ETag": etag(standing.version)})
    lease = services.issue_policy(agent=agent, at=now)
    return Answer(
        200,
        {
            **headers,
            "ETag": etag(lease.policy.version),
            "Content-Type": "application/policy+jwt",
        },
        sign_policy(lease.document).encode("ascii"),
    )


def etag(version: int) -> str:
    """Return the entity tag of a policy; versions never repeat for an agent."""
    return f'"{version}"'


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


class PolicyView(APIView):
    """The policy in force for this agent."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        responses={
            (200, "application/policy+jwt"): OpenApiResponse(str, "A signed policy (JWS, EdDSA)."),
            304: OpenApiResponse(description="The policy named by If-None-Match is in force."),
        }
    )
    def get(self, request: Request) -> HttpResponse:
        """Return a signed policy, or 304."""
        given = answer(
            bearer_token(request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1")),
            request.META.get("HTTP_IF_NONE_MATCH"),
            request.META.get("HTTP_PREFER"),
            timezone.now(),
        )
        return HttpResponse(given.body, status=given.status, headers=given.headers)


class AcknowledgeIn(serializers.Serializer[dict[str, Any]]):
    """What an agent reports after applying a policy."""

    version = serializers.IntegerField(min_value=1)
    applied_at = serializers.DateTimeField()
    purged = serializers.BooleanField()


class AcknowledgeView(APIView):
    """The agent's word that a version is applied, and that what it forbids is purged."""

    @extend_schema(request=AcknowledgeIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Record the acknowledgement; a repeat changes nothing."""
        said = AcknowledgeIn(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            services.acknowledge_policy(agent=agent_of(request), **said.validated_data)
        except exceptions.PolicyNeverIssued as refusal:
            raise Problem(
                status_code=422,
                code=refusal.code,
                detail=refusal.detail,
                next_step=refusal.next_step,
            ) from refusal
        return Response(status=204)


@require_safe
def policy_keys(request: HttpRequest) -> JsonResponse:
    """The public keys that policies are signed with (RFC 7517)."""
    response = JsonResponse(key_set())
    response["Cache-Control"] = "public, max-age=300"
    return response
