"""What a change does where one shared half holds, before and after: to whoever is there.

Each kind of yes that somebody may have given is decided by the pure core. Whether anybody gave it
is not looked at.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Max

from consent.digests import plain
from consent.models import AllowlistEntry, Cohort
from consent.policy.adoption import packs_of
from consent.policy.clocks import LocalDay
from consent.policy.deadlines import add_months
from consent.policy.evaluate import Decision, evaluate_many
from consent.policy.facts import ACTIVE
from consent.policy.hours import Schedule, narrower
from consent.policy.reasons import Reason, ReasonCode
from consent.policy.rulebook import Rulebook
from consent.policy.types import ConsentState, Signal
from consent.selectors.cohorts import cohort_document, published
from consent.selectors.corefacts import app_facts, person_facts
from consent.selectors.decisions import Standing
from consent.selectors.shared import agreements_of, schedules_of
from consent.selectors.stops import NO_STOPS, Stops, stops_now

Key = tuple[str, str, str]
"""(effect, purpose, signal): one figure of a preview."""
Pair = tuple[str, str]
Decisions = Mapping[Pair, Decision]
Ages = dict[date, list[date]]
"""Day -> the days on which a yes must have been given for each case that tells then."""
Obstacle = tuple[tuple[str, ...], str, str, str | None]
"""(places, purpose, reason, agreement): what stands in the way, and where."""

LOSE, GAIN, SHORTER, LONGER = "lose", "gain", "shorter", "longer"
ASKED, UNASKED = "asked", "unasked"
EFFECTS: Final = (LOSE, GAIN, SHORTER, LONGER, ASKED, UNASKED)
OTHER_HOURS: Final[Key] = ("hours", "", "")
"""The figure of those for whom other working hours hold."""
ASKED_ANEW: Final[Key] = ("anew", "", "")
"""The figure of those who are asked anew, since the notice they answered is not the newest."""

NOT_COVERED: Final = ReasonCode.AGREEMENT_DOES_NOT_COVER.value
NO_LONGER: Final = "kept_no_longer"
"""Where an agreement keeps people from a longer term; nothing of it is denied."""

_ANYBODY: Final = Standing(
    cohort_policy=None,
    answers={},
    acknowledged=frozenset(),
    paused=False,
    agent=ACTIVE,
    turns_at=None,
    stops=NO_STOPS,
)


@dataclass(frozen=True)
class Snapshot:
    """What all cohorts share at one moment, and the rules that decide by it."""

    documents: Mapping[int, dict[str, Any]]
    rules: Rulebook
    at: datetime
    newest_listing: int
    """The last entry there is of any list: nobody has said yes by a later one."""
    stops: Stops


@dataclass(frozen=True)
class Answer:
    """A yes to all that is asked, as far as rules tell one from another."""

    given_on: date
    acknowledged: bool = True
    waived: bool = False
    """With an agreement to a shorter notice."""
    version: int | None = None
    """The notice it answers; None for whichever is the newest."""


@dataclass(frozen=True)
class Outcome:
    """What a change does where one shared half holds, to whoever is there."""

    figures: frozenset[Key]
    blocked: tuple[tuple[Obstacle, str], ...]
    """What stands against a signal that the change would have allowed; of no signal by name where
    it stands against a purpose or its term."""
    widens: bool


@dataclass(frozen=True)
class Place:
    """One purpose in one cohort, before and after, on one day."""

    before: Snapshot
    after: Snapshot
    cohort: int
    purpose: str
    local: LocalDay
    """One of the days that it is there at the moment of the two."""

    def shared_with(self) -> Hashable:
        """Return what the outcome follows from: cohorts where it is the same have the same one.

        Of all that is published at once there is one object in a snapshot, whatever the cohort.
        """
        return tuple(
            (
                tuple(document["jurisdictions"]),
                self.purpose,
                self.local,
                id(purpose and purpose["allowlist"]),
                purpose and plain({**purpose, "allowlist": None}).text,
            )
            for document in self._documents()
            for purpose in (document["purposes"].get(self.purpose),)
        )

    def outcome(self, ages: Sequence[date]) -> Outcome:
        """Return what the change does here."""
        today = Answer(self.local.day)
        old, new = self._decided(today)
        effects = {
            (ASKED if effect == GAIN else UNASKED, self.purpose, signal)
            for app, signal in {**old, **new}
            if (effect := _effect(old.get((app, signal)), new.get((app, signal)))) in {GAIN, LOSE}
        }
        widens = any(
            _effect(before.get(pair), after.get(pair)) in {GAIN, LONGER}
            for answer in self._waived_or_not(today)
            for before, after in (self._decided(answer),)
            for pair in {**before, **after}
        )
        effects |= {
            (effect, self.purpose, signal)
            for answer in self._thinkable(ages)
            for effect, signal in self._effects(answer)
        }
        hours = self._hours()
        if hours[0] != hours[1]:
            effects.add(OTHER_HOURS)
            widens |= not narrower(hours[1], hours[0])
        if self._asks_anew():
            effects.add(ASKED_ANEW)
        return Outcome(
            figures=frozenset(effects),
            blocked=(*self._blocked(old, new), *((obstacle, "") for obstacle in self._agreed())),
            widens=widens or any(effect in {GAIN, LONGER} for effect, _, _ in effects),
        )

    def _documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.before.documents[self.cohort], self.after.documents[self.cohort]

    def _thinkable(self, ages: Sequence[date]) -> Iterator[Answer]:
        """Yield the yeses that people may have given by now, for all we care to know."""
        old, new = (one["purposes"].get(self.purpose, {}) for one in self._documents())
        # Of a purpose that asks for nothing now the notice is the last one, if there was any.
        version = old["notice_version"] if old else new.get("notice_version")
        if version is None:
            return
        yield from self._waived_or_not(Answer(self.local.day, version=version))
        if self.before.rules.digest != self.after.rules.digest:
            # Only other rules can tell by age or acknowledgement what they did not tell before.
            for given_on in ages:
                for acknowledged in (True, False):
                    answer = Answer(given_on, acknowledged, version=version)
                    yield from self._waived_or_not(answer)

    def _waived_or_not(self, answer: Answer) -> Iterator[Answer]:
        """Yield an answer, and where rules let people agree to a shorter notice, with that too."""
        yield answer
        laws = (
            snapshot.rules.law(document["jurisdictions"], self.local.day).bounds
            for snapshot, document in zip((self.before, self.after), self._documents(), strict=True)
        )
        if any(law and law.notice_days and law.notice_waivable for law in laws):
            yield replace(answer, waived=True)

    def _effects(self, answer: Answer) -> Iterator[tuple[str, str]]:
        """Yield (effect, signal): what the change does to whoever gave this answer."""
        old, new = self._decided(answer)
        for app, signal in {**old, **new}:
            effect = _effect(old.get((app, signal)), new.get((app, signal)))
            if effect == LOSE or (effect and self._was_listed(app, signal)):
                yield effect, signal

    def _was_listed(self, app: str, signal: str) -> bool:
        """Say whether somebody may have said yes by the entry that stands afterwards."""
        listed = self._documents()[1]["purposes"][self.purpose]["allowlist"]
        return bool(listed[app][signal] <= self.before.newest_listing)

    def _hours(self) -> tuple[frozenset[Schedule], frozenset[Schedule]]:
        """Return the working hours that bind, before and after."""
        today, code = self.local.day, self.purpose
        purposes = (one["purposes"].get(code) for one in self._documents())
        old, new = (schedules_of(one, today) if one else frozenset() for one in purposes)
        return old, new

    def _asks_anew(self) -> bool:
        """Say whether whoever answered has answered an earlier notice from then on."""
        old, new = (one["purposes"].get(self.purpose, {}) for one in self._documents())
        versions = old.get("notice_version"), new.get("notice_version")
        return None not in versions and versions[0] != versions[1]

    def _blocked(self, before: Decisions, after: Decisions) -> Iterator[tuple[Obstacle, str]]:
        """Yield what the change would have allowed, had nothing else stood against it."""
        document = self._documents()[1]
        listed = document["purposes"].get(self.purpose, {}).get("allowlist", {})
        for app, signal in [(app, signal) for app, signals in listed.items() for signal in signals]:
            old, new = before.get((app, signal)), after.get((app, signal))
            if new is None or new.permitted:
                continue
            left = {_name(reason) for reason in new.reasons}
            if old is None or left < {_name(reason) for reason in old.reasons}:
                for reason, agreement in left:
                    places = tuple(document["jurisdictions"])
                    yield (places, self.purpose, reason, agreement), signal

    def _agreed(self) -> Iterator[Obstacle]:
        """Yield the agreements that keep a new purpose, or a longer term of one, from here."""
        old, new = (one["purposes"].get(self.purpose) for one in self._documents())
        if new is None:
            return
        places, days = tuple(self._documents()[1]["jurisdictions"]), new["retention_days"]
        longer = old is None or old["retention_days"] < days
        for paper in agreements_of(new, self.local.day):
            if old is None and paper.signals == frozenset():
                yield places, self.purpose, NOT_COVERED, paper.name
            elif longer and paper.retention_days is not None and paper.retention_days < days:
                yield places, self.purpose, NO_LONGER, paper.name

    def _decided(self, answer: Answer) -> tuple[Decisions, Decisions]:
        return self._decided_by(self.before, answer), self._decided_by(self.after, answer)

    def _decided_by(self, snapshot: Snapshot, answer: Answer) -> Decisions:
        document = snapshot.documents[self.cohort]
        purpose = document["purposes"].get(self.purpose)
        if purpose is None:
            return {}
        asked, version = purpose["allowlist"], purpose["notice_version"]
        anybody = replace(_ANYBODY, stops=snapshot.stops)
        facts = person_facts(
            document, self.purpose, anybody, snapshot.rules, at=snapshot.at, local=self.local
        )
        person = replace(
            facts,
            consent=ConsentState.GIVEN,
            consent_given_on=answer.given_on,
            notice_version_ok=version is not None and answer.version in {None, version},
            ack=version is not None and answer.acknowledged,
            notice_waived=version is not None and answer.waived,
        )
        decided = evaluate_many(
            person,
            app_facts(document, purpose, (self.local.day,), listed_only=True),
            snapshot.rules,
            consented={(app, Signal(signal)) for app in asked for signal in asked[app]},
        )
        return {(str(app), signal.value): found for (app, signal), found in decided.items()}


def take_snapshot(at: datetime) -> Snapshot:
    """Return what all cohorts share as it stands in this transaction."""
    shared = published()
    cohorts = Cohort.objects.order_by("pk")
    documents = {cohort.pk: cohort_document(cohort, at=at, shared=shared) for cohort in cohorts}
    newest = AllowlistEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return Snapshot(documents, shared.rules, at, newest, stops_now())


def ages_of(rulebooks: Iterable[Rulebook], today: date) -> list[date]:
    """Return one day of each span of days on which a yes given counts alike, the oldest first."""
    months = {
        row.own.reconsent_months
        for rules in rulebooks
        for pack in (rules, *packs_of(rules))
        for row in pack.rows.values()
    }
    fresh = sorted({_first_fresh(today, count) for count in months if count is not None})
    return [*(day - timedelta(days=1) for day in fresh), today]


def _first_fresh(today: date, months: int) -> date:
    """Return the first day on which a yes given still counts today."""
    day = today - timedelta(days=31 * months + 3)
    while add_months(day, months) <= today:
        day += timedelta(days=1)
    return day


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
