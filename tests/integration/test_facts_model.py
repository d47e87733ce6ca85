"""A model of one person's facts, a dozen lines, and the product beside it, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from consent.policy.clocks import midnights
from tests import factories

START = datetime.now(UTC).date()
PLACES = st.sampled_from(["IE", "GB", "FR"])
KINDS = st.sampled_from(["work_location", "residence", "travel", "device_location", "site"])
SEVERAL = {"travel", "device_location"}
AHEAD = st.integers(-3, 6)


@dataclass
class Known:
    """One fact as the model has it."""

    kind: str
    value: str
    since: date
    until: date | None

    def holds(self, on: date) -> bool:
        return self.since <= on and (self.until is None or on < self.until)


def fold(known: list[Known], on: date) -> dict[str, list[str]]:
    """What the facts call for on a day; by the clock of where people work hours go."""
    holding = [fact for fact in known if fact.holds(on)]
    places = {fact.value for fact in holding if fact.kind != "site"}
    if not any(fact.kind == "work_location" for fact in holding):
        places = set()
    sites = {fact.value for fact in holding if fact.kind == "site"}
    shared = {"jurisdictions": sorted(places), "sites": sorted(sites)}
    works_in = {fact.value for fact in holding if fact.kind == "work_location"}
    return shared | ({"works_in": sorted(works_in)} if works_in < places else {})


def test_the_cohort_is_the_fold_of_the_facts_on_every_day(database: Any) -> None:
    from consent import selectors, services
    from consent.models import CohortMembership, Subject

    factories.make_world("IE")

    class Facts(RuleBasedStateMachine):
        """Facts recorded, ended and turning, in any order, while the days go by."""

        def __init__(self) -> None:
            super().__init__()
            self.today = START
            self.subject = factories.make_subject("IE")
            self.known = [Known("work_location", "IE", factories.LONG_AGO, None)]
            self.rows: dict[int, Known] = {}
            self.passed: list[tuple[date, dict[str, list[str]]]] = []

        @property
        def now(self) -> datetime:
            return datetime.combine(self.today, time(12), tzinfo=UTC)

        @rule(kind=KINDS, value=PLACES, ahead=AHEAD, length=st.integers(1, 5) | st.none())
        def record(self, kind: str, value: str, ahead: int, length: int | None) -> None:
            since = self.today + timedelta(days=ahead)
            until = since + timedelta(days=length) if length else None
            row = services.record_fact(
                subject=self.subject,
                kind=kind,
                value=value,
                valid_from=since,
                valid_until=until,
                source="test",
                actor=factories.OFFICER,
                at=self.now,
            )
            self.look_back()
            if kind not in SEVERAL:
                same = [fact for fact in self.known if fact.kind == kind]
                later = [f.since for f in same if f.since > since and f.until != f.since]
                until = min([day for day in (until, *later) if day], default=None)
                if Known(kind, value, since, until) in same:
                    return
                for fact in same:
                    if fact.holds(since):
                        fact.until = since
            elif Known(kind, value, since, until) in self.known:
                return
            self.known.append(Known(kind, value, since, until))
            self.rows[row.pk] = self.known[-1]

        @rule(which=st.integers(0, 9), ahead=st.integers(0, 4))
        def end(self, which: int, ahead: int) -> None:
            if not self.rows:
                return
            pk = sorted(self.rows)[which % len(self.rows)]
            fact = self.rows[pk]
            day = fact.since + timedelta(days=ahead)
            if fact.until is not None and day > fact.until:
                return
            services.end_fact(
                fact=self.subject.facts.get(pk=pk),
                valid_until=day,
                actor=factories.OFFICER,
                at=self.now,
            )
            self.look_back()
            fact.until = day

        @rule(days=st.integers(1, 3), awake=st.booleans())
        def wait(self, days: int, awake: bool) -> None:
            """The workers may sleep over some days; whoever comes first catches up day by day."""
            for _ in range(days):
                self.today += timedelta(days=1)
                self.passed.append((self.today, fold(self.known, self.today)))
            if awake:
                services.place_turned(at=self.now)
                assert services.place_turned(at=self.now) == 0
                self.look_back()

        def look_back(self) -> None:
            """Every move is on record as it was called for on its day, by what was known then."""
            moves = CohortMembership.objects.filter(subject=self.subject).order_by("pk")
            for day, facts in self.passed:
                noon = datetime.combine(day, time(11), tzinfo=UTC)
                then = moves.filter(since__lte=noon).last()
                assert then
                assert then.cohort.facts == facts
            self.passed = []

        @invariant()
        def the_cohort_is_the_fold(self) -> None:
            """Also while the workers sleep; a cohort that nobody was in yet denies meanwhile."""
            subject = Subject.objects.get(pk=self.subject.pk)
            cohort = selectors.cohort_of(subject, at=self.now)
            assert cohort or self.passed
            assert not cohort or cohort.facts == fold(self.known, self.today)
            assert selectors.cohort_facts(subject, at=self.now) == fold(self.known, self.today)

        @invariant()
        def what_is_coming_is_known(self) -> None:
            subject = Subject.objects.get(pk=self.subject.pk)
            since = self.passed[0][0] - timedelta(days=1) if self.passed else self.today
            ends = [day for f in self.known for day in (f.since, f.until) if day]
            coming = min((day for day in ends if day > since), default=None)
            assert (subject.turns_at is None) == (coming is None)
            # It may be begun in one of the places and not yet in another.
            if coming:
                assert subject.turns_at in midnights({"IE", "GB", "FR"}, coming)

        @invariant()
        def the_moves_are_on_record(self) -> None:
            moves = CohortMembership.objects.filter(subject=self.subject).order_by("pk")
            cohorts = [move.cohort_id for move in moves]
            assert cohorts[-1] == Subject.objects.get(pk=self.subject.pk).cohort_id
            assert all(a != b for a, b in pairwise(cohorts))

    run_state_machine_as_test(
        Facts,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
