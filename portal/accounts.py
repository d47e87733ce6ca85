"""Who may sign in, and the OpenID provider that enrols agents; both through django-allauth."""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

AGENT_CLIENT_ID = "sayso-agent"
AUTHORIZED = "authorized"
"""oauthlib's word for a device code that the person approved."""
NO_SUCH_CODE: Final = _(
    "No machine waits under this code. Compare it with the one on the machine."
    " If it is the same, it was answered already or its time is over: where the machine is not"
    " among yours, begin again on the machine."
)


class AccountAdapter(DefaultAccountAdapter):
    """Logins come from the organisation's directory; nobody signs up by themselves."""

    # allauth's own words say neither why nor what to do, and in German they are familiar.
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("The email address or the password is wrong. Try again."),
        "enter_current_password": _("This is not your current password. Try again."),
        "incorrect_code": NO_SUCH_CODE,
        "incorrect_password": _("This is not your password. Try again."),
        "rate_limited": _("Too many attempts at once. Wait some minutes, then try again."),
        "too_many_login_attempts": _(
            "Too many attempts failed. Wait some minutes, then try again."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Always no."""
        return False


class SecondFactorAdapter(DefaultMFAAdapter):
    """What is said of the second factor says what to do next."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _(
            "This code is wrong, or its time is over. Type in the one that your app shows now."
        ),
    }


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
