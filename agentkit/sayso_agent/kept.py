"""What a file of the agent must hold to be believed. Pure: a JSON value in, a checked one out."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Final, TypeVar

from sayso_agent.lease import Instant

Value = TypeVar("Value")
EVER: Final = (Instant(-math.inf, -math.inf), Instant(math.inf, math.inf))
"""From when until when something was forgotten where nobody can say it any more."""


class UnfitError(ValueError):
    """A value is not what it must be."""


def built(kind: type[Value], found: object) -> Value:
    """Return a dataclass made from a JSON object.

    UnfitError where a field is missing, unknown, of another type, or no finite number.
    """
    if not isinstance(found, Mapping):
        raise UnfitError("no object")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := found.keys() - known.keys():
        raise UnfitError(f"unknown: {len(unknown)} fields")
    needed = {name for name, field in known.items() if field.default is MISSING}
    if needed - found.keys():
        raise UnfitError("a field is missing")
    return kind(**{name: _fitting(known[name], value) for name, value in found.items()})


def _fitting(field: "Field[Any]", value: Any) -> Any:
    numbers = (int, float) if field.type is float else (int,)
    if field.type in {int, float}:
        if isinstance(value, bool) or not isinstance(value, numbers):
            raise UnfitError(f"{field.name} is no number")
        if not abs(value) <= 2**53:  # also for NaN
            raise UnfitError(f"{field.name} is beyond all bounds")
        return value
    if not isinstance(value, field.type):  # type: ignore[arg-type]
        raise UnfitError(f"{field.name} is of another type")
    return value


def mark_of(found: Mapping[str, Any]) -> tuple[Instant, Instant]:
    """Return from when until when something was forgotten; where that is damaged, from ever on."""
    try:
        return built(Instant, found.get("since")), built(Instant, found.get("until"))
    except UnfitError:
        return EVER


def strikes_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the strikes that a file lists; UnfitError where one cannot be told of."""
    listed = found.get("strikes")
    if not isinstance(listed, list):
        raise UnfitError("no list")
    for strike in listed:
        if not isinstance(strike, dict) or not isinstance(strike.get("strike"), str):
            raise UnfitError("no strike")
        times = strike.get("since"), strike.get("until")
        if not all(isinstance(t, (int, float)) and abs(t) < 1e11 for t in times):
            raise UnfitError("no interval")
    return listed


def status_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the agent did last, without what cannot be shown."""
    dropped = found.get("dropped")
    counts = dropped.items() if isinstance(dropped, dict) else ()
    shown = {str(reason): n for reason, n in counts if isinstance(n, int)}
    texts = {name: found[name] for name in ("line", "why") if isinstance(found.get(name), str)}
    rest = {name: found[name] for name in found.keys() - {"line", "why", "dropped"}}
    return {**rest, **texts, "dropped": shown}
