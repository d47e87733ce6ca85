"""The published schema: who may ask what, and the one address that is no view of the framework.

What the framework cannot see by itself is said here, so that an agent can be written from what is
published. Nothing is warned of when it is made: a contract test holds that.
"""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView

from portal.api.authentication import AgentAuthentication
from portal.api.batches import STATES
from portal.api.errors import CONTENT_TYPE
from portal.api.explain import AgentOrStaff
from portal.api.facts import ServiceOrOfficer
from portal.api.tickets import ServiceOrKeeper
from portal.api.ways import AGENT, APPROVAL, BY_AGENT, LOGIN, SERVICE

WAYS_IN: Final[dict[str, dict[str, str]]] = {
    AGENT: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of an enrolled agent.",
    },
    APPROVAL: {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of the device flow (RFC 8628), or a ticket without its "
        "dot and what follows. Good for one machine, once.",
    },
    SERVICE: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of another system of the organisation.",
    },
    LOGIN: {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
}
BYTES: Final = "/api/v1/batches/{batch}/bytes"
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Problem details (RFC 9457). A code never changes its meaning; sentences may.",
    "required": ["type", "title", "status", "detail", "code", "next_step"],
    "properties": {
        "type": {"type": "string", "description": "Where the code is explained."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "next_step": {"type": "string"},
        "reasons": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Of `batch_refused` and `batch_quarantined`: why.",
        },
        "errors": {
            "type": "object",
            "description": "Of `invalid_request`: member -> what is wrong with it.",
        },
    },
}


class _WaysIn(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Any one of the ways that `name` lists is enough."""

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """Return what each of them is."""
        return [WAYS_IN[name] for name in self.name]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Return that either is enough."""
        return [{name: []} for name in self.name]


class AgentScheme(_WaysIn):  # type: ignore[no-untyped-call]
    """An agent by its token."""

    target_class = AgentAuthentication
    name = [AGENT]


class AgentOrStaffScheme(_WaysIn):  # type: ignore[no-untyped-call]
    """An agent, or somebody who is signed in."""

    target_class = AgentOrStaff
    name = [AGENT, LOGIN]


class ServiceScheme(_WaysIn):  # type: ignore[no-untyped-call]
    """Another system, or somebody who is signed in."""

    target_class = ServiceOrOfficer
    match_subclasses = True
    name = [SERVICE, LOGIN]


for _caller in (AgentAuthentication, AgentOrStaff, ServiceOrOfficer, ServiceOrKeeper):
    # Several of them share a way in, under one name: it says the same for each.
    set_override(_caller, "suppress_collision_warning", value=True)


class SchemaView(SpectacularJSONAPIView):
    """The schema, for anybody."""

    authentication_classes = []
    permission_classes = []


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the ways in that single operations name, where the bytes of a batch go, and refusals.

    Every refusal has one shape, so it is said once, and of every operation.
    """
    schemes = result["components"].setdefault("securitySchemes", {})
    schemes.update({name: WAYS_IN[name] for name in sorted(WAYS_IN)})
    result["paths"][BYTES] = {"put": _put()}
    result["components"]["schemas"]["Problem"] = PROBLEM
    for verbs in result["paths"].values():
        for operation in verbs.values():
            _refuses(operation["responses"])
    return result


def _refuses(responses: dict[str, Any]) -> None:
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, answer in responses.items():
        if status >= "400":
            answer["content"] = content
    responses["default"] = {
        "description": "Anything else is a refusal: `code` says which, see reference/errors.",
        "content": content,
    }


def _put() -> dict[str, Any]:
    answer = {
        "description": "The batch is judged, and admitted. 200 where it was before.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["batch", "state"],
                    "properties": {
                        "batch": {"type": "string", "format": "uuid"},
                        "state": {"type": "string", "description": STATES},
                    },
                }
            }
        },
    }
    return {
        "operationId": "v1_batches_bytes_update",
        "description": "Send the bytes of an announced batch: all of them, in one request, of the "
        "length and SHA-256 that its manifest says. The address is the `upload_url` of the answer "
        "to the manifest; where that names another host, the bytes go there instead.",
        "parameters": [
            {
                "in": "path",
                "name": "batch",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            }
        ],
        "tags": ["v1"],
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        "security": BY_AGENT,
        "responses": {"200": answer, "201": answer},
    }
