"""Which agent is asking: an opaque bearer token, looked up by its hash, fresh on every request."""

from dataclasses import dataclass

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from consent.models import Agent
from portal import holders
from portal.api.errors import Problem, unknown_token
from portal.api.tokens import PREFIX, token_hash
from portal.endpoint import answer
from portal.endpoint.answer import Refusal


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

    Raises Problem 401 or 403 for anybody else: each ends capture at once.
    """
    if not token or not token.startswith(PREFIX):
        raise as_problem(answer.NO_TOKEN)
    holder = holders.judge(token_hash(token))
    if isinstance(holder, Refusal):
        raise as_problem(holder)
    return Agent.objects.select_related("subject").get(pk=holder.agent)


def as_problem(refusal: Refusal) -> Problem:
    """Return a refusal of the policy endpoint as the rest of the API raises it."""
    return Problem(
        status_code=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        next_step=refusal.next_step,
    )


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
