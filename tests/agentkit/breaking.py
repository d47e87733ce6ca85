"""How something is broken in the reference agent on purpose, and by what it must be noticed.

What is broken stands in the modules of `MODULES`; it is applied in the agent's own process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from sayso_agent.policy import Policy

MODULES = ("breaks", "breaks_of_time", "breaks_of_trust")


@dataclass(frozen=True, slots=True)
class Break:
    """One thing broken, and by what it must be noticed."""

    scenario: str
    says: str  # part of what the scenario finds wrong
    apply: Callable[[], None]


BREAKS: dict[str, Break] = {}


def caught_by(scenario: str, says: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a break under its function's name."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        assert apply.__name__ not in BREAKS, "two breaks of one name"
        BREAKS[apply.__name__] = Break(scenario, says, apply)
        return apply

    return register


def nothing(*_: object, **__: object) -> Any:
    return 0


def put(owner: Any, **members: Any) -> None:
    """Replace members of a class or module."""
    for name, member in members.items():
        setattr(owner, name, member)


class AnyText(str):
    """A text that is the same as any other."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


def all_breaks() -> Mapping[str, Break]:
    """Return every break by its name."""
    for module in MODULES:
        import_module(module)
    return BREAKS


def read_as(**members: Any) -> None:
    """Have every policy read as if it said this, when all of it was looked at."""
    parse = Policy.parse
    put(Policy, parse=lambda payload: replace(parse(payload), **members))


def told_as(change: Callable[[Any], Any]) -> None:
    """Have every policy read as if its payload had come so."""
    parse = Policy.parse
    put(Policy, parse=lambda payload: parse(change(payload)))
