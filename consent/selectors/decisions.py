"""Facts from the database into the pure core, and its decisions out again, with their reasons."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from consent.models import (
    Acknowledgement,
    Agent,
    CohortPolicy,
    ConsentEvent,
    Subject,
)
from consent.policy.bounds import AnySignal
from consent.policy.evaluate import Decision, evaluate_many, next_change
from consent.policy.facts import ACTIVE, AppFacts, PersonFacts
from consent.policy.hours import Schedule, State, state_at
from consent.policy.rulebook import Rulebook
from consent.policy.types import AppCategory, ConsentState, DataOf, Signal
from consent.rules import rulebook_of
from consent.selectors.arrivals import arrivals_in
from consent.selectors.choices import listings_of, standing_consents_of
from consent.selectors.days import day_in
from consent.selectors.documents import current_cohort_policies, said_by
from consent.selectors.facts import cohort_key_of, midnight, next_turns
from consent.selectors.pauses import paused_at, paused_now
from consent.selectors.shared import agreements_of_others, dated_in, day_of, lifted_signals
from consent.selectors.stops import Stops, stops_now
from consent.selectors.verdicts import PairDecision, Verdicts


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All that bears on one person's answers at one instant: what stands now, or what stood."""

    cohort_policy: CohortPolicy | None
    events: Mapping[str, ConsentEvent]
    """Purpose code -> the person's newest decision."""
    acknowledged: AbstractSet[tuple[int, int]]
    paused: bool
    agent: str
    """The standing of the machine; without one, of some machine in good standing."""
    turns_on: date | None
    """The next day on which a fact about the person begins or ends."""
    stops: Stops
    departs_at: datetime | None = None
    """When the person leaves the organisation, or left it."""
    arrived: date | None = None
    """Since when they are under rules with a notice period; None where no such rules are theirs."""
    in_hours: bool | None = None
    """Whether to take it for within working hours; None where the shared document says so."""
    listings: Mapping[int, Mapping[tuple[str, Signal], int | None]] | None = None
    """What those decisions cover, by which entries of the list, where it was read with them."""
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
        events={},
        acknowledged=frozenset(),
        paused=False,
        agent=ACTIVE,
        turns_on=None,
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
) -> list[Standing]:
    """Return what stands for each subject and machine, in as many queries as for one."""
    keys = [subject.pk for subject in subjects]
    cohorts = [cohort_key_of(subject, at=at) for subject in subjects]
    policies = current_cohort_policies({cohort for cohort in cohorts if cohort})
    events = standing_consents_of(keys)
    listings = listings_of(event for found in events.values() for event in found.values())
    acknowledged = acknowledged_by(keys)
    paused = paused_at(keys, at) if past else paused_now(keys)
    turns = next_turns(keys, at=at)
    # Read for every answer, never from what cohorts share: to pull a switch writes one row.
    stops = stops_now()
    arrived = arrivals_in(
        {
            subject.pk: policies.get(cohort) if cohort else None
            for subject, cohort in zip(subjects, cohorts, strict=True)
        },
        at=at,
    )
    return [
        Standing(
            cohort_policy=policies.get(cohort) if cohort else None,
            events=events[subject.pk],
            listings=listings,
            acknowledged=acknowledged[subject.pk],
            paused=subject.pk in paused,
            agent=ACTIVE if agent is None or agent.standing == Agent.Standing.ACTIVE else "revoked",
            turns_on=turns.get(subject.pk),
            departs_at=subject.departed_at,
            arrived=arrived.get(subject.pk),
            stops=stops,
        )
        for subject, cohort, agent in zip(subjects, cohorts, agents, strict=True)
    ]


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
        apps = app_facts(shared, asked.purpose, at.date())
        pairs += answered(asked, apps, rules)
        changes += changes_of(asked, apps, rules)
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
    person: PersonFacts
    chosen: frozenset[tuple[str, Signal]]
    lapsed: frozenset[tuple[str, Signal]]
    schedules: frozenset[Schedule]
    """The working hours that bind the purpose."""
    hours: State | None
    """How they stand; None where there are none."""


def questions(standing: Standing, rules: Rulebook, *, at: datetime) -> Iterator[Question]:
    """Yield what is to be decided, purpose by purpose."""
    shared = said_by(standing.cohort_policy)
    listings = standing.listings
    if listings is None:
        listings = listings_of(standing.events.values())
    for code, purpose in shared["purposes"].items():
        event = standing.events.get(code)
        said = day_in(purpose, at.date())
        bound = said.schedules if standing.in_hours is None else frozenset()
        hours = _state_at(bound, at) if bound else None
        person = person_facts(shared, code, event, standing, rules, at=at, hours=hours)
        chosen, lapsed = _still_asked(listings[event.pk] if event else {}, purpose)
        if standing.willing:
            person, chosen = willing(person, purpose), asked_pairs(purpose)
        yield Question(code, purpose, person, frozenset(chosen), frozenset(lapsed), bound, hours)


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
    """Return the decision of the core for each of these apps and signals."""
    return evaluate_many(
        asked.person, apps, rules, consented=asked.chosen, lapsed=asked.lapsed, signals=signals
    )


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
        for facts in app_facts(verdicts.shared, asked.purpose, verdicts.at.date())
        if facts.app == app
        for decision in decided(asked, (facts,), verdicts.rulebook, (signal,)).values()
    }


def changes_of_person(standing: Standing, at: datetime) -> list[datetime]:
    """Return when something about the person changes by itself."""
    changes = [midnight(standing.turns_on)] if standing.turns_on else []
    if standing.departs_at and standing.departs_at > at:
        changes.append(standing.departs_at)
    return changes


def person_facts(
    shared: Mapping[str, Any],
    code: str,
    event: ConsentEvent | None,
    standing: Standing,
    rules: Rulebook,
    *,
    at: datetime,
    hours: State | None = None,
) -> PersonFacts:
    """Return what the core is told about one person and one purpose of their cohort's document.

    Without `hours` it counts as within them.
    """
    purpose, places, today = shared["purposes"][code], shared["jurisdictions"], at.date()
    version = purpose["notice_version"]
    said = day_in(purpose, today)
    return PersonFacts(
        jurisdictions=frozenset(places),
        at=at,
        consent=ConsentState(event.state) if event else ConsentState.UNKNOWN,
        consent_given_on=event.event_time.date() if event else None,
        notice_on=_told_on(day_of(purpose["notice_on"]), standing.arrived),
        notice_waived=False,
        notice_version_ok=_answered_newest(event, version),
        ack=bool(event and (event.notice.purpose_id, version) in standing.acknowledged),
        gates=said.evidence,
        overrides=lifted_signals(places, said.exceptions, rules),
        exceptions=said.exceptions,
        departed=standing.departs_at is not None and standing.departs_at <= at,
        in_hours=hours.on if hours else True,
        hours_turn=hours.turns_at if hours else None,
        paused=standing.paused,
        killed=code in standing.stops,
        agent_standing=standing.agent,
        agreements=said.agreements,
        counsel_signed_off=said.signed_off,
        own_retention_days=purpose["retention_days"],
    )


def _told_on(published: date | None, arrived: date | None) -> date | None:
    """Return from which day a notice period runs; None where there is no notice to be told of."""
    return max(published, arrived) if published and arrived else published


def _answered_newest(event: ConsentEvent | None, version: int | None) -> bool:
    """Say whether an answer is one to the newest notice; for whoever gave none, none is outdated.

    Who has not answered has no consent, and that denies.
    """
    if event is None or event.state in {ConsentState.UNKNOWN, ConsentState.REQUESTED}:
        return True
    return version is not None and event.notice.version == version


def willing(person: PersonFacts, purpose: Mapping[str, Any]) -> PersonFacts:
    """Return the facts of somebody who said yes today, by the newest notice, and confirmed it.

    Where there is no notice nobody can have answered it.
    """
    published = purpose["notice_version"] is not None
    return replace(
        person,
        consent=ConsentState.GIVEN,
        consent_given_on=person.today,
        notice_version_ok=published,
        ack=published,
    )


def asked_pairs(purpose: Mapping[str, Any]) -> set[tuple[str, Signal]]:
    """Return every app and signal that a purpose of a document asks for."""
    listed = purpose["allowlist"]
    return {(app, Signal(signal)) for app in listed for signal in listed[app]}


def app_facts(
    shared: Mapping[str, Any], purpose: Mapping[str, Any], today: date, *, listed_only: bool = False
) -> tuple[AppFacts, ...]:
    """Return what the core is told about each app of a document, for one of its purposes.

    `listed_only`: only those that the purpose asks for.
    """
    apps = shared["apps"]
    codes = [code for code in purpose["allowlist"] if code in apps] if listed_only else apps
    return tuple(
        AppFacts(
            app=code,
            app_allowed=code in purpose["allowlist"],
            listed_signals=frozenset(map(Signal, purpose["allowlist"].get(code, ()))),
            app_category=AppCategory(app["category"]),
            app_reported=app["blocked"],
            counterparties=counterparties_of(app),
            agreements_of_others=agreements_of_others(app, purpose, today),
            # No agent drops the words of others, so nobody's tick in the registry says it (ADR 28).
            counterparty_masked=None,
        )
        for code, app in ((code, apps[code]) for code in codes)
    )


def counterparties_of(app: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the places of those whose words an app shows; None, a gap that denies, if not known.

    An app that shows only one's own data shows nobody else's words. One that shows others' has
    them somewhere: an empty list of places is no knowledge either.
    """
    if app["data_of"] == DataOf.OWN:
        return frozenset()
    return frozenset(app.get("counterparties") or ()) or None


def _still_asked(
    chosen: Mapping[tuple[str, Signal], int | None], purpose: Mapping[str, Any]
) -> tuple[set[tuple[str, Signal]], set[tuple[str, Signal]]]:
    """Return of a yes what still counts, and what was taken off the list since and is back on it.

    What is off the list is in neither.
    """
    asked = purpose["allowlist"]
    listed = {pair: by for pair, by in chosen.items() if pair[1] in asked.get(pair[0], ())}
    counts = {(app, signal) for (app, signal), by in listed.items() if asked[app][signal] == by}
    return counts, set(listed) - counts


def acknowledged_by(subjects: Collection[int]) -> dict[int, set[tuple[int, int]]]:
    """Return for each subject the purposes and notice versions whose receipt they confirmed."""
    found: dict[int, set[tuple[int, int]]] = {subject: set() for subject in subjects}
    rows = Acknowledgement.objects.filter(subject__in=subjects)
    for subject, *notice in rows.values_list("subject_id", "notice__purpose_id", "notice__version"):
        found[subject].add((notice[0], notice[1]))
    return found


def changes_of(asked: Question, apps: tuple[AppFacts, ...], rules: Rulebook) -> Iterator[datetime]:
    """Yield when one of the decisions about these apps may change by itself."""
    if isinstance(change := next_change(asked.person, rules, apps), datetime):
        yield change
    # Evidence, agreements and exceptions count from the first instant of a day, and until it.
    yield from (midnight(d) for d in dated_in(asked.purpose) if d > asked.person.today)
