"""Facts from the database into the pure core, and its decisions out again, with their reasons."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from django.db.models import Q

from consent.models import (
    Acknowledgement,
    Agent,
    CohortPolicy,
    ConsentEvent,
    Pause,
    Subject,
)
from consent.policy.evaluate import Decision, evaluate_many, next_change
from consent.policy.facts import ACTIVE, AppFacts, PersonFacts
from consent.policy.hours import Schedule, State, state_at
from consent.policy.rulebook import Rulebook
from consent.policy.types import AppCategory, ConsentState, DataOf, Signal
from consent.rules import rulebook_of
from consent.selectors.choices import listings_of, standing_consents
from consent.selectors.cohorts import current_cohort_policy
from consent.selectors.facts import cohort_of, midnight, next_turn
from consent.selectors.never import is_closed, never_matchers
from consent.selectors.shared import (
    agreements_of,
    agreements_of_others,
    dated_in,
    day_of,
    evidence_of,
    lifted_signals,
    overridden,
    schedules_of,
    signed_off,
)

NOTHING_SHARED: Final[dict[str, Any]] = {"jurisdictions": [], "purposes": {}, "apps": {}}


@dataclass(frozen=True)
class PairDecision:
    """The decision for one purpose, app and signal."""

    purpose: str
    app: str
    signal: Signal
    decision: Decision


@dataclass(frozen=True)
class Verdicts:
    """Everything decided for one person at one instant, allowed and denied, each with reasons."""

    pairs: tuple[PairDecision, ...]
    cohort_policy: CohortPolicy | None
    paused: bool
    next_change: datetime | None
    """The next instant at which some answer may change by itself."""
    rulebook: Rulebook
    """Exactly the rules that decided."""
    hours: Mapping[str, State]
    """How working hours stand, by purpose; one that is bound to none is not there."""
    schedules: Mapping[str, frozenset[Schedule]]
    """The hours themselves, likewise."""
    reconstructed: bool = False
    """Whether part of this was recorded only after the instant it is about, as in an import."""

    @cached_property
    def shared(self) -> dict[str, Any]:
        """The cohort's document; empty, which denies, when there is none."""
        return self.cohort_policy.document if self.cohort_policy else {}

    def allow(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return purpose -> app -> {signal: days it may be kept}: what is permitted, no more."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for pair in self._permitted():
            apps = found.setdefault(pair.purpose, {})
            apps.setdefault(pair.app, {})[pair.signal.value] = pair.decision.retention_days or 1
        return found

    def allowed(self) -> list[dict[str, Any]]:
        """Return what is permitted, as the policy document says it."""
        terms: dict[tuple[str, str, int], list[str]] = {}
        for pair in self._permitted():
            key = (pair.purpose, pair.app, pair.decision.retention_days or 1)
            terms.setdefault(key, []).append(pair.signal.value)
        return [
            {"purpose": purpose, "app": app, "signals": sorted(signals), "retention_days": days}
            for (purpose, app, days), signals in sorted(terms.items())
        ]

    def denied(self) -> list[dict[str, Any]]:
        """Return what is denied with its reasons, apps with equal answers together."""
        by_app: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
        codes_of: dict[int, tuple[str, ...]] = {}  # many pairs share one decision's reasons
        for pair in self.pairs:
            if not pair.decision.permitted:
                reasons = pair.decision.reasons
                if id(reasons) not in codes_of:
                    codes_of[id(reasons)] = pair.decision.codes
                key = (pair.purpose, pair.app, codes_of[id(reasons)])
                by_app.setdefault(key, []).append(pair.signal.value)
        grouped: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
        for (purpose, app, codes), signals in by_app.items():
            grouped.setdefault((purpose, codes, tuple(sorted(signals))), []).append(app)
        return [
            {
                "purpose": purpose,
                "apps": sorted(apps),
                "signals": list(signals),
                "reasons": list(codes),
            }
            for (purpose, codes, signals), apps in sorted(grouped.items())
        ]

    def apps(self) -> dict[str, Any]:
        """Return the apps an agent must recognise, with their matchers."""
        return {
            code: {"name": app["name"], "category": app["category"], "matchers": app["matchers"]}
            for code, app in self.shared.get("apps", {}).items()
            if not is_closed(app)
        }

    def never_matchers(self, platform: str | None = None) -> list[dict[str, Any]]:
        """Return the marks of what is never captured; an agent drops it unseen.

        Those of the registry, and of the catalogue those that an agent of this platform (of any,
        without one) could meet where something is allowed.
        """
        allowed = {pair.app for pair in self._permitted()}
        return never_matchers(self.shared.get("apps", {}), allowed=allowed, platform=platform)

    def schedule(self) -> list[dict[str, Any]]:
        """Return the stretch of working hours that is, or comes next, as the policy says it.

        Outside of it nothing of the purpose is recorded. Where hours are not known it is empty.
        """
        return [
            {"purpose": code, "from": _seconds(state.since), "until": _seconds(state.until)}
            for code, state in sorted(self.hours.items())
        ]

    def _permitted(self) -> Iterator[PairDecision]:
        return (pair for pair in self.pairs if pair.decision.permitted)


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
    departs_at: datetime | None = None
    """When the person leaves the organisation, or left it."""
    stopped: AbstractSet[str] | None = None
    """The purposes stopped by a switch; None where the shared document says so."""
    in_hours: bool | None = None
    """Whether to take it for within working hours; None where the shared document says so."""
    reconstructed: bool = False


def verdicts_for(
    subject: Subject, *, at: datetime, agent: Agent | None = None, past: bool = False
) -> Verdicts:
    """Decide every app and signal of every purpose for this person at `at`, by what stands now.

    Without `agent` the question is about the person alone: some machine in good standing. With
    `past` the pauses of that instant count; else whichever pause stands, whatever clocks say.
    """
    cohort = cohort_of(subject, at=at)
    active = agent is None or agent.standing == Agent.Standing.ACTIVE
    standing = Standing(
        cohort_policy=current_cohort_policy(cohort) if cohort else None,
        events=standing_consents(subject),
        acknowledged=_acknowledged(subject),
        paused=paused_between(subject, at, at) if past else is_paused(subject),
        agent=ACTIVE if active else "revoked",
        turns_on=next_turn(subject, at=at),
        departs_at=subject.departed_at,
    )
    return decide(standing, at=at)


def decide(standing: Standing, *, at: datetime) -> Verdicts:
    """Decide every app and signal of every purpose by what stands, with the rules it names."""
    policy = standing.cohort_policy
    shared = policy.document if policy else NOTHING_SHARED
    rules = rulebook_of(shared.get("rulebook"))
    scopes = listings_of(standing.events.values())
    pairs: list[PairDecision] = []
    hours: dict[str, State] = {}
    schedules: dict[str, frozenset[Schedule]] = {}
    changes = [midnight(standing.turns_on)] if standing.turns_on else []
    if standing.departs_at and standing.departs_at > at:
        changes.append(standing.departs_at)
    for code, purpose in shared["purposes"].items():
        event = standing.events.get(code)
        if standing.in_hours is None and (bound := schedules_of(purpose, at.date())):
            schedules[code], hours[code] = bound, state_at(bound, at)
        person = person_facts(shared, code, event, standing, rules, at=at, hours=hours.get(code))
        apps = app_facts(shared, purpose, at.date())
        chosen, lapsed = _still_asked(scopes[event.pk] if event else {}, purpose)
        decided = evaluate_many(person, apps, rules, consented=chosen, lapsed=lapsed)
        pairs += (
            PairDecision(code, str(app), Signal(signal), decision)
            for (app, signal), decision in decided.items()
        )
        changes += _changes(person, purpose, apps, rules)
    return Verdicts(
        pairs=tuple(pairs),
        cohort_policy=policy,
        paused=standing.paused,
        next_change=min(changes, default=None),
        rulebook=rules,
        hours=hours,
        schedules=schedules,
        reconstructed=standing.reconstructed,
    )


def decide_for(
    subject: Subject, *, purpose: str, app: str, signal: Signal, at: datetime
) -> Decision | None:
    """Return the decision for one pair; None when the purpose or app is not known at all."""
    for pair in verdicts_for(subject, at=at).pairs:
        if (pair.purpose, pair.app, pair.signal) == (purpose, app, signal):
            return pair.decision
    return None


def is_paused(subject: Subject) -> bool:
    """Return whether a pause of the subject stands now: by the record, not by any clock."""
    return Pause.objects.filter(subject=subject, ended_at__isnull=True).exists()


def paused_between(subject: Subject, since: datetime, until: datetime) -> bool:
    """Return whether a pause of the subject overlaps the interval; pauses are half-open."""
    return (
        Pause.objects.filter(subject=subject, started_at__lte=until)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
        .exists()
    )


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
    exceptions = overridden(purpose, today)
    stopped = purpose["stopped"] if standing.stopped is None else code in standing.stopped
    return PersonFacts(
        jurisdictions=frozenset(places),
        at=at,
        consent=ConsentState(event.state) if event else ConsentState.UNKNOWN,
        consent_given_on=event.event_time.date() if event else None,
        notice_on=day_of(purpose["notice_on"]),
        notice_waived=False,
        notice_version_ok=bool(event and version and event.notice.version == version),
        ack=bool(event and (event.notice.purpose_id, version) in standing.acknowledged),
        gates=evidence_of(purpose),
        overrides=lifted_signals(places, exceptions, rules),
        exceptions=exceptions,
        departed=standing.departs_at is not None and standing.departs_at <= at,
        in_hours=hours.on if hours else True,
        hours_turn=hours.turns_at if hours else None,
        paused=standing.paused,
        killed=stopped,
        agent_standing=standing.agent,
        agreements=agreements_of(purpose, today),
        counsel_signed_off=signed_off(purpose, today),
        own_retention_days=purpose["retention_days"],
    )


def app_facts(shared: dict[str, Any], purpose: dict[str, Any], today: date) -> tuple[AppFacts, ...]:
    """Return what the core is told about each app of a document, for one of its purposes."""
    return tuple(
        AppFacts(
            app=code,
            app_allowed=code in purpose["allowlist"],
            app_category=AppCategory(app["category"]),
            app_reported=app["blocked"],
            counterparties=counterparties_of(app),
            agreements_of_others=agreements_of_others(app, purpose, today),
            counterparty_masked=app.get("counterparties_masked"),
        )
        for code, app in shared["apps"].items()
    )


def counterparties_of(app: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the places of those whose words an app shows; None, a gap that denies, if not known.

    An app that shows only one's own data shows nobody else's words. One that shows others' has
    them somewhere: an empty list of places is no knowledge either.
    """
    if app["data_of"] == DataOf.OWN:
        return frozenset()
    return frozenset(app.get("counterparties") or ()) or None


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _still_asked(
    chosen: Mapping[tuple[str, Signal], int | None], purpose: dict[str, Any]
) -> tuple[set[tuple[str, Signal]], set[tuple[str, Signal]]]:
    """Return of a yes what still counts, and what was taken off the list since and is back on it.

    What is off the list is in neither.
    """
    asked = purpose["allowlist"]
    listed = {pair: by for pair, by in chosen.items() if pair[1] in asked.get(pair[0], ())}
    counts = {(app, signal) for (app, signal), by in listed.items() if asked[app][signal] == by}
    return counts, set(listed) - counts


def _acknowledged(subject: Subject) -> set[tuple[int, int]]:
    rows = Acknowledgement.objects.filter(subject=subject)
    return set(rows.values_list("notice__purpose_id", "notice__version"))


def _changes(
    person: PersonFacts, purpose: dict[str, Any], apps: tuple[AppFacts, ...], rules: Rulebook
) -> Iterator[datetime]:
    if isinstance(change := next_change(person, rules, apps), datetime):
        yield change
    # Evidence, agreements and exceptions count from the first instant of a day, and until it.
    yield from (midnight(day) for day in dated_in(purpose) if day > person.today)
