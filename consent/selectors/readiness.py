"""Who may be asked today, and who waits for what: one decision per cohort, one count of people.

Only under rules with a notice period those who came of late are counted by themselves, each day of
arrival with a decision of its own.

Somebody may be asked when nothing but their own answer stands against at least one listed signal
of one app. Only what people share decides here, so no figure tells what anybody answered.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from consent.digests import plain
from consent.models import CohortPolicy, Purpose, Subject, SubjectFact
from consent.policy.clocks import days_at, first_midnight
from consent.policy.facts import ACTIVE
from consent.policy.reasons import ORDER, Reason, ReasonCode
from consent.rules import rulebook_of
from consent.selectors.arrivals import arrivals, longest_notice
from consent.selectors.decisions import Standing, decide
from consent.selectors.documents import FORM, NOTHING_SHARED, clocked_by, registry
from consent.selectors.facts import members_of, still_here
from consent.selectors.stops import Stops, stops_now
from consent.selectors.verdicts import Verdicts

OWN_ANSWER: Final = frozenset(
    {
        ReasonCode.NO_CONSENT,
        ReasonCode.SIGNAL_NOT_CONSENTED,
        ReasonCode.LISTED_ANEW_RECONSENT,
        ReasonCode.NOTICE_CHANGED_RECONSENT,
        ReasonCode.ACKNOWLEDGEMENT_MISSING,
    }
)
"""What stands against anybody who has not answered, and goes away with their own answer."""

NO_NOTICE: Final = "notice_missing"
NOTHING_LISTED: Final = "nothing_listed"
NO_PLACE: Final = "no_work_location"

CHUNK: Final = 50
"""So many cohorts are read at a time."""

HORIZON: Final = timedelta(days=730)
MOST_STEPS: Final = 60
"""So far, and over so many turns of the calendar, a first day is looked for."""


@dataclass(frozen=True, order=True, slots=True)
class Blocker:
    """One thing that stands in the way of people, whatever they answer."""

    place: int
    """Where its code stands in the order of reasons."""
    code: str
    detail: str = ""
    """The gate, the agreement or the signal it is about."""
    jurisdictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """People of the same places who wait for the same, or for nothing."""

    jurisdictions: tuple[str, ...]
    people: int
    blockers: tuple[Blocker, ...] = ()
    """Nothing: these may be asked."""
    asked_from: date | None = None
    """The first day on which time alone lets them be asked; None when none is known."""


@dataclass(frozen=True, slots=True)
class PurposeReadiness:
    """One purpose: everybody stands in exactly one of its groups."""

    purpose: str
    title: str
    groups: tuple[Group, ...]

    @property
    def people(self) -> int:
        """Return how many people there are."""
        return sum(group.people for group in self.groups)

    @property
    def may_be_asked(self) -> int:
        """Return how many may be asked."""
        return sum(group.people for group in self.groups if not group.blockers)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Who may be asked on a day, by what is recorded now."""

    at: datetime
    purposes: tuple[PurposeReadiness, ...]


def readiness(at: datetime, units: Collection[str] | None = None) -> Readiness:
    """Return, per purpose, how many may be asked and what the others wait for.

    `at` may lie ahead: then it is told what the calendar alone will have changed by then. Who has
    left is not counted; who is in no cohort, or has no place of work, waits for that. With `units`
    nobody is counted but who is of one of them that day, and no place is named where none of them
    works; no unit at all is nobody.
    """
    everybody, titles = _everybody(at.date(), units), _titles()
    counts: dict[str, dict[_Row, int]] = {code: defaultdict(int) for code in titles}
    judge = _Judge(at)
    for document, cohort, people in _documents(_by_cohort(everybody)):
        places = tuple(document["jurisdictions"])
        there = everybody.filter(cohort=cohort)
        for arrived, count in _by_arrival(document, there, people, at):
            for code, rows in counts.items():
                rows[places, judge.outcome(document, code, arrived)] += count
    purposes = (
        PurposeReadiness(code, title, _groups(counts[code])) for code, title in titles.items()
    )
    return Readiness(at, tuple(purposes))


@dataclass(frozen=True, slots=True)
class _Outcome:
    blockers: tuple[Blocker, ...]
    asked_from: date | None


_Row = tuple[tuple[str, ...], _Outcome]


class _Judge:
    """Decides once for all cohorts whose shared half says the same about a purpose."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.stops = stops_now()
        self.known: dict[Hashable, _Outcome] = {}

    def outcome(
        self, document: Mapping[str, Any], code: str, arrived: date | None = None
    ) -> _Outcome:
        key = (
            code,
            arrived,
            tuple(document["jurisdictions"]),
            document.get("rulebook"),
            document.get("registry"),
            plain(document["purposes"].get(code)).text,
        )
        if key not in self.known:
            whole = {"apps": registry(document.get("registry", "")), **document}
            self.known[key] = _outcome(_trimmed(whole, code), code, self.at, arrived, self.stops)
        return self.known[key]


def _outcome(
    document: Mapping[str, Any], code: str, at: datetime, arrived: date | None, stops: Stops
) -> _Outcome:
    verdicts = _verdicts(document, code, at, arrived, stops)
    blockers, may_turn = _blockers(verdicts, document, code)
    return _Outcome(blockers, _first_day(document, code, verdicts, at) if may_turn else None)


def _first_day(
    document: Mapping[str, Any], code: str, verdicts: Verdicts, at: datetime
) -> date | None:
    """Walk from turn to turn of the calendar until nothing stands in the way."""
    end = at + HORIZON
    for _ in range(MOST_STEPS):
        change = verdicts.next_change
        if change is None or change > end:
            return None
        standing = verdicts.standing
        verdicts = _verdicts(document, code, change, standing.arrived, standing.stops)
        if not _blockers(verdicts, document, code)[0]:
            # From its beginning in all of the places on.
            return days_at(clocked_by(document), change)[0]
    return None


def _verdicts(
    document: Mapping[str, Any], code: str, at: datetime, arrived: date | None, stops: Stops
) -> Verdicts:
    """Decide about nobody in particular, by the shared half alone."""
    nobody = Standing(
        cohort_policy=CohortPolicy(document=_trimmed(document, code)),
        answers={},
        acknowledged=frozenset(),
        paused=False,
        agent=ACTIVE,
        turns_at=None,
        arrived=arrived,
        stops=stops,
        in_hours=True,  # who may be asked does not depend on the time of day
    )
    return decide(nobody, at=at)


def _trimmed(document: Mapping[str, Any], code: str) -> dict[str, Any]:
    """Return what decides about one purpose: its own part, and the apps it lists."""
    purpose = document["purposes"].get(code)
    listed = purpose["allowlist"] if purpose else {}
    return {
        "form": document.get("form"),
        "jurisdictions": document["jurisdictions"],
        "rulebook": document.get("rulebook"),
        "apps": {app: facts for app, facts in document.get("apps", {}).items() if app in listed},
        "purposes": {code: purpose} if purpose else {},
    }


def _blockers(
    verdicts: Verdicts, document: Mapping[str, Any], code: str
) -> tuple[tuple[Blocker, ...], bool]:
    """Return what stands in the way of the signal nearest to being asked for.

    And whether time alone could change it: an app, a notice or a place that is missing stays so.
    """
    if not document["jurisdictions"]:
        return (_named(ReasonCode.UNKNOWN_JURISDICTION, NO_PLACE),), False
    purpose = document["purposes"].get(code)
    if purpose is None or purpose["notice_version"] is None:
        return (_named(ReasonCode.NOTICE_CHANGED_RECONSENT, NO_NOTICE),), False
    listed = {(app, signal) for app, signals in purpose["allowlist"].items() for signal in signals}
    nearest = min(
        (
            tuple(_expanded(pair.decision.reasons))
            for pair in verdicts.pairs
            if (pair.app, pair.signal.value) in listed
        ),
        key=lambda blockers: (len(blockers), blockers),
        default=(_named(ReasonCode.APP_NOT_ALLOWLISTED, NOTHING_LISTED),),
    )
    return nearest, bool(nearest)


def _expanded(reasons: Iterable[Reason]) -> Iterator[Blocker]:
    """Yield what stands in the way beside the person's own answer; each open gate by itself."""
    others = [reason for reason in reasons if reason.code not in OWN_ANSWER]
    # Where nothing is permitted at all, nothing else is worth waiting for.
    closed = [r for r in others if r.code is ReasonCode.JURISDICTION_PROHIBITED]
    for reason in closed or others:
        params: dict[str, Any] = dict(reason.params)
        if reason.code is ReasonCode.GATES_OPEN:
            details = [str(gate) for gate in params["gates"]]
        else:
            details = [str(params.get("agreement") or params.get("signal") or reason.detail)]
        for detail in details:
            yield Blocker(ORDER[reason.code], reason.code.value, detail, reason.jurisdictions)


def _named(near: ReasonCode, code: str) -> Blocker:
    return Blocker(ORDER[near], code)


def _everybody(on: date, units: Collection[str] | None) -> QuerySet[Subject]:
    """Return whom it is about: those of these units, or all."""
    people = still_here()
    return people if units is None else people.filter(pk__in=members_of(units, on=on))


def _by_cohort(everybody: QuerySet[Subject]) -> dict[int | None, int]:
    """Return cohort -> how many people are in it now: the one count over people."""
    return dict(everybody.values_list("cohort").annotate(n=Count("pk")).order_by("cohort"))


def _by_arrival(
    document: Mapping[str, Any], there: QuerySet[Subject], people: int, at: datetime
) -> Iterator[tuple[date | None, int]]:
    """Yield since when people are under rules with a notice period, and how many they are.

    Only of those who came so lately that it tells; None stands for all the others.
    """
    rules = rulebook_of(document.get("rulebook"))
    days = longest_notice(document["jurisdictions"], rules)
    late: Counter[date] = Counter()
    if days:
        places = clocked_by(document)
        today = days_at(places, at)[-1]
        begun = today - timedelta(days=days)
        next_day = first_midnight(places, begun + timedelta(days=1))
        came = SubjectFact.objects.filter(
            Q(valid_from__gt=begun)
            | Q(event_time__gte=next_day)
            | Q(event_time__isnull=True, recorded_at__gte=next_day),
            subject__in=there,
            kind__in=SubjectFact.JURISDICTION_KINDS,
        )
        late_ones = set(came.values_list("subject", flat=True))
        under = dict.fromkeys(late_ones, (document["jurisdictions"], rules))
        late.update(day for day in arrivals(under, on=today, places=places).values() if day > begun)
    if others := people - late.total():
        yield None, others
    yield from sorted(late.items())


def _documents(
    people: Mapping[int | None, int],
) -> Iterator[tuple[Mapping[str, Any], int | None, int]]:
    """Yield what each cohort shares, which it is, and how many people that is."""
    newest = (
        CohortPolicy.objects.filter(cohort__in=[cohort for cohort in people if cohort is not None])
        .order_by("cohort_id", "-revision")
        .distinct("cohort_id")
        .values_list("cohort_id", "document")
    )
    left = dict(people)
    for cohort, document in newest.iterator(chunk_size=CHUNK):
        understood = document.get("form") == FORM
        yield document if understood else NOTHING_SHARED, cohort, left.pop(cohort)
    if nowhere := sum(left.values()):
        yield NOTHING_SHARED, None, nowhere


def _titles() -> dict[str, str]:
    purposes = Purpose.objects.filter(published_at__isnull=False)
    return dict(purposes.values_list("code", "title"))


def _groups(counts: Mapping[_Row, int]) -> tuple[Group, ...]:
    """Return the groups: who may be asked first, then the largest first."""
    found = (
        Group(places, people, outcome.blockers, outcome.asked_from)
        for (places, outcome), people in counts.items()
    )
    return tuple(sorted(found, key=lambda g: (bool(g.blockers), -g.people, g.jurisdictions)))
