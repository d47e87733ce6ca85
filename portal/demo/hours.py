"""Office hours in many places: at what instant somebody there does something. Pure."""

import random
from datetime import UTC, date, datetime, time, timedelta

from portal.demo.company import Place

OPENS, CLOSES = 9.0, 16.5


def working_days(today: date, *, oldest: int, newest: int = 0) -> list[date]:
    """Return the days from `oldest` to `newest` days ago that are no weekend, oldest first."""
    days = (today - timedelta(days=ago) for ago in range(oldest, newest - 1, -1))
    return [day for day in days if day.weekday() < 5]


def office_hour(
    chance: random.Random, place: Place, day: date, *, opens: float = OPENS, closes: float = CLOSES
) -> datetime:
    """Return an instant of that day between these hours of the place's own clock."""
    local = chance.uniform(opens, closes) - place.ahead
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return midnight + timedelta(seconds=int(local * 3600))


def days_ago(now: datetime, days: int, minutes: int = 0) -> datetime:
    """Return nine in the morning (UTC) so many days ago, and some minutes."""
    nine = datetime.combine(now.date() - timedelta(days=days), time(9), tzinfo=UTC)
    return nine + timedelta(minutes=minutes)
