"""Where everything of an agent's protocol is, and what it speaks, for anybody to ask.

Public, and the same for everybody. It proves nothing: whom to believe is pinned at enrolment.
"""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from consent.models import Agent
from portal.accounts import AGENT_CLIENT_ID

POLICY_FORMATS: Final = (1,)
"""The values of `v` that policies may have. An agent that knows none of them needs no enrolment."""
AGENTS: Final = {
    "policy_url": "api-policy",
    "ack_url": "api-policy-ack",
    "batches_url": "api-batches",
    "jwks_url": "policy-keys",
    "manifest_url": "key-manifest",
    "token_url": "api-agents-token",
    "key_url": "api-agents-key",
}
"""What an agent is told when it enrols, and the name of each address."""
EVERYBODYS: Final = {
    "pauses_url": "api-pauses",
    "strikes_url": "api-strikes",
    "policy_schema_url": "policy-schema",
    "batch_schema_url": "batch-schema",
    "api_schema_url": "api-schema",
    "agents_url": "api-agents",
    "device_code_url": "start-enrolment",
    "device_token_url": "idp:oidc:token",
}
"""What can be found out before that."""


def addresses_of_agents() -> dict[str, str]:
    """Return where an agent asks, acknowledges, hands in, and finds keys."""
    return _addresses(AGENTS)


@require_safe
def discovery(request: HttpRequest) -> JsonResponse:
    """The addresses of this portal, the forms it speaks, and the ways to enrol."""
    document: dict[str, Any] = {
        "issuer": settings.PUBLIC_URL,
        "policy_formats": list(POLICY_FORMATS),
        "wait_seconds": settings.POLICY_WAIT_SECONDS,
        "enrolment": ["device_code", "ticket"],
        "client_id": AGENT_CLIENT_ID,
        "key_kinds": Agent.KeyKind.values,
        **addresses_of_agents(),
        **_addresses(EVERYBODYS),
    }
    response = JsonResponse(document)
    response["Cache-Control"] = "public, max-age=300"
    return response


def _addresses(names: dict[str, str]) -> dict[str, str]:
    return {member: settings.PUBLIC_URL + reverse(name) for member, name in names.items()}
