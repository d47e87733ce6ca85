"""Working hours by the clock on the wall: exact where it is put forward or back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.policy.holidays import is_holiday
from consent.policy.hours import (
    DAYS,
    Schedule,
    State,
    WorkingHours,
    always_on,
    narrower,
    state_at,
    windows_of,
    zone_of,
)
from consent.policy.rulebook import load_rulebook

OFFICE = ("mon-fri 08:00-18:00",)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
YEAR = datetime(2026, 1, 1, tzinfo=UTC)

instants = st.integers(0, 365 * 24 * 3600 - 1).map(lambda s: YEAR + timedelta(seconds=s))
near_shifts = st.builds(
    lambda shift, seconds: datetime.fromisoformat(shift) + timedelta(seconds=seconds),
    st.sampled_from(
        [
            "2026-03-29T01:00Z",
            "2026-10-25T01:00Z",
            "2026-03-08T07:00Z",
            "2026-11-01T06:00Z",
            "2026-04-04T15:00Z",
            "2026-10-03T15:30Z",
        ]
    ),
    st.integers(-10_000, 10_000),
)
moments = st.one_of(instants, near_shifts)


@st.composite
def schedules(draw: st.DrawFn, zones: tuple[str, ...] = ZONES) -> Schedule:
    windows = set()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, 1439))
        windows.add((draw(st.integers(0, 6)), start, draw(st.integers(start + 1, 1440))))
    holidays = draw(st.sampled_from([frozenset(), frozenset({"DE"}), frozenset({"US-CA"})]))
    return Schedule(draw(st.sampled_from(zones)), frozenset(windows), holidays)


sets = st.frozensets(schedules(), max_size=3)


def hours(*lines: str, zone: str | None = "Europe/Berlin", closed: bool = False) -> WorkingHours:
    return WorkingHours(zone, lines or OFFICE, closed)


def held(*lines: str, zone: str = "Europe/Berlin", closed: bool = False) -> frozenset[Schedule]:
    return frozenset(hours(*lines, zone=zone, closed=closed).held_at(["DE"]))


def by_the_wall(schedule: Schedule, at: datetime) -> bool:
    """Say the same without any calculation with instants: look at the clock there."""
    local = at.astimezone(ZoneInfo(str(schedule.zone)))
    minute = local.hour * 60 + local.minute
    on = any(d == local.weekday() and a <= minute < b for d, a, b in schedule.windows)
    return on and not any(is_holiday(place, local.date()) for place in schedule.holidays)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(sets, moments)
def test_hours_are_on_where_every_clock_says_so(found: frozenset[Schedule], at: datetime) -> None:
    assert state_at(found, at).on is all(by_the_wall(one, at) for one in found)


@given(st.frozensets(schedules(), min_size=1, max_size=2), moments)
def test_nothing_turns_before_the_turn_and_everything_does_at_it(
    found: frozenset[Schedule], at: datetime
) -> None:
    state = state_at(found, at)
    turn = state.turns_at
    if turn is None:
        assert state == State(on=False)
        return

    assert at < turn
    steps = [at + (turn - at) * n / 50 for n in range(50)]
    assert all(state_at(found, step).on is state.on for step in steps)
    if turn < at + timedelta(days=14):
        assert state_at(found, turn).on is not state.on


@given(sets, sets, sets, moments)
def test_combining_is_idempotent_commutative_associative_and_only_tightens(
    a: frozenset[Schedule], b: frozenset[Schedule], c: frozenset[Schedule], at: datetime
) -> None:
    def on(found: frozenset[Schedule]) -> bool | None:
        return state_at(found, at).on

    assert state_at(a | a, at) == state_at(a, at)
    assert state_at(a | b, at) == state_at(b | a, at)
    assert state_at((a | b) | c, at) == state_at(a | (b | c), at)
    assert on(a | b) is (on(a) and on(b))


@given(sets, sets, moments)
def test_what_is_told_to_be_narrower_never_is_on_where_the_other_is_off(
    new: frozenset[Schedule], old: frozenset[Schedule], at: datetime
) -> None:
    if narrower(new, old) and state_at(new, at).on:
        assert state_at(old, at).on


@given(sets, sets)
def test_more_hours_to_keep_are_always_told_to_be_narrower(
    one: frozenset[Schedule], other: frozenset[Schedule]
) -> None:
    assert narrower(one | other, one)


@given(st.frozensets(schedules(), min_size=1, max_size=2), moments, st.integers(0, 100_000))
def test_an_interval_is_inside_only_if_it_crosses_no_turn(
    found: frozenset[Schedule], since: datetime, seconds: int
) -> None:
    until = since + timedelta(seconds=seconds)
    steps = [since + timedelta(seconds=seconds) * n / 20 for n in range(20)]

    if always_on(found, since, until):
        assert all(state_at(found, step).on for step in steps)


def test_an_interval_ends_within_hours_at_the_latest_with_them() -> None:
    noon, end = utc("2026-11-24T12:00:00"), utc("2026-11-24T17:00:00")

    assert always_on(held(), noon, end)
    assert not always_on(held(), noon, end + timedelta(microseconds=1))
    assert not always_on(held(), end, end)


def test_more_days_closed_are_narrower_and_fewer_are_not() -> None:
    with_holidays, without = held(closed=True), held()

    assert narrower(with_holidays, without)
    assert not narrower(without, with_holidays)
    assert not narrower(held(zone="Europe/Paris"), without)


@pytest.mark.parametrize(
    ("at", "on", "turn"),
    [
        ("2026-11-24T06:59:59", False, "2026-11-24T07:00:00"),
        ("2026-11-24T07:00:00", True, "2026-11-24T17:00:00"),
        ("2026-11-24T16:59:59", True, "2026-11-24T17:00:00"),
        ("2026-11-24T17:00:00", False, "2026-11-25T07:00:00"),
        # From Friday evening until Monday, over the night in which summer time begins.
        ("2026-03-27T17:00:00", False, "2026-03-30T06:00:00"),
        # And over that in which it ends.
        ("2026-10-23T16:00:00", False, "2026-10-26T07:00:00"),
    ],
)
def test_office_hours_in_berlin(at: str, on: bool, turn: str) -> None:
    state = state_at(held(), utc(at))

    assert (state.on, state.turns_at) == (on, utc(turn))


def test_an_hour_that_the_clock_shows_twice_is_on_twice() -> None:
    early = held("sun 02:00-02:30")

    on = [
        state_at(early, utc("2026-10-25T00:00:00") + timedelta(minutes=15 * n)).on for n in range(8)
    ]

    assert on == [True, True, False, False, True, True, False, False]


def test_of_hours_that_the_clock_leaves_out_the_rest_is_on() -> None:
    early = held("sun 02:30-03:15")

    state = state_at(early, utc("2026-03-29T00:00:00"))

    assert (state.since, state.until) == (utc("2026-03-29T01:00:00"), utc("2026-03-29T01:15:00"))


def test_public_holidays_are_closed_where_that_was_decided() -> None:
    unity_day = utc("2025-10-03T10:00:00")

    assert state_at(held(), unity_day).on
    assert state_at(held(closed=True), unity_day).turns_at == utc("2025-10-06T06:00:00")


def test_hours_until_midnight_go_on_into_the_next_day() -> None:
    late = held("mon 22:00-24:00", "tue 00:00-06:00")

    state = state_at(late, utc("2026-11-23T21:30:00"))

    assert (state.since, state.until) == (utc("2026-11-23T21:00:00"), utc("2026-11-24T05:00:00"))


def test_without_a_zone_it_is_the_clock_of_where_somebody_works() -> None:
    local = hours(zone=None)

    assert {one.zone for one in local.held_at(["DE"])} == {"Europe/Berlin"}
    assert {one.zone for one in local.held_at(["DE", "JP"])} == {"Europe/Berlin", "Asia/Tokyo"}


@pytest.mark.parametrize("places", [[], ["US"], ["US-TX"], ["ZZ"], ["DE", "US"]])
def test_an_unknown_zone_is_a_gap(places: list[str]) -> None:
    unknown = frozenset(hours(zone=None).held_at(places))

    assert state_at(unknown, YEAR) == State(on=None)
    assert not always_on(unknown, YEAR, YEAR)


def test_holidays_of_an_unknown_place_are_a_gap() -> None:
    for places in ([], ["EU"], ["US-ZZ"]):
        unknown = frozenset(hours(closed=True).held_at(places))

        assert state_at(unknown, YEAR).on is None


def test_no_schedule_asks_for_nothing() -> None:
    assert state_at(frozenset(), YEAR) == State(on=True)
    assert always_on(frozenset(), YEAR, YEAR + timedelta(days=900))


@pytest.mark.parametrize("code", sorted(load_rulebook().rows))
def test_every_zone_listed_is_one(code: str) -> None:
    zone = zone_of(code)

    assert zone is None or ZoneInfo(zone).key == zone


@pytest.mark.parametrize(
    ("line", "windows"),
    [
        ("mon 08:00-18:00", {(0, 480, 1080)}),
        ("sat-sun,wed 00:00-24:00", {(5, 0, 1440), (6, 0, 1440), (2, 0, 1440)}),
    ],
)
def test_a_line_says_days_and_times(line: str, windows: set[tuple[int, int, int]]) -> None:
    assert set(windows_of(line)) == windows


@pytest.mark.parametrize(
    "line",
    [
        "",
        "mon",
        "mon 8:00-18:00",
        "mon 18:00-08:00",
        "mon 08:00-08:00",
        "mon 08:00-24:01",
        "mon 25:00-26:00",
        "fri-mon 08:00-18:00",
        "day 08:00-18:00",
        "mon 08:00-18:00 ",
        "Mon 08:00-18:00",
        "mon 08:00-18:00\n",
    ],
)
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not"):
        list(windows_of(line))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("zone", "Europe/Nowhere"),
        ("zone", "../../etc/passwd"),
        ("zone", ""),
        ("zone", 1),
        ("hours", []),
        ("hours", "mon 08:00-18:00"),
        ("hours", [1]),
        ("closed_on_holidays", 1),
        ("more", 1),
    ],
)
def test_what_are_no_hours_is_refused(key: str, value: object) -> None:
    table = hours().as_json() | {key: value}

    with pytest.raises(ValueError, match=r"must|is not"):
        WorkingHours.read(table)


@given(st.sampled_from(DAYS), st.sampled_from([None, *ZONES]), st.booleans())
def test_hours_read_back_are_the_same(day: str, zone: str | None, closed: bool) -> None:
    said = WorkingHours(zone, (f"{day} 08:00-18:00",), closed)

    assert WorkingHours.read(said.as_json()) == said


@pytest.mark.parametrize(
    ("new", "old", "inside"),
    [
        (hours("mon-fri 09:00-17:00"), hours(), True),
        (hours("mon-fri 07:00-17:00"), hours(), False),
        (hours(closed=True), hours(), True),
        (hours(), hours(closed=True), False),
        (hours(zone=None), hours(), False),
        (hours("mon-fri 08:00-12:00", "mon-fri 12:00-18:00"), hours(), True),
    ],
)
def test_hours_within_hours(new: WorkingHours, old: WorkingHours, inside: bool) -> None:
    assert new.within(old) is inside
