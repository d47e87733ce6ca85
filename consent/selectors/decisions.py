"""Facts from the database into the pure core, and its decisions out again, with their reasons."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from consent.models import Agent, CohortPolicy, Subject
from consent.policy.bounds import AnySignal
from consent.policy.clocks import local_days, midnights
from consent.policy.evaluate import Decision, evaluate_many, next_change
from consent.policy.facts import ACTIVE, AppFacts, PersonFacts
from consent.policy.hours import Schedule, State, state_at
from consent.policy.rulebook import Rulebook
from consent.policy.types import CONTENT_SIGNALS, Signal
from consent.rules import rulebook_of
from consent.selectors.answers import Answers, Covered
from consent.selectors.arrivals import arrivals_in
from consent.selectors.corefacts import (
    app_facts,
    asked_pairs,
    person_facts,
    places_of_others_in,
    schedules_on,
    willing,
)
from consent.selectors.documents import clocked_by, current_cohort_policies, said_by
from consent.selectors.facts import cohort_key_of, next_turn_of
from consent.selectors.pauses import paused_at
from consent.selectors.recorded import Recorded, recorded_of
from consent.selectors.shared import dated_in
from consent.selectors.stops import Stops, stops_now
from consent.selectors.verdicts import PairDecision, Verdicts
from consent.selectors.waivers import Waived, waived_by


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All that bears on one person's answers at one instant: what stands now, or what stood."""

    cohort_policy: CohortPolicy | None
    answers: Answers
    acknowledged: AbstractSet[tuple[int, int]]
    paused: bool
    paused_since: datetime | None = None
    """When the pause began; also None where that is not asked for."""
    agent: str
    """The standing of the machine; without one, of some machine in good standing."""
    turns_at: datetime | None
    """When a fact about the person begins or ends next."""
    stops: Stops
    departs_at: datetime | None = None
    """When the person leaves the organisation, or left it."""
    arrived: date | None = None
    """Since when they are under rules with a notice period; None where no such rules are theirs."""
    in_hours: bool | None = None
    """Whether to take it for within working hours; None where the shared document says so."""
    waived: Waived = field(default_factory=dict)
    """The notices of which they agreed to a shorter period."""
    reconstructed: bool = False
    willing: bool = False
    """Decide as for somebody who said yes today to all that is asked: by the shared half alone."""


def nobody_in(
    policy: CohortPolicy | None,
    *,
    departs_at: datetime | None,
    arrived: date | None = None,
    stops: Stops,
    reconstructed: bool = False,
) -> Standing:
    """Return the standing of a willing person of whom nothing but the cohort is known."""
    return Standing(
        cohort_policy=policy,
        answers={},
        acknowledged=frozenset(),
        paused=False,
        agent=ACTIVE,
        turns_at=None,
        departs_at=departs_at,
        arrived=arrived,
        stops=stops,
        reconstructed=reconstructed,
        willing=True,
    )


def verdicts_for(
    subject: Subject, *, at: datetime, agent: Agent | None = None, past: bool = False
) -> Verdicts:
    """Decide every app and signal of every purpose for this person at `at`, by what stands now.

    Without `agent` the question is about the person alone: some machine in good standing. With
    `past` the pauses of that instant count; else whichever pause stands, whatever clocks say.
    """
    return decide(standings_for([subject], at=at, agents=[agent], past=past)[0], at=at)


def standings_for(
    subjects: Sequence[Subject],
    *,
    at: datetime,
    agents: Sequence[Agent | None],
    past: bool = False,
    recorded: Mapping[int, Recorded] | None = None,
) -> list[Standing]:
    """Return what stands for each subject and machine, in as many queries as for one.

    `recorded`: what is on record about each, where it is at hand.
    """
    keys = [subject.pk for subject in subjects]
    cohorts = [cohort_key_of(subject, at=at) for subject in subjects]
    policies = current_cohort_policies({cohort for cohort in cohorts if cohort})
    if recorded is None:
        recorded = recorded_of(keys)
    if past:
        recorded = _as_of(recorded, at)
    # Read for every answer, never from what cohorts share: to pull a switch writes one row.
    stops = stops_now()
    shared = {
        key: policies.get(cohort) if cohort else None
        for key, cohort in zip(keys, cohorts, strict=True)
    }
    held = {key: recorded[key].facts for key in keys}
    arrived = arrivals_in(shared, at=at, held=held)
    return [
        Standing(
            cohort_policy=shared[subject.pk],
            answers=recorded[subject.pk].answers,
            acknowledged=recorded[subject.pk].acknowledged,
            waived=recorded[subject.pk].waived,
            paused=recorded[subject.pk].paused_since is not None,
            paused_since=recorded[subject.pk].paused_since,
            agent=ACTIVE if agent is None or agent.standing == Agent.Standing.ACTIVE else "revoked",
            turns_at=next_turn_of(recorded[subject.pk].facts, at=at),
            departs_at=subject.departed_at,
            arrived=arrived.get(subject.pk),
            stops=stops,
        )
        for subject, agent in zip(subjects, agents, strict=True)
    ]


def _as_of(recorded: Mapping[int, Recorded], at: datetime) -> dict[int, Recorded]:
    """Return the same with the pauses, and what was agreed to of notices, as at an instant."""
    waived, paused = waived_by(recorded, at=at), paused_at(recorded, at)
    return {
        key: replace(one, waived=waived[key], paused_since=paused.get(key))
        for key, one in recorded.items()
    }


def decide(standing: Standing, *, at: datetime) -> Verdicts:
    """Decide every app and signal of every purpose by what stands, with the rules it names."""
    policy = standing.cohort_policy
    shared = said_by(policy)
    rules = rulebook_of(shared.get("rulebook"))
    pairs: list[PairDecision] = []
    hours: dict[str, State] = {}
    schedules: dict[str, frozenset[Schedule]] = {}
    changes = changes_of_person(standing, at)
    for asked in questions(standing, rules, at=at):
        if asked.hours:
            schedules[asked.code], hours[asked.code] = asked.schedules, asked.hours
        apps = app_facts(shared, asked.purpose, asked.days)
        pairs += answered(asked, apps, rules)
        changes += (turn for turn in changes_of(asked, apps, rules) if turn > at)
    return Verdicts(
        pairs=tuple(pairs),
        cohort_policy=policy,
        paused=standing.paused,
        next_change=min(changes, default=None),
        rulebook=rules,
        hours=hours,
        schedules=schedules,
        standing=standing,
        at=at,
        reconstructed=standing.reconstructed,
    )


@dataclass(frozen=True)
class Question:
    """One person and one purpose, as the core is asked about them."""

    code: str
    purpose: Mapping[str, Any]
    persons: tuple[PersonFacts, ...]
    """The facts, once for each day that it is now in one of the person's places."""
    among_others: tuple[tuple[frozenset[str], tuple[PersonFacts, ...]], ...]
    """Likewise where places of others count as well, and it is another day there."""
    places: frozenset[str]
    """The places by whose clocks a day of all this may begin or end."""
    chosen: frozenset[tuple[str, Signal]]
    lapsed: frozenset[tuple[str, Signal]]
    schedules: frozenset[Schedule]
    """The working hours that bind the purpose."""
    hours: State | None
    """How they stand; None where there are none."""

    @property
    def days(self) -> tuple[date, ...]:
        """Return the days that it is now in any of the places, the earliest first."""
        return tuple(sorted({person.today for person in self.everybody}))

    @property
    def everybody(self) -> tuple[PersonFacts, ...]:
        """Return the facts for each of the days, also where places of others count."""
        return (*self.persons, *(one for _, persons in self.among_others for one in persons))


def questions(standing: Standing, rules: Rulebook, *, at: datetime) -> Iterator[Question]:
    """Yield what is to be decided, purpose by purpose."""
    shared = said_by(standing.cohort_policy)
    for code, purpose in shared["purposes"].items():
        answer = standing.answers.get(code)
        bound = schedules_on(shared, purpose, at) if standing.in_hours is None else frozenset()
        hours = _state_at(bound, at) if bound else None
        persons = _on_days(shared, code, standing, rules, at=at, hours=hours)
        elsewhere = places_of_others_in(shared, purpose)
        among_others = (
            (codes, _on_days(shared, code, standing, rules, at=at, hours=hours, others=codes))
            for codes in elsewhere
        )
        chosen, lapsed = _still_asked(answer.covers if answer else {}, purpose)
        yield Question(
            code=code,
            purpose=purpose,
            persons=persons,
            among_others=tuple(one for one in among_others if one[1] != persons),
            places=clocked_by(shared, *elsewhere),
            chosen=frozenset(asked_pairs(purpose) if standing.willing else chosen),
            lapsed=frozenset(lapsed),
            schedules=bound,
            hours=hours,
        )


def _on_days(
    shared: Mapping[str, Any],
    code: str,
    standing: Standing,
    rules: Rulebook,
    *,
    at: datetime,
    hours: State | None,
    others: frozenset[str] = frozenset(),
) -> tuple[PersonFacts, ...]:
    """Return the facts for each day that it is in the person's places, and in those of others."""
    found = (
        person_facts(shared, code, standing, rules, at=at, local=local, hours=hours)
        for local in local_days(clocked_by(shared, others), at)
    )
    purpose = shared["purposes"][code]
    return tuple(willing(one, purpose) if standing.willing else one for one in found)


_state_at = lru_cache(maxsize=512)(state_at)
"""Policies are issued to many at the same instant."""


def answered(asked: Question, apps: tuple[AppFacts, ...], rules: Rulebook) -> list[PairDecision]:
    """Return the decisions about these apps."""
    return [
        PairDecision(asked.code, str(app), Signal(signal), decision)
        for (app, signal), decision in decided(asked, apps, rules).items()
    ]


def decided(
    asked: Question,
    apps: tuple[AppFacts, ...],
    rules: Rulebook,
    signals: Collection[AnySignal] = tuple(Signal),
) -> dict[tuple[str | None, AnySignal], Decision]:
    """Return the decision of the core for each of these apps and signals.

    Where it is two days at once, what either of them denies is denied. The words of others are
    under the days of their places as well.
    """
    found = _on_all_days(asked, asked.persons, apps, rules, signals)
    content = [signal for signal in signals if signal in CONTENT_SIGNALS]
    for codes, persons in asked.among_others:
        showing = tuple(app for app in apps if app.counterparties == codes)
        found |= _on_all_days(asked, persons, showing, rules, content)
    return found


def _on_all_days(
    asked: Question,
    persons: tuple[PersonFacts, ...],
    apps: tuple[AppFacts, ...],
    rules: Rulebook,
    signals: Collection[AnySignal],
) -> dict[tuple[str | None, AnySignal], Decision]:
    found, *others = (
        evaluate_many(
            person, apps, rules, consented=asked.chosen, lapsed=asked.lapsed, signals=signals
        )
        for person in persons
    )
    for other in others:
        # Many pairs share one decision, and both tables stay: no identity is given twice.
        both: dict[tuple[int, int], Decision] = {}
        before, found = found, {}
        for pair, said in other.items():
            one = before[pair]
            key = id(one), id(said)
            if key not in both:
                both[key] = one.and_also(said)
            found[pair] = both[key]
    return found


def about(verdicts: Verdicts, app: str, signal: AnySignal) -> dict[str, Decision]:
    """Return purpose -> the decision about one app and signal, be it one that is never recorded.

    Empty where nothing was published, or the app was not there.
    """
    if isinstance(signal, Signal):
        pairs = (pair for pair in verdicts.pairs if (pair.app, pair.signal) == (app, signal))
        return {pair.purpose: pair.decision for pair in pairs}
    return {
        asked.code: decision
        for asked in questions(verdicts.standing, verdicts.rulebook, at=verdicts.at)
        for facts in app_facts(verdicts.shared, asked.purpose, asked.days)
        if facts.app == app
        for decision in decided(asked, (facts,), verdicts.rulebook, (signal,)).values()
    }


def changes_of_person(standing: Standing, at: datetime) -> list[datetime]:
    """Return when something about the person changes by itself."""
    changes = [standing.turns_at] if standing.turns_at else []
    if standing.departs_at and standing.departs_at > at:
        changes.append(standing.departs_at)
    return changes


def _still_asked(
    chosen: Covered, purpose: Mapping[str, Any]
) -> tuple[set[tuple[str, Signal]], set[tuple[str, Signal]]]:
    """Return of a yes what still counts, and what was taken off the list since and is back on it.

    What is off the list is in neither.
    """
    asked = purpose["allowlist"]
    listed = {pair: by for pair, by in chosen.items() if pair[1] in asked.get(pair[0], ())}
    counts = {(app, signal) for (app, signal), by in listed.items() if asked[app][signal] == by}
    return counts, set(listed) - counts


def changes_of(asked: Question, apps: tuple[AppFacts, ...], rules: Rulebook) -> Iterator[datetime]:
    """Yield when one of the decisions about these apps may change by itself; some are past."""
    days = {day for day in dated_in(asked.purpose) if day > asked.days[0]}
    days |= {day for one in asked.everybody if (day := next_change(one, rules, apps))}
    # Evidence, agreements and exceptions count from the first instant of a day, and until it.
    for day in days:
        yield from midnights(asked.places, day)
    if asked.hours and asked.hours.turns_at:
        yield asked.hours.turns_at
