"""How soon an agent asks again: at once where it is held, else as often as the policy says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent.asking import Fetched
from sayso_agent.lease import Instant
from sayso_agent.portal import PolicyAnswer
from sayso_agent.rhythm import Rhythm

AFTER = 60.0
OFFERED = 30.0


def came(
    took: float = 0.0, *, token: str | None = None, held: float = 0.0, wait: float = OFFERED
) -> Fetched:
    """An answer to a poll, so long after it was asked."""
    answer = PolicyAnswer(token, '"1"', OFFERED, None if token is None else 0.0, held)
    return Fetched(answer, Instant(100.0, 100.0), Instant(100.0 + took, 100.0 + took), wait)


def pause(rhythm: Rhythm, answer: Fetched) -> float:
    return rhythm.pause(answer, offered=OFFERED, poll_after=AFTER)


@pytest.fixture
def rhythm() -> Rhythm:
    return Rhythm()


def test_who_was_held_asks_again_at_once(rhythm: Rhythm) -> None:
    assert pause(rhythm, came(30.0, held=30.0)) <= 0.5


def test_who_was_not_held_waits_as_long_as_the_policy_says(rhythm: Rhythm) -> None:
    for _ in range(3):
        assert pause(rhythm, came()) >= AFTER * 0.8


def test_the_word_that_it_was_held_does_not_make_it_so(rhythm: Rhythm) -> None:
    assert pause(rhythm, came(0.1, held=30.0)) >= AFTER * 0.8 - 0.1


def test_what_was_waited_for_an_answer_counts(rhythm: Rhythm) -> None:
    assert AFTER * 0.8 - 20 <= pause(rhythm, came(20.0)) <= AFTER - 20
    assert pause(rhythm, came(70.0)) <= 0.5, "a proxy that holds and drops the header"


def test_the_first_answer_of_all_was_never_to_be_held(rhythm: Rhythm) -> None:
    assert pause(rhythm, came(token="a", wait=0.0)) <= 0.5


def test_a_new_policy_is_waited_upon_at_once_each_time_a_lease_is_half_over(
    rhythm: Rhythm,
) -> None:
    """A minute of not waiting each time would be a minute in which no stop is heard."""
    for number in range(4):
        assert pause(rhythm, came(token=f"lease {number}")) <= 0.5
        assert pause(rhythm, came(30.0, held=30.0)) <= 0.5


def test_a_change_while_it_waits_is_no_reason_to_slow_down(rhythm: Rhythm) -> None:
    for number in range(4):
        assert pause(rhythm, came(0.1, token=f"change {number}", held=30.0)) <= 0.5


@given(st.lists(st.floats(1.0, 30.0), min_size=1, max_size=40))
def test_whoever_is_told_of_each_change_waits_for_the_next_at_once(after: list[float]) -> None:
    """However many there are: what follows word of a change is fetched without waiting."""
    rhythm = Rhythm()

    for number, took in enumerate(after):
        rhythm.told_of_change(took)
        assert pause(rhythm, came(token=f"change {number}", wait=0.0)) <= 0.5


def test_word_of_changes_at_once_each_time_is_a_reason(rhythm: Rhythm) -> None:
    """A portal that tells whoever asks of a change would be asked without end."""
    pauses = []
    for number in range(20):
        rhythm.told_of_change(0.01)
        pauses.append(pause(rhythm, came(token=f"change {number}", wait=0.0)))
    assert max(pauses[:5]) <= 0.5, "a person's, one after the other"
    assert max(pauses[:8]) <= 2, "a person's who is very quick"
    assert min(pauses[13:]) >= AFTER * 0.8

    rhythm.told_of_change(2.0)
    assert pause(rhythm, came(token="later", wait=0.0)) <= 0.5


def test_changes_that_come_between_two_polls_are_a_persons_at_first(rhythm: Rhythm) -> None:
    """Who pauses and resumes before the agent asks again is not recorded for a minute after."""
    pauses = [pause(rhythm, came(token=f"change {number}")) for number in range(20)]
    assert max(pauses[:5]) <= 0.5
    assert min(pauses[13:]) >= AFTER * 0.8

    assert pause(rhythm, came(30.0, held=30.0)) <= 0.5
    assert pause(rhythm, came(token="later")) <= 0.5


def test_the_same_policy_again_is_nothing_new(rhythm: Rhythm) -> None:
    """A proxy that drops If-None-Match brings the whole document at once, for ever."""
    pause(rhythm, came(token="a", wait=0.0))

    assert pause(rhythm, came(token="a")) >= AFTER * 0.8


def test_without_an_offer_it_asks_as_often_as_the_policy_says(rhythm: Rhythm) -> None:
    found = rhythm.pause(came(30.0, held=30.0), offered=0.0, poll_after=AFTER)

    assert AFTER * 0.8 <= found <= AFTER


tokens: Iterator[int] = count()


@given(st.lists(st.sampled_from(["304", "same", "new"]), min_size=2, max_size=60))
def test_whoever_is_never_held_is_hurried_by_little_news_alone(kinds: list[str]) -> None:
    """Whatever comes at once: nothing new never hurries, and what is new does so for a while."""
    rhythm = Rhythm()
    told = {"304": None, "same": "same"}

    pauses = [pause(rhythm, came(token=told.get(kind, f"new {next(tokens)}"))) for kind in kinds]

    hurried = [kind for kind, found in zip(kinds, pauses, strict=True) if found < AFTER * 0.8]
    assert "304" not in hurried
    assert len(hurried) <= 13
