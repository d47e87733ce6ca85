"""Reading the members of a signed document; one of another kind refuses all of it. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from sayso_agent.errors import PolicyRefusedError

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST: Final = 2**53 - 1


def malformed(name: str) -> PolicyRefusedError:
    """Return the refusal of a document of which a member cannot be read."""
    return PolicyRefusedError("policy_malformed", f"the policy's {name} cannot be read")


def number(source: Mapping[str, Any], name: str) -> int:
    """Return a whole number from 0 on."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise malformed(name)
    return value


def text(source: Mapping[str, Any], name: str) -> str:
    """Return a text that says something."""
    value = source.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(name)
    return value


def flag(source: Mapping[str, Any], name: str) -> bool:
    """Return a yes or no."""
    value = source.get(name)
    if not isinstance(value, bool):
        raise malformed(name)
    return value


def code(source: Mapping[str, Any], name: str) -> str:
    """Return a code of an app or purpose."""
    value = text(source, name)
    if not CODE.fullmatch(value):
        raise malformed(name)
    return value


def mapping(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object."""
    value = source.get(name)
    if not isinstance(value, dict):
        raise malformed(name)
    return value


def listed(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects."""
    value = source.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise malformed(name)
    return value


def texts(source: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts."""
    value = source.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise malformed(name)
    return tuple(value)
