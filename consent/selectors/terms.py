"""What a policy says, worked out once for all who are alike: to issue policies by the thousand.

The same decisions as `decide`, of the apps that a purpose asks for: about all the others, of which
there are far more, a policy says no more than its default, which denies. What follows from equal
facts is remembered; equal means in every fact that the core is told, so nothing can be left out.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any, Final, TypeVar

from consent.digests import Fragment, assembled, plain
from consent.models import CohortPolicy
from consent.policy.facts import AppFacts, PersonFacts
from consent.policy.rulebook import Rulebook
from consent.policy.settled import settled
from consent.policy.types import NEVER_CATEGORIES, AppCategory, NeverSignal, Signal
from consent.rules import rulebook_of
from consent.selectors.corefacts import app_facts
from consent.selectors.decisions import (
    Question,
    Standing,
    answered,
    changes_of,
    changes_of_person,
    questions,
)
from consent.selectors.documents import registry_of, said_by
from consent.selectors.never import never_on, reachable
from consent.selectors.recognised import asked_for, recognised
from consent.selectors.settings import setting
from consent.selectors.verdicts import (
    PairDecision,
    allow_of,
    allowed_of,
    denied_of,
    schedule_of,
)

T = TypeVar("T")
_Shaped = tuple[AppFacts, int]
"""An app, and a number for what the core hears of it apart from its code."""
_Signals = frozenset[Signal] | None
_Alike = tuple[int, _Signals, _Signals, tuple[bool, ...]]
_Persons = tuple[PersonFacts, ...]
_AmongOthers = tuple[tuple[frozenset[str], _Persons], ...]
_Denied = tuple[tuple[str, ...], tuple[str, ...]]
"""Reasons, and the signals denied for them."""
_RECORDED: Final = frozenset(AppCategory) - NEVER_CATEGORIES - {AppCategory.UNKNOWN}
KEPT: Final = {
    "alike": 8192,
    "settled": 4096,
    "piece": 4096,
    "told": 1024,
    "shape": 1024,
    "facts": 512,
    "purpose": 4096,
    "changes": 4096,
    "asked": 1024,
    "apps": 64,
    "reach": 4096,
    "never": 64,
}
"""So much is remembered of each kind before it is begun anew: some ten megabytes in all."""


@dataclass(frozen=True)
class Piece:
    """What one purpose comes to for whoever is alike."""

    allow: Mapping[str, Mapping[str, int]]
    """App -> {signal: days it may be kept}."""
    allow_said: Fragment
    """The same in canonical form."""
    allowed: str
    """The entries of the document's list, in canonical form, without its brackets; likewise."""
    denied: str
    allows: int


@dataclass(frozen=True, slots=True)
class _Apps:
    """The apps that a purpose asks for."""

    shaped: tuple[_Shaped, ...]
    others: frozenset[frozenset[str]]
    """The places that join where somebody else's words show; nobody's among them."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What one app of those that are alike comes to."""

    allow: Mapping[str, int]
    allowed: tuple[Mapping[str, Any], ...]
    denied: tuple[_Denied, ...]


@dataclass(frozen=True)
class Terms:
    """Everything a policy says of what may be recorded."""

    pieces: Mapping[str, Piece]
    cohort_policy: CohortPolicy | None
    paused: bool
    paused_since: datetime | None
    schedule: list[dict[str, Any]]
    """The stretches of working hours, as the document says them."""
    next_change: datetime | None
    switches: tuple[int, ...]
    """The kill switches that stood when it was decided."""

    @property
    def shared(self) -> Mapping[str, Any]:
        """The cohort's document; empty, which denies, when there is none."""
        return said_by(self.cohort_policy)

    @property
    def allow(self) -> dict[str, Mapping[str, Mapping[str, int]]]:
        """Return purpose -> app -> {signal: days it may be kept}: what is permitted, no more."""
        return {code: piece.allow for code, piece in self.pieces.items() if piece.allow}

    def allow_said(self) -> Fragment:
        """Return the same in canonical form."""
        said = {code: piece.allow_said for code, piece in self.pieces.items() if piece.allow}
        return Fragment(assembled(said).decode())

    @property
    def allows(self) -> int:
        """How many entries the list of what is allowed has."""
        return sum(piece.allows for piece in self.pieces.values())

    def allowed(self) -> Fragment:
        """Return what is permitted, as the document says it."""
        return _list(piece.allowed for _, piece in sorted(self.pieces.items()))

    def denied(self) -> Fragment:
        """Return what is denied with its reasons; what is not listed is denied by default."""
        return _list(piece.denied for _, piece in sorted(self.pieces.items()))

    def apps(self) -> Fragment:
        """Return the apps an agent must recognise, with their matchers."""
        asked = _remembered(("asked", self._digest), lambda: asked_for(self.shared))
        return _remembered(
            ("apps", self._registry, asked),
            lambda: plain(recognised(self.shared["apps"], asked=asked)),
        )

    def never(self, platform: str) -> Fragment:
        """Return what is never captured; of the catalogue, what an agent here could meet."""
        allowed = frozenset(app for piece in self.pieces.values() for app in piece.allow)
        here = _remembered(
            ("reach", self._registry, allowed, platform),
            lambda: reachable(self.shared["apps"], allowed=allowed, platform=platform),
        )
        return _remembered(
            ("never", self._registry, here),
            lambda: plain(
                {
                    "categories": sorted(category.value for category in NEVER_CATEGORIES),
                    "signals": sorted(signal.value for signal in NeverSignal),
                    "matchers": never_on(self.shared["apps"], here),
                }
            ),
        )

    def setting(self, key: str) -> int:
        """Return a setting of the organisation as the cohort's document has it."""
        said = self.shared.get("leases", {}).get(key)
        return setting(key) if said is None else int(said)

    @property
    def _digest(self) -> str:
        return self.cohort_policy.sha256 if self.cohort_policy else ""

    @property
    def _registry(self) -> str:
        return registry_of(self.cohort_policy) if self.cohort_policy else ""


def terms_for(standing: Standing, *, at: datetime) -> Terms:
    """Return what a policy issued at `at` says, by what stands."""
    policy = standing.cohort_policy
    rules = rulebook_of(said_by(policy).get("rulebook"))
    asked = list(questions(standing, rules, at=at))
    pieces = {}
    changes = changes_of_person(standing, at)
    for one in asked:
        # By what they say, not by their cohort: many cohorts say the same of one purpose.
        said = (registry_of(policy), _digest_of(policy, one)) if policy else ()
        apps = _apps(policy, said, one)
        pieces[one.code] = _piece(one, apps, said, rules)
        changes += _changes(one, apps, said, rules)
    schedule = schedule_of({one.code: one.hours for one in asked if one.hours})
    coming = min((change for change in changes if change > at), default=None)
    return Terms(
        pieces=pieces,
        cohort_policy=policy,
        paused=standing.paused,
        paused_since=standing.paused_since,
        schedule=schedule,
        next_change=coming,
        switches=standing.stops.switches,
    )


def _piece(asked: Question, apps: _Apps, said: tuple[str, ...], rules: Rulebook) -> Piece:
    persons, among_others = told = _settled(asked, apps, rules)
    return _remembered(
        ("piece", *said, rules.digest, asked.code, told, asked.chosen, asked.lapsed),
        lambda: _worked_out(
            replace(asked, persons=persons, among_others=among_others), apps, rules
        ),
    )


def _changes(
    asked: Question, apps: _Apps, said: tuple[str, ...], rules: Rulebook
) -> tuple[datetime, ...]:
    """Return when answers change by themselves, whatever somebody chose."""
    told = asked.persons, asked.among_others
    return _remembered(
        ("changes", *said, rules.digest, asked.code, asked.places, told),
        lambda: tuple(changes_of(asked, tuple(app for app, _ in apps.shaped), rules)),
    )


def _settled(asked: Question, apps: _Apps, rules: Rulebook) -> tuple[_Persons, _AmongOthers]:
    """Return the facts of a question without what tells people apart and changes no answer.

    Equal facts come back as the very same, so that what follows is found without comparing them.
    """
    return _remembered(
        ("alike", rules.digest, apps.others, asked.persons, asked.among_others),
        lambda: _first_of_them(asked, apps, rules),
    )


def _first_of_them(asked: Question, apps: _Apps, rules: Rulebook) -> tuple[_Persons, _AmongOthers]:
    def alike(persons: _Persons) -> _Persons:
        return tuple(
            settled(one, {one.jurisdictions | others for others in apps.others}, rules)
            for one in persons
        )

    others = tuple((codes, alike(persons)) for codes, persons in asked.among_others)
    told = alike(asked.persons), others
    return _remembered(("settled", told), lambda: told)


def _digest_of(policy: CohortPolicy, asked: Question) -> str:
    """Return the digest of what a revision says of a purpose."""
    return _remembered(
        ("purpose", policy.sha256, asked.code),
        lambda: hashlib.sha256(plain(asked.purpose).text.encode()).hexdigest(),
    )


def _worked_out(asked: Question, apps: _Apps, rules: Rulebook) -> Piece:
    """Decide about one app of all that are alike, and say the same of the others."""
    groups = _alike(apps.shaped, asked)
    told = _told(asked, groups, rules)
    allow: dict[str, Mapping[str, int]] = {}
    allowed: list[dict[str, Any]] = []
    denied: dict[_Denied, list[str]] = {}
    for key, same in groups.items():
        codes = [str(app.app) for app in same]
        allow |= dict.fromkeys(codes, told[key].allow) if told[key].allow else {}
        allowed += [{**entry, "app": code} for entry in told[key].allowed for code in codes]
        for line in told[key].denied:
            denied.setdefault(line, []).extend(codes)
    allowed.sort(key=lambda entry: (entry["app"], entry["retention_days"]))
    said = [
        {"purpose": asked.code, "apps": sorted(apps), "signals": signals, "reasons": reasons}
        for (reasons, signals), apps in sorted(denied.items())
    ]
    return Piece(
        allow=allow,
        allow_said=plain(allow),
        allowed=plain(allowed).text[1:-1],
        denied=plain(said).text[1:-1],
        allows=len(allowed),
    )


def _told(
    asked: Question, groups: Mapping[_Alike, list[AppFacts]], rules: Rulebook
) -> Mapping[_Alike, _Told]:
    """Return what is told of each group; what is not remembered is decided together."""
    told: dict[_Alike, _Told] = _remembered(
        ("told", rules.digest, asked.code, asked.persons, asked.among_others), dict
    )
    missing = {key: same[0] for key, same in groups.items() if key not in told}
    pairs: dict[str, list[PairDecision]] = {str(app.app): [] for app in missing.values()}
    for pair in answered(asked, tuple(missing.values()), rules) if missing else ():
        pairs[pair.app].append(pair)
    for key, app in missing.items():
        found = pairs[str(app.app)]
        denied = ((tuple(e["reasons"]), tuple(e["signals"])) for e in denied_of(found))
        allow = allow_of(found).get(asked.code, {}).get(str(app.app), {})
        told[key] = _Told(allow, tuple(allowed_of(found)), tuple(denied))
    return told


def _alike(apps: tuple[_Shaped, ...], asked: Question) -> dict[_Alike, list[AppFacts]]:
    """Group the apps of which the core hears the same but their code, which it only looks up.

    It looks for it in what the person chose and in the apps that agreements name.
    """
    chosen, lapsed = _by_app(asked.chosen), _by_app(asked.lapsed)
    groups: dict[_Alike, list[AppFacts]] = {}
    theirs = [paper for person in asked.everybody for paper in person.agreements]
    for app, shape in apps:
        papers = (*theirs, *app.agreements_of_others)
        named = tuple(app.app in paper.apps for paper in papers if paper.apps is not None)
        key = shape, chosen.get(app.app), lapsed.get(app.app), named
        groups.setdefault(key, []).append(app)
    return groups


def _by_app(pairs: frozenset[tuple[str, Signal]]) -> dict[str | None, frozenset[Signal]]:
    found: dict[str | None, set[Signal]] = {}
    for app, signal in pairs:
        found.setdefault(app, set()).add(signal)
    return {app: frozenset(signals) for app, signals in found.items()}


def _apps(policy: CohortPolicy | None, said: tuple[str, ...], asked: Question) -> _Apps:
    if policy is None:
        return _Apps((), frozenset())
    return _remembered(
        ("facts", *said, asked.code, asked.days),
        lambda: _shaped(app_facts(said_by(policy), asked.purpose, asked.days, listed_only=True)),
    )


def _shaped(apps: tuple[AppFacts, ...]) -> _Apps:
    others = {app.counterparties or frozenset[str]() for app in apps}
    return _Apps(tuple((app, _shape(app)) for app in apps), frozenset({*others, frozenset[str]()}))


def _shape(app: AppFacts) -> int:
    # Whatever may be recorded at all counts the same, of whatever kind it is.
    category = AppCategory.OFFICE if app.app_category in _RECORDED else app.app_category
    shape = replace(app, app=None, app_category=category)
    return _remembered(("shape", shape), lambda: next(_numbers))


_numbers: Final = count(1)
"""Never given twice: what was remembered under one stays about the same."""


def _list(parts: Any) -> Fragment:
    return Fragment(f"[{','.join(part for part in parts if part)}]")


_memory: dict[str, dict[Hashable, Any]] = {}


def _remembered(key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """Return what follows from the key alone; `make` works it out the first time."""
    kind = _memory.setdefault(str(key[0]), {})
    found: T | None = kind.get(key)
    if found is None:
        if len(kind) >= KEPT[str(key[0])]:
            kind.clear()
        found = kind.setdefault(key, make())
    return found
