"""Leases end by themselves, and capture is stamped by the portal's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import Instant, Lease, Policy
from sayso_agent.conformance.portal import policy_document
from sayso_agent.lease import SystemClock


def policy(iat: int = 1000, until: int = 1900) -> Policy:
    moment = {"iss": "i", "aud": "a", "version": 1, "iat": iat, "lease_until": until}
    return Policy.parse({**policy_document(), **moment})


def lease() -> Lease:
    return Lease.begin(policy(), asked=50.0, received=50.5)


def test_it_ends_by_the_monotonic_clock_although_the_wall_clock_was_set_back() -> None:
    assert lease().in_force(Instant(949.9, 0.0))
    assert not lease().in_force(Instant(950.0, 0.0))


def test_it_ends_by_the_wall_clock_although_the_monotonic_one_stood_still() -> None:
    assert lease().in_force(Instant(51.0, 1899.9))
    assert not lease().in_force(Instant(51.0, 1900.0))


def test_the_time_of_asking_counts_not_that_of_the_answer() -> None:
    slow = Lease.begin(policy(), asked=50.0, received=900.0)

    assert not slow.in_force(Instant(950.0, 1000.0))


def test_capture_is_stamped_by_the_portals_time() -> None:
    assert lease().stamp(Instant(60.5, 7.0)) == 1010.0
    assert lease().stamp(Instant(60.5, 1800.0)) == 1010.0


def test_what_happened_before_the_policy_came_has_no_time_under_it() -> None:
    assert lease().stamp(Instant(50.4, 1000.0)) is None


def test_hearing_a_document_again_gives_no_time() -> None:
    again = lease().renewed(policy(), asked=800.0, received=800.5)

    assert not again.in_force(Instant(950.0, 1000.0))
    assert again.stamp(Instant(801.0, 1000.0)) == 1750.5


def test_a_document_issued_earlier_ends_no_later() -> None:
    older = lease().renewed(policy(iat=500, until=99_999), asked=800.0, received=800.5)

    assert not older.in_force(Instant(950.0, 1000.0))


def test_a_newer_document_starts_a_new_term() -> None:
    newer = lease().renewed(policy(iat=1800, until=2700), asked=800.0, received=800.5)

    assert newer.in_force(Instant(1600.0, 2600.0))
    assert newer.stamp(Instant(801.5, 0.0)) == 1801.0


@given(st.floats(0, 2000), st.floats(0, 3000), st.integers(0, 3000), st.integers(-900, 900))
def test_a_stamp_is_always_inside_the_lease(
    monotonic: float, wall: float, answered: int, base: int
) -> None:
    held = Lease.begin(policy(), asked=50.0, received=50.5, answered=answered).following(base)

    stamp = held.stamp(Instant(monotonic, wall))

    assert stamp is None or 1000 <= stamp < 1900


def test_a_clock_that_is_ahead_stamps_nothing_beyond_the_lease() -> None:
    """That of a process before us may be some seconds ahead: the lease still runs, and is full."""
    ahead = lease().following(47.0)

    assert ahead.in_force(Instant(948.0, 0.0))
    assert ahead.stamp(Instant(946.9, 0.0)) == 1899.9
    assert ahead.stamp(Instant(947.0, 0.0)) is None
    assert ahead.stamp(Instant(948.0, 0.0)) is None


# --- documents that were signed before they were asked for ---------------------------------------


def test_capture_is_stamped_by_when_the_portal_answered_not_by_when_it_signed() -> None:
    held = Lease.begin(policy(), asked=50.0, received=50.5, answered=1200.0)

    assert held.stamp(Instant(50.5, 0.0)) == 1200.0
    assert held.stamp(Instant(60.5, 0.0)) == 1210.0


def test_a_document_signed_before_ends_when_it_says() -> None:
    held = Lease.begin(policy(), asked=50.0, received=50.5, answered=1200.0)

    assert held.in_force(Instant(749.9, 0.0))
    assert not held.in_force(Instant(750.0, 0.0))


@given(st.floats(-1e12, 1e12), st.floats(0, 3000))
def test_a_date_moves_stamps_later_only_and_ends_only_sooner(answered: float, at: float) -> None:
    moment = Instant(at, 0.0)
    dated = Lease.begin(policy(), asked=50.0, received=50.5, answered=answered)
    first, second = lease().stamp(moment), dated.stamp(moment)

    assert dated.seconds_left(moment) <= lease().seconds_left(moment)
    assert second is None or (first is not None and second >= first)


def test_a_date_beyond_the_lease_leaves_nothing_of_it() -> None:
    late = Lease.begin(policy(), asked=50.0, received=50.5, answered=5000.0)

    assert not late.in_force(Instant(50.5, 0.0))
    assert late.stamp(Instant(50.5, 0.0)) is None


@given(
    st.floats(0, 800), st.floats(0, 800), st.floats(0, 800), st.floats(0.002, 800),
    st.floats(0, 3), st.floats(0, 3), st.booleans(),
)  # fmt: skip
def test_two_processes_never_stamp_the_same_instant_under_one_document(
    signed: float, first: float, worked: float, pause: float, way: float, back: float, known: bool
) -> None:  # fmt: skip
    """The portal's clock is the monotonic one plus 1000; dates are whole seconds of it."""
    iat = int(1000 + signed)
    document = policy(iat, iat + 3000)
    asked = signed + 1 + first
    received = asked + way + back
    date = float(int(1000 + asked + way))
    before = Lease.begin(document, asked=asked, received=received, answered=date)
    last = received + worked
    begun = last + pause
    there = begun + back + way
    after = Lease.begin(
        document, asked=begun, received=there, answered=float(int(1000 + begun + back))
    ).following(before.base if known else None)

    ended = before.stamp(Instant(last, 0.0))
    began = after.stamp(Instant(max(there, after.since), 0.0))

    assert ended is None or began is None or began > ended


@given(st.floats(-1e15, 1e15))
def test_no_base_that_is_told_moves_stamps_beyond_what_is_taken(base: float) -> None:
    held = Lease.begin(policy(), asked=50.0, received=50.5, answered=1200.0).following(base)

    stamp = held.stamp(Instant(60.5, 0.0))

    assert stamp is not None
    assert 1210.0 <= stamp <= 1215.0


@pytest.mark.parametrize("missing", [False, True])
def test_the_system_clock_goes_forward(*, missing: bool) -> None:
    clock = SystemClock()
    if missing:
        clock._source = None

    first, second = clock.now(), clock.now()

    assert first.monotonic <= second.monotonic
    assert abs(first.earlier(5).wall + 5 - first.wall) < 0.001
