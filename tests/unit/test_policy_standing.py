"""What a process remembers stands exactly as long as nothing of it was marked."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from portal.endpoint import record
from portal.endpoint.answer import Known
from portal.endpoint.limits import Bucket
from portal.endpoint.record import Mark
from portal.endpoint.standing import Kept, Standing

PEOPLE = range(1, 7)
COHORTS = range(1, 3)
NAMES = [f"s:{n}" for n in PEOPLE] + [f"c:{n}" for n in COHORTS]


class Redis:
    """The tally and the list of marks as the scripts leave them."""

    def __init__(self) -> None:
        self.tally: bytes | None = None
        self.marks: list[Mark] = []

    def mark(self, names: list[str]) -> None:
        before, self.tally = self.tally or b"0" * 8, record.new_nonce()
        self.marks = [Mark(before, self.tally, names), *self.marks[:2]]

    def begin(self) -> None:
        self.tally = self.tally or record.new_nonce()


class Reader(RuleBasedStateMachine):
    """One process reads while others mark and Redis forgets; the list holds three marks."""

    def __init__(self) -> None:
        super().__init__()
        self.redis = Redis()
        self.standing = Standing()
        self.kept = [
            Kept(Known(n, n, 1 + n % len(COHORTS), etag='"1"'), record.Nonces(b"", b""), Bucket(1))
            for n in PEOPLE
        ]
        self.marked_since: dict[int, bool] = {}
        """Of each that was verified in this epoch: whether it was marked after that."""

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3))
    def mark(self, names: set[str]) -> None:
        self.redis.mark(sorted(names))
        for kept in self.kept:
            if {f"s:{kept.known.subject}", f"c:{kept.known.cohort}"} & names:
                self.marked_since[kept.known.agent] = True

    @rule()
    def hear(self) -> None:
        marks = list(self.redis.marks)
        self.redis.begin()
        self.standing.hear(marks, self.redis.tally or b"")

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3))
    def hear_while_something_is_marked(self, names: set[str]) -> None:
        self.redis.begin()
        marks = list(self.redis.marks)
        self.mark(names)
        self.standing.hear(marks, self.redis.tally or b"")

    @rule(which=st.sampled_from(list(PEOPLE)))
    def verify(self, which: int) -> None:
        """As after an answer of Redis with the nonces that stand, and the tally of that moment."""
        if self.standing.is_up_to(self.redis.tally):
            self.standing.verify(self.kept[which - 1])
            self.marked_since[which] = False

    @rule(tally=st.booleans(), marks=st.booleans())
    def redis_forgets(self, tally: bool, marks: bool) -> None:
        if tally:
            self.redis.tally = None
        if marks:
            self.redis.marks = []

    @rule()
    def a_new_epoch_begins(self) -> None:
        self.redis = Redis()
        self.marked_since.clear()

    @invariant()
    def nothing_marked_stands(self) -> None:
        if not self.standing.is_up_to(self.redis.tally):
            return
        for kept in self.kept:
            if self.standing.holds(kept):
                assert self.marked_since[kept.known.agent] is False


TestReader = Reader.TestCase
TestReader.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def heard(standing: Standing, redis: Redis) -> None:
    redis.begin()
    standing.hear(list(redis.marks), redis.tally or b"")


def verified(standing: Standing, subject: int, cohort: int = 1) -> Kept:
    kept = Kept(Known(subject, subject, cohort, etag='"1"'), record.Nonces(b"", b""), Bucket(1))
    standing.verify(kept)
    return kept


def test_who_was_not_marked_stands_on() -> None:
    redis, standing = Redis(), Standing()
    heard(standing, redis)
    one, two = verified(standing, 1), verified(standing, 2)

    redis.mark(["s:1"])
    redis.mark(["s:9", "c:5"])
    heard(standing, redis)

    assert (standing.holds(one), standing.holds(two)) == (False, True)


def test_a_cohort_that_was_marked_takes_all_of_its_people_with_it() -> None:
    redis, standing = Redis(), Standing()
    heard(standing, redis)
    inside, outside = verified(standing, 1, 3), verified(standing, 2, 4)

    redis.mark(["c:3"])
    heard(standing, redis)

    assert (standing.holds(inside), standing.holds(outside)) == (False, True)


def test_who_missed_more_than_the_list_holds_believes_nothing_it_verified() -> None:
    redis, standing = Redis(), Standing()
    heard(standing, redis)
    kept = verified(standing, 1)

    for number in range(4):
        redis.mark([f"s:{number + 5}"])
    heard(standing, redis)

    assert not standing.holds(kept)


def test_what_is_verified_again_stands_again() -> None:
    redis, standing = Redis(), Standing()
    heard(standing, redis)
    kept = verified(standing, 1)
    redis.mark(["s:1"])
    heard(standing, redis)
    assert not standing.holds(kept)

    standing.verify(kept)

    assert standing.holds(kept)


def test_a_mark_is_read_back_as_it_was_written() -> None:
    keys, values = record.mark_keys_and_values(b"e", ["s:1", "c:2"])
    raw = b"0" * 8 + values[0] + values[1]

    assert keys == [b"sayso:e:tally", b"sayso:e:marks", b"sayso:e:s:1", b"sayso:e:c:2"]
    assert record.unpack_mark(raw) == Mark(b"0" * 8, values[0], ["s:1", "c:2"])
    assert len({values[0], *values[-2:]}) == 3


def test_very_many_marked_names_are_not_remembered_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr("portal.endpoint.standing.MOST_NAMES", 3)
    redis, standing = Redis(), Standing()
    heard(standing, redis)
    kept = verified(standing, 1)

    for number in range(5):
        redis.mark([f"s:{number + 5}"])
        heard(standing, redis)

    assert not standing.holds(kept)
    assert standing.holds(verified(standing, 1))


INSTANTS = st.integers(0, 3) | st.floats(0, 3)


@given(st.sampled_from(["", '"1"']), st.integers(0, 3), st.integers(0, 3), INSTANTS)
def test_what_is_kept_is_in_force_as_long_as_what_is_known(
    etag: str, issued: int, fresh_until: int, now: float
) -> None:
    known = Known(1, 1, 1, etag=etag, issued=issued, fresh_until=fresh_until)

    kept = Kept(known, None, Bucket(1))

    assert kept.is_in_force(now) is known.is_in_force(now)
