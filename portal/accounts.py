"""Who may sign in, and the OpenID provider that enrols agents; both through django-allauth."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from django.http import HttpRequest

AGENT_CLIENT_ID = "sayso-agent"
AUTHORIZED = "authorized"
"""oauthlib's word for a device code that the person approved."""


class AccountAdapter(DefaultAccountAdapter):
    """Logins come from the organisation's directory; nobody signs up by themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Always no."""
        return False


class OpenIDAdapter(DefaultOIDCAdapter):
    """The provider says nothing about people: agents need no name and no address."""

    def get_claims(
        self,
        purpose: Any,
        user: Any,
        client: Any,
        scopes: Any,
        email: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the bare subject claim, whatever scope was asked for."""
        return {"sub": self.get_user_sub(client, user)}


def validate_device_code(
    self: OAuthLibRequestValidator, client_id: str, code: str, request: Any, **kwargs: Any
) -> str:
    """Answer oauthlib 4.0.1's new question about a device code (RFC 8628 section 3.5).

    allauth has already looked the code up, checked its client and its approval, and used it up,
    before oauthlib asks; so whatever arrives here is authorised.
    """
    request.scopes = request.scopes or []
    return AUTHORIZED


def complete_device_grant() -> None:
    """Give allauth's validator the method that newer oauthlib calls; nothing if it has one."""
    if "validate_device_code" not in vars(OAuthLibRequestValidator):
        setattr(OAuthLibRequestValidator, "validate_device_code", validate_device_code)  # noqa: B010
