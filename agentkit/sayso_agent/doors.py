"""How a machine enrols, as the portal says it to anybody: asked before a person is asked. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sayso_agent.errors import EnrolmentError, UnexpectedAnswerError
from sayso_agent.policy import FORMAT
from sayso_agent.words import printable

DISCOVERY: Final = "/.well-known/sayso-portal.json"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to ask for a code, for what was approved by it, and to become an agent."""

    device_code: str
    device_token: str
    agents: str

    @classmethod
    def parse(cls, document: Mapping[str, Any], covers: Callable[[str], bool]) -> Self:
        """Return the doors; EnrolmentError where an enrolment could not end well.

        `covers` says whether an address is on the portal that we were told to enrol with.
        """
        names = ("issuer", "device_code_url", "device_token_url", "agents_url")
        said = [document.get(name) for name in names]
        found = [value for value in said if isinstance(value, str) and value]
        formats = document.get("policy_formats")
        if len(found) != len(names) or not isinstance(formats, list):
            raise UnexpectedAnswerError(
                "discovery_malformed", "the portal does not say how to enrol"
            )
        if not all(covers(url) for url in found):
            raise url_differs(found[0])
        if not any(known == FORMAT and not isinstance(known, bool) for known in formats):
            raise EnrolmentError(
                "policy_format_unknown",
                "the portal's policies are of a form that this agent does not know; install a"
                " newer agent",
            )
        return cls(*found[1:])


def url_differs(issuer: str) -> EnrolmentError:
    """Return what it stands for that a portal names addresses elsewhere."""
    return EnrolmentError(
        "portal_url_differs",
        f"the portal calls itself {printable(issuer)}; enrol with that address",
    )
