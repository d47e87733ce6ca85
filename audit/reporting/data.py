"""What a report says, before it has any form. Pure: values only, the same for PDF and CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

Value = int | str | None
"""A number, a text, or None: hidden, because it would speak of too few people."""

HIDDEN: Final = "hidden"


class Kind(StrEnum):
    """What a value is, which decides how it is written and aligned."""

    TEXT = "text"
    SHORT = "short"  # a day, a code: never broken over two lines if it can be helped
    NUMBER = "number"
    BYTES = "bytes"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One large figure with its label."""

    label: str
    value: Value
    kind: Kind = Kind.NUMBER
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a chart; None is drawn as hidden, not as nothing."""

    label: str
    value: int | None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars, upright for a course of time and lying for names; `alt` says the same in words."""

    title: str
    alt: str
    bars: tuple[Bar, ...]
    over_time: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of a column and what stands below it."""

    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; `total` is its last line. `printed` rows go into the PDF, all into the CSV."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...] | None = None
    note: str = ""
    printed: int = 300

    def __post_init__(self) -> None:
        """Refuse a row that does not fit its columns, before anybody reads it askew."""
        lines = [*self.rows, *([self.total] if self.total else [])]
        if any(len(line) != len(self.columns) for line in lines):
            raise ValueError(f"a row of {self.caption!r} does not fit its columns")


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a report says. The same value always gives the same files."""

    title: str
    subtitle: str
    scope: str
    handling: str
    """Whom it may be shown to; stands on the first page."""
    organisation: str
    as_of: datetime
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """How far the ledger was signed when the figures were read: size of the tree and its root."""

    size: int
    root: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked, and the instant at which it is answered."""

    report: UUID
    kind: str
    title: str
    as_of: datetime
    period_from: datetime | None = None
    period_until: datetime | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    def until(self) -> datetime:
        """Return the end of the period, or the instant of the answer if that comes first."""
        return min(self.period_until or self.as_of, self.as_of)

    def period(self) -> str:
        """Return the period in words; its last day is included, as people say it."""
        return period_in_words(self.period_from, self.period_until)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A kind of report: what it is about, and where its figures come from."""

    title: str
    gather: Callable[[Question], ReportData]
    params: frozenset[str] = frozenset()
    audience: frozenset[str] = frozenset()
    """The roles that may ask for it and read it; whoever hands it out looks here."""


def day(moment: datetime) -> str:
    """Return the day in words, in UTC, whatever the locale of the machine."""
    at = moment.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def moment_in_words(moment: datetime) -> str:
    """Return day and time in words, in UTC."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def period_in_words(since: datetime | None, until: datetime | None) -> str:
    """Return a half-open period in words."""
    if since and until:
        return f"{_first(since)} to {_last(until)}"
    if since:
        return f"Since {_first(since)}"
    if until:
        return f"Until {_last(until)}"
    return "From the beginning"


def _first(since: datetime) -> str:
    return day(since) if _is_midnight(since) else moment_in_words(since)


def _last(until: datetime) -> str:
    return day(until - timedelta(days=1)) if _is_midnight(until) else moment_in_words(until)


def _is_midnight(moment: datetime) -> bool:
    at = moment.astimezone(UTC)
    return (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
