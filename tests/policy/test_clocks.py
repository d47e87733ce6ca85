"""Which day it is where somebody is: midnights of every clock there is, and of every place."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent.policy import clocks
from consent.policy.clocks import (
    days_anywhere,
    first_midnight,
    last_midnight,
    local_days,
    midnights,
)
from consent.policy.hours import zone_of
from consent.policy.rulebook import load_rulebook

TABLE = tomllib.loads(Path(clocks.__file__).with_name("zones.toml").read_text(encoding="utf-8"))
ZONES = {**{place: [zone] for place, zone in TABLE["zones"].items()}, **TABLE["several"]}
SECOND = timedelta(seconds=1)
COUNTRIES = sorted(place for place in ZONES if len(place) == 2 and place not in {"EU", "CN"})
"""China has one time by law; the table also has the one that some there go by all the same."""

PLACES = st.sets(st.sampled_from(sorted(ZONES)), min_size=1, max_size=3)
INSTANTS = st.integers(0, 11 * 365 * 96).map(
    lambda quarters: datetime(2024, 1, 1, tzinfo=UTC) + quarters * timedelta(minutes=15)
)
DAYS = st.dates(date(2024, 1, 1), date(2035, 1, 1))
CLOCKS = st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))


def shown(place: str, at: datetime) -> set[date]:
    """The days that the clocks of a place show."""
    return {at.astimezone(ZoneInfo(zone)).date() for zone in ZONES[place]}


@given(PLACES, INSTANTS)
def test_each_day_that_a_clock_shows_is_told_once_with_its_clocks(
    places: set[str], at: datetime
) -> None:
    told = local_days(places, at)

    days = [local.day for local in told]
    assert days == sorted(set().union(*(shown(place, at) for place in places)))
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))
    named = sorted(zone for local in told for zone in local.clocks)
    assert named == sorted({zone for place in places for zone in ZONES[place]})
    for local in told:
        assert {at.astimezone(ZoneInfo(zone)).date() for zone in local.clocks} == {local.day}


@given(CLOCKS, DAYS)
@example("Africa/Cairo", date(2026, 4, 24))  # the clock is put forward at midnight
@example("America/Havana", date(2026, 11, 1))  # it shows midnight twice
def test_a_day_begins_with_its_first_instant_on_every_clock(clock: str, day: date) -> None:
    begun = clocks._midnight(clock, day)

    assert begun.astimezone(ZoneInfo(clock)).date() == day
    assert (begun - SECOND).astimezone(ZoneInfo(clock)).date() == day - timedelta(days=1)


@given(PLACES, DAYS)
def test_a_day_is_begun_between_its_first_and_its_last_midnight(
    places: set[str], day: date
) -> None:
    first, last = first_midnight(places, day), last_midnight(places, day)

    assert midnights(places, day) >= {first, last}
    assert max(local.day for local in local_days(places, first - SECOND)) < day
    assert max(local.day for local in local_days(places, first)) == day
    assert min(local.day for local in local_days(places, last)) >= day
    assert first == last or min(local.day for local in local_days(places, last - SECOND)) < day


@given(PLACES, PLACES, INSTANTS)
def test_more_places_never_have_fewer_days(one: set[str], more: set[str], at: datetime) -> None:
    alone = {local.day: set(local.clocks) for local in local_days(one, at)}
    together = {local.day: set(local.clocks) for local in local_days(one | more, at)}

    assert all(zones <= together[day] for day, zones in alone.items())


@given(CLOCKS, INSTANTS)
def test_of_an_unknown_place_it_may_be_any_day_there_is(clock: str, at: datetime) -> None:
    days = [local.day for local in local_days(["XX"], at)]

    assert at.astimezone(ZoneInfo(clock)).date() in days
    assert tuple(days) == days_anywhere(at)


def test_without_a_place_days_are_those_of_utc() -> None:
    assert [local.day for local in local_days([], datetime(2026, 12, 31, 23, 59, tzinfo=UTC))] == [
        date(2026, 12, 31)
    ]


def test_every_place_of_the_rule_pack_has_its_clocks() -> None:
    assert set(load_rulebook().rows) == set(ZONES)


def test_no_place_stands_with_one_clock_and_with_several() -> None:
    assert not set(TABLE["zones"]) & set(TABLE["several"])
    assert all(len(zones) > 1 for zones in TABLE["several"].values())
    assert all(zone_of(place) is None for place in TABLE["several"])


@pytest.mark.parametrize("place", COUNTRIES)
def test_a_country_has_every_day_that_the_zone_table_gives_it(place: str) -> None:
    """The table of the IANA database itself, which comes with the package of time zones."""
    import tzdata

    table = Path(tzdata.__file__).parent / "zoneinfo" / "zone.tab"
    rows = (line.split("\t") for line in table.read_text().splitlines() if line[:1] != "#")
    theirs = [row[2] for row in rows if row[0] == place]

    assert theirs
    for step in range(0, 366 * 48, 47):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * step)
        found = {at.astimezone(ZoneInfo(zone)).date() for zone in theirs}
        assert found == shown(place, at), at


def test_what_begins_in_a_state_begins_in_its_country() -> None:
    for place in ZONES:
        country, _, part = place.partition("-")
        if part:
            assert midnights([place], date(2026, 7, 1)) <= midnights([country], date(2026, 7, 1))
