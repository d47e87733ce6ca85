"""GET /api/v1/policy: the lease, or 304 while the one the agent has still says what is true.

What is answered is decided in portal.endpoint; under ASGI polls do not come this far.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import consent.policy
from consent import exceptions, services
from portal.api import pace
from portal.api.authentication import agent_of, bearer_token
from portal.api.bounds import LARGEST, Stamp
from portal.api.errors import Problem
from portal.api.signing import key_set
from portal.api.turns import InTurn
from portal.api.ways import BY_AGENT
from portal.endpoint.answer import Answer
from portal.endpoint.limits import Buckets
from portal.endpoint.view import head, poll
from portal.policykeys import standing
from portal.policykeys.manifest import TYPE as MANIFEST_TYPE

_acknowledged = Buckets(pace.BURST)


class PolicyView(APIView):
    """The policy in force for this agent."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        auth=BY_AGENT,
        parameters=[
            OpenApiParameter(
                "If-None-Match",
                str,
                OpenApiParameter.HEADER,
                description="The `ETag` of the policy that the agent has.",
            ),
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description="`wait=30`: answer when something changes, or after so many seconds.",
            ),
        ],
        responses={
            (200, "application/policy+jwt"): OpenApiResponse(str, "A signed policy (JWS, EdDSA)."),
            304: OpenApiResponse(description="The policy named by If-None-Match is in force."),
            401: OpenApiResponse(description="No enrolled agent holds the token."),
            403: OpenApiResponse(description="The agent is revoked, or its person has left."),
            409: OpenApiResponse(description="While waiting: stop, and ask for the policy again."),
            429: OpenApiResponse(description="Asked too often; see Retry-After."),
            503: OpenApiResponse(description="Nothing that allows can be said now."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Return a signed policy, or 304."""
        token = bearer_token(get_authorization_header(request))
        named, prefer = (request.META.get(f"HTTP_{name}") for name in ("IF_NONE_MATCH", "PREFER"))
        return _as_response(poll(token, named, prefer))

    @extend_schema(exclude=True)
    def head(self, request: Request) -> HttpResponse:
        """Return the headers of the policy in force; none is issued for it."""
        token = bearer_token(get_authorization_header(request))
        return _as_response(head(token, request.META.get("HTTP_IF_NONE_MATCH")))


def _as_response(said: Answer) -> HttpResponse:
    response = HttpResponse(said.body, status=said.status)
    for name, value in said.headers:
        response[name.decode("ascii")] = value.decode("ascii")
    return response


class AcknowledgeIn(serializers.Serializer[dict[str, Any]]):
    """What an agent reports after applying a policy."""

    version = serializers.IntegerField(min_value=1, max_value=LARGEST)
    applied_at = Stamp()
    purged = serializers.BooleanField()


class AcknowledgeView(InTurn):
    """The agent's word that a version is applied, and that what it forbids is purged."""

    @extend_schema(request=AcknowledgeIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Record the acknowledgement; a repeat changes nothing."""
        pace.count(_acknowledged, agent_of(request).ref.bytes)
        said = AcknowledgeIn(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            services.acknowledge_policy(agent=agent_of(request), **said.validated_data)
        except (exceptions.PolicyNeverIssued, exceptions.AppliedAtWrong) as refusal:
            raise Problem(
                status_code=422,
                code=refusal.code,
                detail=refusal.detail,
                next_step=refusal.next_step,
            ) from refusal
        return Response(status=204)


@require_safe
def key_manifest(request: HttpRequest) -> HttpResponse:
    """The keys that the installation's root vouches for, signed by it: what agents believe."""
    signed = standing.token()
    etag = f'"{hashlib.sha256(signed.encode("ascii")).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(signed, content_type=f"application/{MANIFEST_TYPE}")
    response["ETag"] = etag
    response["Cache-Control"] = "public, no-cache"
    return response


@require_safe
def policy_keys(request: HttpRequest) -> JsonResponse:
    """The public keys that policies are signed with (RFC 7517)."""
    response = JsonResponse(key_set())
    response["Cache-Control"] = "public, max-age=300"
    return response


@require_safe
def policy_schema(request: HttpRequest) -> HttpResponse:
    """The form of the document that policies are, as JSON Schema (draft 2020-12)."""
    return schema_response(_schema())


def schema_response(schema: bytes) -> HttpResponse:
    """Return a published JSON Schema, as anybody may keep it for an hour."""
    response = HttpResponse(schema, content_type="application/schema+json")
    response["Cache-Control"] = "public, max-age=3600"
    return response


@lru_cache(maxsize=1)
def _schema() -> bytes:
    return (Path(consent.policy.__path__[0]) / "policy.schema.json").read_bytes()
