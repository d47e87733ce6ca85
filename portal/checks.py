"""System checks: a misconfigured installation says so, with an id and what to do."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from portal.policykeys import standing

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def public_url_is_safe(app_configs: Any, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Refuse plain http for anything but this machine: tokens and sessions would travel open."""
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return [
            checks.Error(
                "SAYSO_PUBLIC_URL uses http for an address other than this machine.",
                hint="Put a TLS proxy in front and set SAYSO_PUBLIC_URL to its https address.",
                id="sayso.E001",
            )
        ]
    return []


def rules_are_readable(app_configs: Any, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Name every jurisdiction whose rules cannot be read; capture is denied there."""
    from consent.rules import shipped

    return [
        checks.Warning(
            f"The rules in {problem.file} cannot be used: {problem}",
            hint="Capture is denied for that jurisdiction until the file is mended.",
            id="sayso.W001",
        )
        for problem in shipped().problems
    ]


def root_is_offline(app_configs: Any, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Advise to carry the root key away: whoever has this machine could else vouch for any key."""
    if not standing.is_root_here():
        return []
    return [
        checks.Warning(
            f"The root key that vouches for policy keys lies on this machine: {standing.ROOT_FILE}"
            " in the folder of secrets.",
            hint="Move that file to a machine that is not connected, and sign key manifests there:"
            " see howto/keep-the-root-key-offline in the documentation.",
            id="sayso.W002",
        )
    ]


def contact_is_said(app_configs: Any, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Ask for an address of the privacy team: without one, pages can only name the team."""
    if settings.PRIVACY_CONTACT:
        return []
    return [
        checks.Warning(
            "Nobody has said where the privacy team is reached: pages name it without an address.",
            hint="Set SAYSO_PRIVACY_CONTACT to an address of mail, or of a page that says it.",
            id="sayso.W003",
        )
    ]


def register() -> None:
    """Let Django run the checks at start-up."""
    checks.register(public_url_is_safe)
    checks.register(rules_are_readable)
    checks.register(root_is_offline, deploy=True)
    checks.register(contact_is_said, deploy=True)
