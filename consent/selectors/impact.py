"""What a change would mean for whom: the shared half before and after, and counts of groups.

Work grows with the cohorts, not with the people: each kind of answer is decided once by the pure
core, and how many gave it is counted by the database.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.conf import settings

from consent.models import Cohort
from consent.policy.evaluate import Decision, evaluate_many
from consent.policy.facts import ACTIVE
from consent.policy.hours import Schedule, narrower
from consent.policy.reasons import Reason
from consent.policy.rulebook import Rulebook
from consent.policy.types import ConsentState, Signal
from consent.selectors.affected import (
    Answer,
    Effect,
    Key,
    answers_among,
    count_patterns,
    population,
    spans_of,
)
from consent.selectors.cohorts import cohort_document, published
from consent.selectors.decisions import Standing, app_facts, person_facts
from consent.selectors.shared import schedules_of
from consent.suppression import show_overlapping

LOSE, GAIN, SHORTER, LONGER = "lose", "gain", "shorter", "longer"
ASKED, UNASKED = "asked", "unasked"
EFFECTS: Final = (LOSE, GAIN, SHORTER, LONGER, ASKED, UNASKED)
ANY_LOSE: Final[Key] = (LOSE, "", "")
ANY_GAIN: Final[Key] = (GAIN, "", "")
"""The figures of who loses or gains anything at all."""
OTHER_HOURS: Final[Key] = ("hours", "", "")
"""The figure of those for whom other working hours hold."""

_ORDER: Final = {signal.value: place for place, signal in enumerate(Signal)}

Pair = tuple[str, str]
Decisions = Mapping[Pair, Decision]

_ANYBODY: Final = Standing(
    cohort_policy=None,
    events={},
    acknowledged=frozenset(),
    paused=False,
    agent=ACTIVE,
    turns_on=None,
)


@dataclass(frozen=True)
class Snapshot:
    """What all cohorts share at one moment, and the rules that decide by it."""

    documents: Mapping[int, dict[str, Any]]
    rules: Rulebook
    at: datetime


@dataclass(frozen=True)
class Line:
    """One signal of a purpose: how many people it concerns, and how.

    None stands for a number that is not shown: too few people, or with the other figures too few
    could be worked out from it. 0 says that the change does this to nobody, whatever anybody
    chose. A person counts once, in however many apps.
    """

    purpose: str
    signal: str
    lose: int | None
    """People whose yes covers it, and where it is recorded no longer."""
    gain: int | None
    """People whose yes covers it, and where it is recorded from then on."""
    shorter: int | None
    longer: int | None
    """People whose yes covers it, and of whom it is kept more shortly, or longer."""
    asked: int | None
    unasked: int | None
    """People who may be asked for it from then on, or no longer, whatever they answered."""


@dataclass(frozen=True)
class Blocked:
    """What the change would allow, were it not for something else that stands in some places."""

    jurisdictions: tuple[str, ...]
    purpose: str
    signals: tuple[str, ...]
    reason: str
    agreement: str | None


@dataclass(frozen=True)
class Impact:
    """What a change would do, for groups of people; frozen into the proposal it comes with."""

    lines: tuple[Line, ...]
    blocked: tuple[Blocked, ...]
    lose: int | None
    gain: int | None
    """People who lose or gain anything at all."""
    widens: bool
    """Whether anything at all is allowed that was not, or kept longer, for whatever answer."""
    hours: int | None = 0
    """People for whom other working hours hold; what is decided above is decided within hours."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON, to be frozen."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Impact":
        """Return the impact that `document` was made from."""
        return cls(
            lines=tuple(Line(**line) for line in document["lines"]),
            blocked=tuple(
                Blocked(
                    **{
                        **row,
                        "jurisdictions": tuple(row["jurisdictions"]),
                        "signals": tuple(row["signals"]),
                    }
                )
                for row in document["blocked"]
            ),
            lose=document["lose"],
            gain=document["gain"],
            widens=document["widens"],
            hours=document.get("hours", 0),
        )


def take_snapshot(at: datetime) -> Snapshot:
    """Return what all cohorts share as it stands in this transaction."""
    shared = published()
    cohorts = Cohort.objects.order_by("pk")
    documents = {cohort.pk: cohort_document(cohort, at=at, shared=shared) for cohort in cohorts}
    return Snapshot(documents, shared.rules, at)


def compare(before: Snapshot, after: Snapshot) -> Impact:
    """Return what lies between two snapshots, for the people there are."""
    places = list(_changed(before, after))
    spans = spans_of((before.rules, after.rules), before.at.date())
    answers = answers_among({cohort for cohort, _ in places}, spans)
    found = _Found()
    for cohort, purpose in places:
        here = _Place(before, after, cohort, purpose)
        found.add_shared(here)
        found.add_hours(here)
        for answer in answers.get((cohort, purpose), ()):
            found.effects += here.effects(answer)
        for answer in here.thinkable(spans):
            found.possible |= {(one.effect, purpose, one.signal) for one in here.effects(answer)}
    return found.impact(spans)


def _changed(before: Snapshot, after: Snapshot) -> Iterator[tuple[int, str]]:
    """Yield (cohort, purpose) wherever a decision could differ."""
    for cohort, old in before.documents.items():
        new = after.documents[cohort]
        everywhere = any(old[key] != new[key] for key in ("apps", "rulebook", "jurisdictions"))
        for purpose in {**old["purposes"], **new["purposes"]}:
            if everywhere or old["purposes"].get(purpose) != new["purposes"].get(purpose):
                yield cohort, purpose


@dataclass(frozen=True)
class _Place:
    """One purpose in one cohort, before and after."""

    before: Snapshot
    after: Snapshot
    cohort: int
    purpose: str

    def thinkable(self, spans: Sequence[date]) -> Iterator[Answer]:
        """Yield answers that people may have given, so that no line tells that somebody did."""
        purpose = self.before.documents[self.cohort]["purposes"].get(self.purpose, {})
        if not (version := purpose.get("notice_version")):
            return
        today = self.before.at.date()
        yield Answer(version, acknowledged=True, span=-1, given_on=today)
        if self.before.rules.digest != self.after.rules.digest:
            # Only other rules can tell by age or acknowledgement what they did not tell before.
            for given_on in (spans[0] - timedelta(days=1), *spans[:-1]):
                for acknowledged in (True, False):
                    yield Answer(version, acknowledged, -1, given_on)

    def effects(self, answer: Answer) -> list[Effect]:
        """Return what the change does to those who gave this answer."""
        old, new = self._decided(self.before, answer), self._decided(self.after, answer)
        return [
            Effect(
                self.cohort,
                self.purpose,
                answer,
                app,
                signal,
                effect,
                self._listing(self.before if effect == LOSE else self.after, app, signal),
            )
            for (app, signal) in {**old, **new}
            if (effect := _effect(old.get((app, signal)), new.get((app, signal))))
        ]

    def _listing(self, snapshot: Snapshot, app: str, signal: str) -> int:
        purpose = snapshot.documents[self.cohort]["purposes"][self.purpose]
        return int(purpose["allowlist"][app][signal])

    def shared(self) -> tuple[Decisions, Decisions]:
        """Return what is decided for whoever says yes, by the newest notice, to all there is."""
        return self._decided(self.before, None), self._decided(self.after, None)

    def hours(self) -> tuple[frozenset[Schedule], frozenset[Schedule]]:
        """Return the working hours that bind, before and after."""
        today, code = self.before.at.date(), self.purpose
        both = (self.before, self.after)
        purposes = (one.documents[self.cohort]["purposes"].get(code) for one in both)
        old, new = (schedules_of(one, today) if one else frozenset() for one in purposes)
        return old, new

    def asked(self) -> set[Pair]:
        """Return the pairs that the purpose asks for afterwards."""
        purpose = self.after.documents[self.cohort]["purposes"].get(self.purpose, {})
        listed = purpose.get("allowlist", {})
        return {(app, signal) for app in listed for signal in listed[app]}

    def _decided(self, snapshot: Snapshot, answer: Answer | None) -> Decisions:
        document = snapshot.documents[self.cohort]
        if self.purpose not in document["purposes"]:
            return {}
        asked = document["purposes"][self.purpose]["allowlist"]
        version = document["purposes"][self.purpose]["notice_version"]
        facts = person_facts(document, self.purpose, None, _ANYBODY, snapshot.rules, at=snapshot.at)
        person = replace(
            facts,
            consent=ConsentState.GIVEN,
            consent_given_on=answer.given_on if answer else snapshot.at.date(),
            notice_version_ok=version is not None and (answer is None or answer.version == version),
            ack=version is not None and (answer is None or answer.acknowledged),
        )
        apps = app_facts(document, document["purposes"][self.purpose], snapshot.at.date())
        decided = evaluate_many(
            person,
            [app for app in apps if app.app in asked],
            snapshot.rules,
            consented={(app, Signal(signal)) for app in asked for signal in asked[app]},
        )
        return {(str(app), signal.value): found for (app, signal), found in decided.items()}


@dataclass
class _Found:
    """What was found so far, over all places."""

    effects: list[Effect] = field(default_factory=list)
    changed: dict[str, set[int]] = field(default_factory=dict)
    """Purpose -> the cohorts in which a decision of it could differ."""
    possible: set[Key] = field(default_factory=set)
    """(effect, purpose, signal) that could concern somebody, whether or not it does."""
    cohorts: dict[Key, set[int]] = field(default_factory=dict)
    """Figure -> the cohorts whose people may be asked anew or no longer, or have other hours."""
    blocked: dict[tuple[tuple[str, ...], str, str, str | None], set[str]] = field(
        default_factory=dict
    )
    widens: bool = False

    def add_hours(self, here: _Place) -> None:
        """Note where hours differ; whether they could be on longer, in doubt that they could."""
        old, new = here.hours()
        if old != new:
            self.cohorts.setdefault(OTHER_HOURS, set()).add(here.cohort)
            self.widens |= not narrower(new, old)

    def add_shared(self, here: _Place) -> None:
        """Take in what everybody in a place shares."""
        self.changed.setdefault(here.purpose, set()).add(here.cohort)
        old, new = here.shared()
        for app, signal in {**old, **new}:
            before, after = old.get((app, signal)), new.get((app, signal))
            effect = _effect(before, after)
            self.widens |= effect in {GAIN, LONGER}
            if effect in {GAIN, LOSE}:
                kind = ASKED if effect == GAIN else UNASKED
                key = (kind, here.purpose, signal)
                self.cohorts.setdefault(key, set()).add(here.cohort)
        for app, signal in here.asked():
            self._add_blocked(here, signal, old.get((app, signal)), new.get((app, signal)))

    def _add_blocked(
        self, here: _Place, signal: str, old: Decision | None, new: Decision | None
    ) -> None:
        """Note what the change would have allowed, had nothing else stood against it."""
        if new is None or new.permitted:
            return
        left = {_name(reason) for reason in new.reasons}
        if old is not None and not left < {_name(reason) for reason in old.reasons}:
            return
        places = tuple(here.after.documents[here.cohort]["jurisdictions"])
        for reason, agreement in left:
            key = (places, here.purpose, reason, agreement)
            self.blocked.setdefault(key, set()).add(signal)

    def impact(self, spans: Sequence[date]) -> Impact:
        """Count the people and sum up."""
        possible = self.possible | {(e.effect, e.purpose, e.signal) for e in self.effects}
        anybody = {effect for effect, _, _ in possible}
        numbers = self._numbers(spans, possible)
        named = {key[1:] for key in numbers if key[1]}
        lines = sorted(named, key=lambda line: (line[0], _ORDER[line[1]]))
        return Impact(
            lines=tuple(_line(numbers, purpose, signal) for purpose, signal in lines),
            blocked=tuple(
                Blocked(places, purpose, _in_order(signals), reason, agreement)
                for (places, purpose, reason, agreement), signals in sorted(
                    self.blocked.items(), key=str
                )
            ),
            lose=numbers.get(ANY_LOSE, 0),
            gain=numbers.get(ANY_GAIN, 0),
            widens=self.widens or bool(anybody & {GAIN, LONGER}),
            hours=numbers.get(OTHER_HOURS, 0),
        )

    def _numbers(self, spans: Sequence[date], possible: set[Key]) -> dict[Key, int | None]:
        """Return each figure, None where it is not shown: one look at all of them together."""
        people = population()
        totals = {
            total for total in (ANY_LOSE, ANY_GAIN) if any(k[0] == total[0] for k in possible)
        }
        everybody = sum(people.values())
        among = {key: self._concerned(people, key[1]) for key in possible | totals}
        # Where people work is nobody's choice: that a change reaches all of them may be said.
        among |= dict.fromkeys(self.cohorts, everybody + settings.SMALLEST_GROUP)
        return show_overlapping(
            self._patterns(spans, people),
            among=among,
            last=tuple(sorted(totals)),
            smallest=settings.SMALLEST_GROUP,
        )

    def _patterns(
        self, spans: Sequence[date], people: Mapping[int | None, int]
    ) -> dict[frozenset[Key], int]:
        """Return how many people exactly which figures count, whom none counts included."""
        places: dict[int | None, set[Key]] = {}
        for key, cohorts in self.cohorts.items():
            for cohort in cohorts:
                places.setdefault(cohort, set()).add(key)
        found: Counter[frozenset[Key]] = Counter()
        left = dict(people)
        for (cohort, keys), count in count_patterns(self.effects, spans).items():
            every = {(effect, "", "") for effect, _, _ in keys if effect in {LOSE, GAIN}}
            found[frozenset(keys | every | places.get(cohort, set()))] += count
            left[cohort] -= count
        for anywhere, count in left.items():
            found[frozenset(places.get(anywhere, ()))] += count
        return dict(found)

    def _concerned(self, people: Mapping[int | None, int], purpose: str) -> int:
        """Return how many people there are where the purpose, or any purpose, could differ."""
        named = [purpose] if purpose else list(self.changed)
        cohorts = set().union(*(self.changed.get(one, set()) for one in named))
        return sum(people.get(cohort, 0) for cohort in cohorts)


def _line(numbers: Mapping[Key, int | None], purpose: str, signal: str) -> Line:
    told = {effect: numbers.get((effect, purpose, signal), 0) for effect in EFFECTS}
    return Line(purpose=purpose, signal=signal, **told)


def _in_order(signals: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(signals, key=_ORDER.__getitem__))


def _effect(old: Decision | None, new: Decision | None) -> str | None:
    """Return what it means that one decision takes the place of another; None for nothing."""
    before, after = bool(old and old.permitted), bool(new and new.permitted)
    if before != after:
        return GAIN if after else LOSE
    if not (old and new) or old.retention_days is None or new.retention_days is None:
        return None
    if old.retention_days == new.retention_days:
        return None
    return SHORTER if new.retention_days < old.retention_days else LONGER


def _name(reason: Reason) -> tuple[str, str | None]:
    """Return a reason as its code and, where one stands against it, the agreement's number."""
    agreement = dict(reason.params).get("agreement")
    return str(reason), str(agreement) if agreement else None
