"""What people answered is told for many together: no two looks differ by what one person chose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests import factories
from tests.integration.test_report_figures import Written, decide

CHOICES = ("yes", "no", "not now", "taken back")
HEADS = {"given": 0, "refused": 1, "deferred": 2, "withdrawn": 3}
FEW = 3


@pytest.fixture(autouse=True)
def small(settings: Any, tmp_path: Any) -> None:
    settings.STORES = {"files": {"kind": "filesystem", "root": tmp_path / "store"}}
    settings.SMALLEST_GROUP = FEW


def publish(day: int = 1) -> int:
    """Let the midnight after so many days come; what is answered now was answered before it."""
    from portal.answers import publish_answers

    return publish_answers(at=datetime.now(UTC) + timedelta(days=day))


def told() -> list[tuple[int | None, ...]]:
    from portal.reporting import consents

    return [(item.line.total, *item.line.cells) for item in consents.told()]


NOTHING = (None,) * 7


def test_nothing_is_told_before_enough_people_answered(database: Any) -> None:
    world = factories.make_world()
    people = [world.another_subject() for _ in range(8)]
    assert (publish(), told()) == (0, [NOTHING])

    for answer in ("yes", "no", "yes"):
        decide(world, people[0], answer)  # one person, however often
    decide(world, people[1], "yes")
    assert (publish(), told()) == (0, [NOTHING])

    decide(world, people[2], "taken back")
    assert publish(day=0) == 0, "today is not over"
    assert publish() == 1
    assert told() != [NOTHING]


def answered(world: factories.World) -> list[Any]:
    """Twenty-three people, of whom thirteen answered; return those who did not yet."""
    people = [world.another_subject() for _ in range(22)]
    answers = ["yes"] * 10 + ["no", "not now", "taken back"]
    for person, answer in zip(people, answers, strict=False):
        decide(world, person, answer)
    return people[13:]


# People, yes, no, not now, taken back, ended otherwise, no answer; rounded down to threes.
FIRST = (23, 9, None, None, None, None, 9)
THEN = (23, 12, None, None, None, None, 6)


def test_a_figure_stands_until_enough_people_answered_anew(database: Any) -> None:
    world = factories.make_world()
    silent = answered(world)
    assert publish() == 1
    assert told() == [FIRST]

    for count, person in enumerate(silent[:3], start=1):
        decide(world, person, "yes")
        assert told() == [FIRST], "no look during the day shows it"
        assert publish(day=1 + count) == (1 if count == FEW else 0)
        assert told() == [THEN if count == FEW else FIRST]


def test_another_purpose_has_its_own_line(database: Any) -> None:
    from consent import services

    world = factories.make_world()
    services.publish_purpose(
        code="another", title="Another", description="More.", retention_days=9, position=2,
        actor=factories.OFFICER,
    )  # fmt: skip
    for _ in range(9):
        decide(world, world.another_subject(), "yes")

    assert publish() == 1

    assert told()[0] != NOTHING
    assert told()[1] == NOTHING


def test_report_and_page_tell_the_very_same_and_say_of_when(database: Any) -> None:
    from django.utils import timezone

    from portal import figures

    world = factories.make_world()
    assert Written("consent-overview").rows("Answers, by purpose") == [
        [world.purpose.title, "not told yet", *["hidden"] * 7]
    ]
    answered(world)
    publish()

    (row,) = Written("consent-overview").rows("Answers, by purpose")

    today = timezone.now().date()
    assert row[1] == f"{today.day} {today:%B %Y}"
    assert row[2:] == ["hidden" if cell is None else str(cell) for cell in FIRST]
    assert tuple(one["value"] for one in figures.answers()) == FIRST[1:]
    earlier = Written("consent-overview", period_until=timezone.now() - timedelta(days=1))
    assert earlier.rows("Answers, by purpose") == []


def test_what_was_told_is_never_told_otherwise(database: Any) -> None:
    import psycopg

    world = factories.make_world()
    for _ in range(9):
        decide(world, world.another_subject(), "yes")
    publish()

    assert publish() == 0
    for statement in (
        "UPDATE portal_publishedanswers SET total = 1",
        "DELETE FROM portal_publishedanswers",
    ):
        with pytest.raises(psycopg.Error):
            database.sql(statement, role="app")


def test_no_sequence_of_choices_shows_what_fewer_people_chose(database: Any) -> None:
    """Choices, days and looks in any order, beside a model that counts for itself."""
    world = factories.make_world()
    seen = {"moved": 0, "stood": 0}

    class Story(RuleBasedStateMachine):
        """Eleven people and a purpose of their own."""

        def __init__(self) -> None:
            super().__init__()
            from consent.models import Subject

            # What the story before left to be told is told before this one begins.
            for _ in range(FEW):
                decide(world, world.another_subject(), "no")
            Subject.objects.filter(departed_at=None).update(departed_at=datetime.now(UTC))
            self.people = [world.another_subject() for _ in range(11)]
            self.days = PASSED[0]
            self.states: dict[int, str] = {}
            self.since: set[int] = set()
            publish(day=self.next_day())
            self.view = told()

        def next_day(self) -> int:
            PASSED[0] += 1
            return PASSED[0]

        @rule(who=st.integers(0, 10), answer=st.sampled_from(CHOICES))
        def choose(self, who: int, answer: str) -> None:
            decide(world, self.people[who], answer)
            self.since.add(who)
            self.states[who] = answer

        @rule(whom=st.integers(0, 8), answer=st.sampled_from(CHOICES))
        def several(self, whom: int, answer: str) -> None:
            for who in range(whom, whom + 3):
                self.choose(who, answer)

        @rule()
        def night(self) -> None:
            publish(day=self.next_day())
            now = told()
            if len(self.since) < FEW:
                assert now == self.view
                seen["stood"] += 1
            else:
                counts = [sum(s == answer for s in self.states.values()) for answer in CHOICES]
                counts += [0, 11 - sum(counts)]
                for cell, exact in zip(now[0][1:], counts, strict=True):
                    assert cell is None or cell == exact - exact % FEW
                    assert cell is None or exact >= FEW
                seen["moved"] += now != self.view
                self.since, self.view = set(), now

        @invariant()
        def a_look_by_day_shows_what_stood_in_the_morning(self) -> None:
            assert told() == self.view

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert all(seen.values()), seen


PASSED = [0]
"""Days that passed, over all stories: what was told once stands before whatever comes later."""
