"""Public holidays by place, from the `holidays` library. Pure; the library is loaded when asked."""

import warnings
from datetime import date
from functools import lru_cache
from typing import Final

SATURDAY: Final = 5


def is_holiday(place: str, day: date) -> bool | None:
    """Say whether a day is a public holiday in a place such as DE or US-CA; `None`: not known.

    Days kept on another day because they fall on a weekend count on the day they are kept.
    """
    found = _calendar(place, day.year)
    return None if found is None else day in found


def is_business_day(place: str, day: date) -> bool:
    """Say whether a day is from Monday to Friday and no public holiday of the place.

    Where no calendar is known every such weekday counts: a period ends early rather than late.
    """
    return day.weekday() < SATURDAY and not is_holiday(place, day)


@lru_cache(maxsize=256)
def _calendar(place: str, year: int) -> frozenset[date] | None:
    import holidays  # start-up: only few questions need it, and it is large

    country, _, part = place.partition("-")
    try:
        with warnings.catch_warnings():
            # For years far off it warns that feasts by the moon are not known yet.
            warnings.simplefilter("ignore", UserWarning)
            days = holidays.country_holidays(country, subdiv=part or None, years=year)
    except NotImplementedError:  # neither such a country nor such a part of one
        return None
    return frozenset(day for day in days if day.year == year)
