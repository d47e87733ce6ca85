"""Working hours: when they are on, by the clock of a place. Pure; instants in, instants out.

A schedule says by wall clock when recording is possible at all. Several together are on only where
each of them is, so that the most protective wins and another one never widens anything.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from consent.policy.holidays import is_holiday

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT: Final = 24 * 60
AHEAD: Final = 16
"""So many days ahead the next turn is looked for; no lease is that long."""
_DAY: Final = f"(?:{'|'.join(DAYS)})"
_LINE: Final = re.compile(
    rf"({_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) ([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)"
)

Window = tuple[int, int, int]
"""Day of the week from Monday as 0, and minutes of its day: the first, and the first after it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours as they hold for somebody: in one time zone, closed on the holidays of some places."""

    zone: str | None
    """`None`: not known. Then nothing is known of these hours either."""
    windows: frozenset[Window]
    holidays: frozenset[str] = frozenset()

    def within(self, other: "Schedule") -> bool:
        """Say whether it can be told that this is never on while the other is not."""
        same_clock = self.zone is not None and self.zone == other.zone
        return same_clock and self.holidays >= other.holidays and _inside(self, other)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Hours as they were decided: without a zone, by the clock of where somebody works."""

    zone: str | None
    lines: tuple[str, ...]
    """Such as `mon-fri 08:00-18:00`; half-open, and 24:00 is the end of a day."""
    closed_on_holidays: bool

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote; raises ValueError that says what is wrong."""
        if set(table) != {"zone", "hours", "closed_on_holidays"}:
            raise ValueError("must have zone, hours and closed_on_holidays")
        zone, lines = table["zone"], table["hours"]
        if zone is not None and (not isinstance(zone, str) or zone_named(zone) is None):
            raise ValueError("zone must be an IANA time zone such as Europe/Berlin, or null")
        if not isinstance(lines, list) or not lines or not all(isinstance(x, str) for x in lines):
            raise ValueError("hours must list one line at least, such as 'mon-fri 08:00-18:00'")
        for line in lines:
            list(windows_of(line))
        if not isinstance(table["closed_on_holidays"], bool):
            raise ValueError("closed_on_holidays must be true or false")  # noqa: TRY004
        return cls(zone, tuple(lines), table["closed_on_holidays"])

    @property
    def windows(self) -> frozenset[Window]:
        """Return the hours of the week."""
        return frozenset(window for line in self.lines for window in windows_of(line))

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored and proposed."""
        return {
            "zone": self.zone,
            "hours": list(self.lines),
            "closed_on_holidays": self.closed_on_holidays,
        }

    def within(self, other: Self) -> bool:
        """Say whether nothing is recorded under these hours that was not under the others."""
        holidays = self.closed_on_holidays or not other.closed_on_holidays
        return self.zone == other.zone and holidays and _inside(self, other)

    def held_at(self, places: Collection[str]) -> list[Schedule]:
        """Return what this means for who works in these places; without any, nothing is known.

        In several places at a time, the hours of each must be on.
        """
        zones: set[str | None] = {self.zone} if self.zone else {zone_of(one) for one in places}
        holidays = frozenset(places if self.closed_on_holidays else ())
        if not zones or (self.closed_on_holidays and not holidays):
            zones = {None}
        return [
            Schedule(zone, self.windows, holidays) for zone in sorted(zones, key=lambda z: z or "")
        ]


@dataclass(frozen=True, slots=True)
class State:
    """Whether hours are on, and the stretch that is or comes next: half-open, in UTC."""

    on: bool | None
    """`None`: not known, which denies."""
    since: datetime | None = None
    until: datetime | None = None
    """Both `None` where no hours come up, or none are known."""

    @property
    def turns_at(self) -> datetime | None:
        """Return the next instant at which the answer changes by itself."""
        return self.until if self.on else self.since


def state_at(schedules: frozenset[Schedule], at: datetime) -> State:
    """Say whether all of these are on at an instant, and when that changes.

    Without any schedule nothing is asked for: on, and it stays so.
    """
    if not schedules:
        return State(on=True)
    at = at.astimezone(UTC)
    stretches = _stretches(schedules, at.date())
    if stretches is None:
        return State(on=None)
    for since, until in stretches:
        if at < until:
            return State(since <= at, since, until)
    return State(on=False)


def always_on(schedules: frozenset[Schedule], since: datetime, until: datetime) -> bool:
    """Say whether hours were on for all of an interval; for one of no length, at its instant."""
    state = state_at(schedules, since)
    if not schedules:
        return True
    return state.on is True and state.until is not None and until <= state.until


def narrower(new: Collection[Schedule], old: Collection[Schedule]) -> bool:
    """Say whether it can be told that nothing is on under the new ones that was off before."""
    return all(any(one.within(other) for one in new) or other in new for other in old)


def windows_of(line: str) -> Iterator[Window]:
    """Yield the windows of a line such as `mon-thu,sat 08:00-18:00`; raises ValueError."""
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError(f"'{line}' is not days and times such as 'mon-fri 08:00-18:00'")
    start = int(found[2]) * 60 + int(found[3])
    end = int(found[4]) * 60 + int(found[5])
    if not start < end <= MIDNIGHT:
        raise ValueError(f"'{line}' must end after it begins, at 24:00 at the latest")
    for part in found[1].split(","):
        first, _, last = part.partition("-")
        begin, stop = DAYS.index(first), DAYS.index(last or first)
        if stop < begin:
            raise ValueError(f"'{line}' must name days from Monday to Sunday, in that order")
        yield from ((day, start, end) for day in range(begin, stop + 1))


def zone_of(place: str) -> str | None:
    """Return the one time zone that a place has; `None` where it has several, or is not known."""
    return _zones().get(place)


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name; `None` where there is none of it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, str]:
    text = Path(__file__).with_name("zones.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["zones"])


def _inside(new: Schedule | WorkingHours, old: Schedule | WorkingHours) -> bool:
    return _minutes(new.windows) <= _minutes(old.windows)


@lru_cache(maxsize=256)
def _minutes(windows: frozenset[Window]) -> frozenset[int]:
    return frozenset(
        day * MIDNIGHT + minute for day, start, end in windows for minute in range(start, end)
    )


@lru_cache(maxsize=1024)
def _stretches(
    schedules: frozenset[Schedule], day: date
) -> tuple[tuple[datetime, datetime], ...] | None:
    """Return, from the day before on, when all are on; None where that cannot be known."""
    zones = {one: zone_named(one.zone) if one.zone else None for one in schedules}
    known = {one: zone for one, zone in zones.items() if zone is not None}
    if len(known) < len(schedules):
        return None
    if any(is_holiday(place, day) is None for one in schedules for place in one.holidays):
        return None
    edges = sorted({edge for one, zone in known.items() for edge in _edges(one, zone, day)})
    found: list[tuple[datetime, datetime]] = []
    for since, until in pairwise(edges):
        if all(_covers(one, since.astimezone(zone)) for one, zone in known.items()):
            if found and found[-1][1] == since:
                found[-1] = found[-1][0], until
            else:
                found.append((since, until))
    return tuple(found)


def _edges(schedule: Schedule, zone: ZoneInfo, day: date) -> set[datetime]:
    """Return every instant at which this schedule could turn; between two of them it does not."""
    edges = set()
    for number in range(-2, AHEAD + 1):
        local = datetime.combine(day + timedelta(days=number), time.min, zone)
        minutes = {0}
        for weekday, start, end in schedule.windows:
            if weekday == local.weekday():
                minutes |= {start, end}
        # A time that the clock shows twice, or never, stands for two instants.
        edges |= {
            (local + timedelta(minutes=minute)).replace(fold=fold).astimezone(UTC)
            for minute in minutes
            for fold in (0, 1)
        }
    return edges | set(_shifts(sorted(edges), zone))


def _shifts(edges: Iterable[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants at which the zone's clock is put forward or back."""
    for low, high in pairwise(edges):
        before = low.astimezone(zone).utcoffset()
        if before == high.astimezone(zone).utcoffset():
            continue
        first, last = int(low.timestamp()), int(high.timestamp())
        while last - first > 1:
            middle = (first + last) // 2
            if datetime.fromtimestamp(middle, zone).utcoffset() == before:
                first = middle
            else:
                last = middle
        yield datetime.fromtimestamp(last, UTC)


def _covers(schedule: Schedule, local: datetime) -> bool:
    """Say whether a schedule is on by the clock on the wall."""
    minute = local.hour * 60 + local.minute
    if not any(
        day == local.weekday() and start <= minute < end for day, start, end in schedule.windows
    ):
        return False
    return not any(is_holiday(place, local.date()) for place in schedule.holidays)
