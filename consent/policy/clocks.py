"""Which day it is where somebody is: a day begins and ends at midnight of their places. Pure.

Places may have several clocks, and people several places. Whatever is asked of a day is asked of
each day that it is now by one of these clocks, and what one of them denies is denied: so what
permits ends at the first midnight and begins at the last, and what tightens the other way round.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

ANYWHERE: Final = ("Etc/GMT+12", "UTC", "Etc/GMT-14")
"""The last clock on Earth, one between, and the first: by them it is each day that it is anywhere,
three for two hours a day. A place of which no clock is known has any of these."""


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A day, and the clocks by which it is that day now."""

    day: date
    clocks: tuple[str, ...]

    def earliest(self, moment: datetime) -> date:
        """Return the earliest day that an instant was by these clocks."""
        return min(moment.astimezone(_zone(clock)).date() for clock in self.clocks)

    def latest(self, moment: datetime) -> date:
        """Return the latest day that an instant was by these clocks."""
        return max(moment.astimezone(_zone(clock)).date() for clock in self.clocks)


def clocks_of(places: Collection[str]) -> tuple[str, ...]:
    """Return the clocks of these places by their IANA names; without any place, that of UTC."""
    return _clocks(frozenset(places))


def local_days(places: Collection[str], at: datetime) -> tuple[LocalDay, ...]:
    """Return each day that it is in one of these places, the earliest first: one for most."""
    return _local_days(clocks_of(places), at)


def days_at(places: Collection[str], at: datetime) -> tuple[date, ...]:
    """Return the same as plain days."""
    return tuple(local.day for local in local_days(places, at))


def days_anywhere(at: datetime) -> tuple[date, ...]:
    """Return each day that it is anywhere on Earth, the earliest first."""
    return tuple(local.day for local in _local_days(ANYWHERE, at))


def midnights(places: Collection[str], day: date) -> frozenset[datetime]:
    """Return the instants, in UTC, at which a day begins in these places."""
    return _midnights(clocks_of(places), day)


def first_midnight(places: Collection[str], day: date) -> datetime:
    """Return when a day has begun in one of these places."""
    return min(midnights(places, day))


def last_midnight(places: Collection[str], day: date) -> datetime:
    """Return when a day has begun in all of these places."""
    return max(midnights(places, day))


@lru_cache(maxsize=1024)
def _local_days(clocks: tuple[str, ...], at: datetime) -> tuple[LocalDay, ...]:
    found: dict[date, list[str]] = {}
    for clock in clocks:
        found.setdefault(at.astimezone(_zone(clock)).date(), []).append(clock)
    return tuple(LocalDay(day, tuple(same)) for day, same in sorted(found.items()))


@lru_cache(maxsize=4096)
def _midnights(clocks: tuple[str, ...], day: date) -> frozenset[datetime]:
    return frozenset(_midnight(clock, day) for clock in clocks)


def _midnight(clock: str, day: date) -> datetime:
    """Return the first instant of a day; where the clock shows midnight twice, the first."""
    return datetime.combine(day, time.min, _zone(clock)).astimezone(UTC)


@lru_cache(maxsize=4096)
def _clocks(places: frozenset[str]) -> tuple[str, ...]:
    found = {clock for place in places for clock in _table().get(place, ANYWHERE)}
    return tuple(sorted(found)) or ("UTC",)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, tuple[str, ...]]:
    return dict(_read())


def _read() -> Iterator[tuple[str, tuple[str, ...]]]:
    text = Path(__file__).with_name("zones.toml").read_text(encoding="utf-8")
    tables: dict[str, Any] = tomllib.loads(text)
    yield from ((place, (clock,)) for place, clock in tables["zones"].items())
    yield from ((place, tuple(clocks)) for place, clocks in tables["several"].items())


@lru_cache(maxsize=64)
def _zone(clock: str) -> ZoneInfo:
    return ZoneInfo(clock)
