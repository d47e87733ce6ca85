"""Facts from the database into the pure core, and its decisions out again, with their reasons."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

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
from consent.policy.facts import ACTIVE, Agreement, AppFacts, PersonFacts
from consent.policy.types import (
    NEVER_CATEGORIES,
    AppCategory,
    ConsentState,
    DataOf,
    Signal,
)
from consent.rules import rulebook
from consent.selectors.choices import scopes_of, standing_consents
from consent.selectors.cohorts import current_cohort_policy

COUNSEL_GATE = "counsel_signoff"
"""The gate by whose evidence counsel signs a jurisdiction of low confidence off."""


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
            if AppCategory(app["category"]) not in NEVER_CATEGORIES
        }

    def never_matchers(self) -> list[dict[str, str]]:
        """Return the matchers of apps that are never captured; an agent drops them unseen."""
        return [
            matcher
            for app in self.shared.get("apps", {}).values()
            if AppCategory(app["category"]) in NEVER_CATEGORIES or app["blocked"]
            for matcher in app["matchers"]
        ]

    def _permitted(self) -> Iterator[PairDecision]:
        return (pair for pair in self.pairs if pair.decision.permitted)


def verdicts_for(
    subject: Subject, *, at: datetime, agent: Agent | None = None, past: bool = False
) -> Verdicts:
    """Decide every app and signal of every purpose for this person at `at`.

    Without `agent` the question is about the person alone: some machine in good standing. With
    `past` the pauses of that instant count; else whichever pause stands, whatever clocks say.
    """
    cohort_policy = current_cohort_policy(subject.cohort) if subject.cohort else None
    shared = cohort_policy.document if cohort_policy else {"purposes": {}, "apps": {}}
    paused = paused_between(subject, at, at) if past else is_paused(subject)
    standing = ACTIVE if agent is None or agent.standing == Agent.Standing.ACTIVE else "revoked"
    events = standing_consents(subject)
    scopes = scopes_of(events.values())
    acknowledged = _acknowledged(subject)
    pairs: list[PairDecision] = []
    changes: list[datetime] = []
    for code, purpose in shared["purposes"].items():
        event = events.get(code)
        person = _person(
            shared,
            purpose,
            event,
            at=at,
            paused=paused,
            standing=standing,
            acknowledged=acknowledged,
        )
        apps = _app_facts(shared, purpose)
        chosen = _still_asked(scopes[event.pk] if event else set(), purpose)
        decided = evaluate_many(person, apps, rulebook(), consented=chosen)
        pairs += (
            PairDecision(code, str(app), Signal(signal), decision)
            for (app, signal), decision in decided.items()
        )
        changes += _changes(person, purpose, apps)
    return Verdicts(
        pairs=tuple(pairs),
        cohort_policy=cohort_policy,
        paused=paused,
        next_change=min(changes, default=None),
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


def _person(
    shared: dict[str, Any],
    purpose: dict[str, Any],
    event: ConsentEvent | None,
    *,
    at: datetime,
    paused: bool,
    standing: str,
    acknowledged: set[tuple[int, int]],
) -> PersonFacts:
    version = purpose["notice_version"]
    return PersonFacts(
        jurisdictions=frozenset(shared["jurisdictions"]),
        at=at,
        consent=ConsentState(event.state) if event else ConsentState.UNKNOWN,
        consent_given_on=event.event_time.date() if event else None,
        notice_on=_day(purpose["notice_on"]),
        notice_waived=False,
        notice_version_ok=bool(event and version and event.notice.version == version),
        ack=bool(event and (event.notice.purpose_id, version) in acknowledged),
        gates=_closed_gates(shared["jurisdictions"], purpose, at.date()),
        in_hours=True,
        paused=paused,
        killed=purpose["stopped"],
        agent_standing=standing,
        agreements=tuple(_agreements(purpose)),
        counsel_signed_off=_signed_off(purpose, at.date()),
        own_retention_days=purpose["retention_days"],
    )


def _app_facts(shared: dict[str, Any], purpose: dict[str, Any]) -> tuple[AppFacts, ...]:
    return tuple(
        AppFacts(
            app=code,
            app_allowed=code in purpose["allowlist"] and not app["blocked"],
            app_category=AppCategory(app["category"]),
            # An app that shows only one's own data shows nobody else's words; of any other it is
            # not known whose, and a gap denies.
            counterparties=frozenset() if app["data_of"] == DataOf.OWN else None,
        )
        for code, app in shared["apps"].items()
    )


def _still_asked(
    chosen: set[tuple[str, Signal]], purpose: dict[str, Any]
) -> set[tuple[str, Signal]]:
    """Keep of a yes what the purpose may still ask for; what left the allowlist is not covered."""
    asked = purpose["allowlist"]
    return {(app, signal) for app, signal in chosen if signal in asked.get(app, ())}


def _closed_gates(
    jurisdictions: Iterable[str], purpose: dict[str, Any], today: date
) -> dict[str, date]:
    """Return the gates that are closed for these places, each with the day the last one was.

    Every place that asks for a gate needs evidence of its own, or of the one above that asks:
    what was assessed in one country closes nothing in another.
    """
    evidence = list(_valid(purpose["gates"], today))
    closed: dict[str, date] = {}
    still_open: set[str] = set()
    for code in jurisdictions:
        for row in rulebook().lineage(code):
            for gate in row.own.gates:
                days = [
                    date.fromisoformat(item["from"])
                    for item in evidence
                    if item["gate"] == gate and item["jurisdiction"] in {row.code, code}
                ]
                if days:
                    closed[gate] = max(min(days), closed.get(gate, date.min))
                else:
                    still_open.add(gate)
    return {gate: day for gate, day in closed.items() if gate not in still_open}


def _signed_off(purpose: dict[str, Any], today: date) -> frozenset[str]:
    return frozenset(
        evidence["jurisdiction"]
        for evidence in _valid(purpose["gates"], today)
        if evidence["gate"] == COUNSEL_GATE
    )


def _valid(evidence: Iterable[dict[str, Any]], today: date) -> Iterator[dict[str, Any]]:
    for item in evidence:
        until = _day(item["until"])
        if date.fromisoformat(item["from"]) <= today and (until is None or today < until):
            yield item


def _agreements(purpose: dict[str, Any]) -> Iterator[Agreement]:
    for item in purpose["agreements"]:
        yield Agreement(
            name=item["code"],
            apps=frozenset(item["apps"]) or None,
            signals=frozenset(Signal(s) for s in item["signals"]) or None,
            retention_days=item["retention_cap_days"],
            valid_from=_day(item["from"]),
            valid_until=_day(item["until"]),
        )


def _acknowledged(subject: Subject) -> set[tuple[int, int]]:
    rows = Acknowledgement.objects.filter(subject=subject)
    return set(rows.values_list("notice__purpose_id", "notice__version"))


def _changes(
    person: PersonFacts, purpose: dict[str, Any], apps: tuple[AppFacts, ...]
) -> Iterator[datetime]:
    if isinstance(change := next_change(person, rulebook(), apps), datetime):
        yield change
    # Evidence that lapses reopens its gate on that day.
    for item in purpose["gates"]:
        if (until := _day(item["until"])) and until > person.today:
            yield datetime.combine(until, time.min, tzinfo=UTC)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
