"""What was decided, as it is told: pairs with their reasons, and the tables a policy says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from consent.models import CohortPolicy
from consent.policy.evaluate import Decision
from consent.policy.hours import Schedule, State
from consent.policy.rulebook import Rulebook
from consent.policy.types import Signal
from consent.selectors.documents import said_by
from consent.selectors.never import never_matchers
from consent.selectors.recognised import asked_for, recognised

if TYPE_CHECKING:
    from consent.selectors.decisions import Standing


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
    standing: "Standing"
    """What all this was decided by."""
    at: datetime
    reconstructed: bool = False
    """Whether part of this was recorded only after the instant it is about, as in an import."""

    @cached_property
    def shared(self) -> dict[str, Any]:
        """The cohort's document; empty, which denies, when there is none."""
        return said_by(self.cohort_policy)

    def allow(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return purpose -> app -> {signal: days it may be kept}: what is permitted, no more."""
        return allow_of(self.pairs)

    def allowed(self) -> list[dict[str, Any]]:
        """Return what is permitted, as the policy document says it."""
        return allowed_of(self.pairs)

    def denied(self) -> list[dict[str, Any]]:
        """Return what is denied with its reasons, apps with equal answers together."""
        return denied_of(self.pairs)

    def apps(self) -> dict[str, Any]:
        """Return the apps an agent must recognise, with their matchers."""
        return recognised(self.shared.get("apps", {}), asked=asked_for(self.shared))

    def never_matchers(self, platform: str | None = None) -> list[dict[str, Any]]:
        """Return the marks of what is never captured; an agent drops it unseen.

        Those of the registry, and of the catalogue those that an agent of this platform (of any,
        without one) could meet where something is allowed.
        """
        allowed = {pair.app for pair in _permitted(self.pairs)}
        return never_matchers(self.shared.get("apps", {}), allowed=allowed, platform=platform)

    def schedule(self) -> list[dict[str, Any]]:
        """Return the stretch of working hours that is, or comes next, as the policy says it."""
        return schedule_of(self.hours)


def allow_of(pairs: Iterable[PairDecision]) -> dict[str, dict[str, dict[str, int]]]:
    """Return purpose -> app -> {signal: days it may be kept}: what is permitted, no more."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for pair in _permitted(pairs):
        apps = found.setdefault(pair.purpose, {})
        apps.setdefault(pair.app, {})[pair.signal.value] = pair.decision.retention_days or 1
    return found


def allowed_of(pairs: Iterable[PairDecision]) -> list[dict[str, Any]]:
    """Return what is permitted, as the policy document says it."""
    terms: dict[tuple[str, str, int], list[str]] = {}
    for pair in _permitted(pairs):
        key = (pair.purpose, pair.app, pair.decision.retention_days or 1)
        terms.setdefault(key, []).append(pair.signal.value)
    return [
        {"purpose": purpose, "app": app, "signals": sorted(signals), "retention_days": days}
        for (purpose, app, days), signals in sorted(terms.items())
    ]


def denied_of(pairs: Iterable[PairDecision]) -> list[dict[str, Any]]:
    """Return what is denied with its reasons, apps with equal answers together."""
    by_app: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    codes_of: dict[int, tuple[str, ...]] = {}  # many pairs share one decision's reasons
    for pair in pairs:
        reasons = pair.decision.reasons
        if reasons:
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


def _permitted(pairs: Iterable[PairDecision]) -> Iterator[PairDecision]:
    return (pair for pair in pairs if pair.decision.permitted)


def schedule_of(hours: Mapping[str, State]) -> list[dict[str, Any]]:
    """Return for each purpose the stretch of working hours that is, or comes next.

    Outside of it nothing of the purpose is recorded. Where hours are not known it is empty.
    """
    return [
        {"purpose": code, "from": _seconds(state.since), "until": _seconds(state.until)}
        for code, state in sorted(hours.items())
    ]


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0
