"""Which agent is asking: an opaque bearer token, looked up by its hash, fresh on every request."""

from dataclasses import dataclass

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from consent.models import Agent
from portal.api.errors import Problem, unknown_token
from portal.api.tokens import PREFIX, token_hash
from portal.models import AgentToken


@dataclass(frozen=True)
class AgentCaller:
    """The authenticated caller of the agents' API."""

    agent: Agent
    is_authenticated: bool = True
    is_active: bool = True


def bearer_token(header: bytes) -> str | None:
    """Return the token of an Authorization header; None when there is none or it is no bearer."""
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def agent_for(token: str | None) -> Agent:
    """Return the agent in good standing that holds the token.

    Raises Problem 401 for an unknown token, 403 for a revoked agent or one whose person has left:
    each ends capture at once.
    """
    if not token or not token.startswith(PREFIX):
        raise unknown_token("A bearer token of an enrolled agent is needed.")
    found = (
        AgentToken.objects.select_related("agent__subject").filter(sha256=token_hash(token)).first()
    )
    if found is None:
        raise unknown_token("No enrolled agent holds this token.")
    if found.revoked_at or found.agent.standing == Agent.Standing.REVOKED:
        raise Problem(
            status_code=403,
            code="agent_revoked",
            detail="This machine was taken off the list by the person it belongs to.",
            next_step="Stop capture at once and erase what was not handed in.",
        )
    departed = found.agent.subject.departed_at
    if departed and departed <= timezone.now():
        raise Problem(
            status_code=403,
            code="person_departed",
            detail="The person this machine belongs to has left the organisation.",
            next_step="Stop capture at once and erase what was not handed in.",
        )
    return found.agent


class AgentAuthentication(BaseAuthentication):
    """DRF's door for agents."""

    def authenticate(self, request: Request) -> tuple[AgentCaller, str]:
        """Return the caller; a request without a token is refused, never anonymous."""
        token = bearer_token(get_authorization_header(request))
        return AgentCaller(agent_for(token)), ""

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401 as RFC 9110 asks."""
        return "Bearer"


def agent_of(request: Request) -> Agent:
    """Return the agent that a request of ours comes from."""
    caller = request.user
    if not isinstance(caller, AgentCaller):
        raise unknown_token("This address is for enrolled agents.")
    return caller.agent
