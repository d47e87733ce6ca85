"""Facts as a person writes them in a file: every key known, every value of the right kind. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from consent.policy.bounds import AnySignal
from consent.policy.facts import EVERY, Agreement, Facts
from consent.policy.schema import ALL_SIGNALS
from consent.policy.types import AppCategory, ConsentState

LONG_AGO: Final = date(1, 1, 1)
"""The day on which a gate counts as closed where the file does not say when."""

YEARS: Final = range(1970, 2200)
"""No period worked out from a day in these years runs past the end of the calendar."""

DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII)

MOST_DAYS: Final = 100_000


class FactsError(ValueError):
    """Facts that cannot be read; the message is one sentence that names the key."""


def facts_from(table: Mapping[str, Any]) -> Facts:
    """Return the facts of a file. What it leaves out, or sets to null, stays unknown."""
    if not isinstance(table, Mapping):
        raise FactsError("The facts must be a table of keys and values.")
    values = _read(table, READERS, "fact")
    for key in REQUIRED:
        if key not in values:
            raise FactsError(f"The fact '{key}' is required.")
    return Facts(**values)


def _read(table: Mapping[str, Any], readers: Mapping[str, "Reader"], what: str) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        if key not in readers:
            known = ", ".join(sorted(readers))
            raise FactsError(f"There is no {what} '{key}'; the {what}s are: {known}.")
        if value is None:
            continue
        try:
            values[key] = readers[key](value)
        except FactsError:
            raise
        except ValueError as problem:
            raise FactsError(f"The {what} '{key}' {problem}.") from None
    return values


Reader = Callable[[Any], Any]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("must be a text of one line")
    return value


def _days(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_DAYS:
        raise ValueError(f"must be a whole number of days, 0 to {MOST_DAYS}")
    return value


def _moment(value: Any) -> date:
    """Read a day or an instant; TOML may have read it already."""
    moment = value if isinstance(value, date) else _written_moment(value)
    if moment is None:
        raise ValueError("must be a day such as 2026-12-10 or an instant (2026-12-10T09:00:00Z)")
    if moment.year not in YEARS:
        raise ValueError(f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")
    return moment


def _written_moment(value: Any) -> date | None:
    try:
        if isinstance(value, str) and DAY.fullmatch(value):
            return date.fromisoformat(value)
        if isinstance(value, str) and INSTANT.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        return None
    return None


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError("must be a list")  # noqa: TRY004
    if not all(isinstance(item, str) and item for item in value):
        raise ValueError("must list texts only; put a code such as NO in quotes")
    if not all(item.isprintable() for item in value):
        raise ValueError("must list texts of one line")
    return frozenset(value)


def _signal(value: Any) -> AnySignal:
    if not isinstance(value, str) or value not in ALL_SIGNALS:
        raise ValueError(f"must be one of: {', '.join(ALL_SIGNALS)}")
    return ALL_SIGNALS[value]


def _signals(value: Any) -> frozenset[AnySignal]:
    return frozenset(_signal(name) for name in _names(value))


def _word(words: type[ConsentState] | type[AppCategory]) -> Reader:
    known = {word.value: word for word in words}

    def read(value: Any) -> ConsentState | AppCategory:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"must be one of: {', '.join(known)}")
        return known[value]

    return read


def _gates(value: Any) -> Mapping[str, date] | str:
    """Read `all`, a list of closed gates, or a table of gates and the day each was closed."""
    if value == EVERY:
        return EVERY
    if isinstance(value, Mapping):
        return {_text(gate): _moment(closed_on) for gate, closed_on in value.items()}
    if isinstance(value, str):
        raise ValueError(f'must be "{EVERY}" or a list of the gates that are closed')  # noqa: TRY004
    return dict.fromkeys(_names(value), LONG_AGO)


def _signed(value: Any) -> frozenset[str] | str:
    return EVERY if value == EVERY else _names(value)


def _agreements(value: Any) -> tuple[Agreement, ...]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError("must be a list of agreements")
    return tuple(Agreement(**_read(item, AGREEMENT_READERS, "agreement key")) for item in value)


AGREEMENT_READERS: Final[Mapping[str, Reader]] = {
    "name": _text,
    "apps": _names,
    "signals": _signals,
    "retention_days": _days,
    "valid_from": _moment,
    "valid_until": _moment,
}

READERS: Final[Mapping[str, Reader]] = {
    "jurisdictions": _names,
    "counterparties": _names,
    "counterparties_consented": _flag,
    "counterparty_masked": _flag,
    "signal": _signal,
    "app_allowed": _flag,
    "in_hours": _flag,
    "consent": _word(ConsentState),
    "consented_signals": _signals,
    "consent_given_on": _moment,
    "notice_on": _moment,
    "notice_waived": _flag,
    "notice_version_ok": _flag,
    "ack": _flag,
    "gates": _gates,
    "overrides": _signals,
    "at": _moment,
    "app": _text,
    "app_category": _word(AppCategory),
    "paused": _flag,
    "killed": _flag,
    "agent_standing": _text,
    "agreements": _agreements,
    "counsel_signed_off": _signed,
    "own_retention_days": _days,
}

REQUIRED: Final = ("jurisdictions", "signal", "at")
