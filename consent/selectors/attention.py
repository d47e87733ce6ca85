"""What will need somebody soon: reviews, papers that lapse, rules that collide, missing signatures.

Codes, days and counts only; which words and which page belong to them is the portal's.

How far a day is away is counted from the day that it is where it matters: where it is two days at
once from the later one, since there it ends first.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from consent.models import Agreement, Cohort, CohortPolicy, GateEvidence, SignalOverride
from consent.policy.bounds import Bounds, Floor
from consent.policy.clocks import days_anywhere, days_at
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook
from consent.selectors.agreements import Agreements
from consent.selectors.cohorts import places_of_others
from consent.selectors.facts import members_of, still_here
from consent.selectors.places import with_those_above
from consent.selectors.proposals import failed_proposals
from consent.selectors.readiness import CHUNK
from consent.selectors.rules import unadopted_rules
from consent.selectors.shared import COUNSEL_GATE, kept_days, signed_off

DAYS_AHEAD: Final = (7, 30, 60)
"""Warned of so many days ahead; the fewer are left, the louder."""


class Severity(StrEnum):
    """How soon somebody should act; the order is that of the list."""

    NOW = "now"
    """A week or less, or over already: something stops, or has stopped, by itself."""
    SOON = "soon"
    LATER = "later"


class Matter(StrEnum):
    """What needs somebody."""

    REVIEW = "review"
    AGREEMENT = "agreement"
    EVIDENCE = "evidence"
    EXCEPTION = "exception"
    FLOOR_ABOVE_CAP = "floor_above_cap"
    COUNSEL = "counsel"
    ADOPTION = "adoption"
    ROOM = "room"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """One thing that needs somebody; what does not apply to its matter is left empty."""

    matter: Matter
    severity: Severity
    due: date | None = None
    """The day on which it lapses, or must be reviewed; past ones are over."""
    left: int | None = None
    """So many days are left until then, where it matters."""
    codes: tuple[str, ...] = ()
    """Jurisdictions, an agreement, a gate or a signal; a proposal that failed, its kind and why."""
    jurisdictions: tuple[str, ...] = ()
    purpose: str = ""
    days: int | None = None
    """A minimum period that collides with a shorter cap."""
    cap_days: int | None = None
    bytes: int | None = None
    """How long a policy has become, as it is sent."""


def attention(at: datetime, units: Collection[str] | None = None) -> list[Attention]:
    """Return what needs somebody, most urgent first; an empty list is good news.

    With `units` only what is about the places of their people, and the agreements that name them;
    rules to adopt and changes that failed are nobody's there. No unit at all has no people and no
    agreement.
    """
    now = _Now(at)
    documents = list(_documents(at.date(), units))
    rules = rulebook()
    used = _in_use(documents) if documents or units is None else set()
    places = with_those_above(used, rules)
    found = [
        *_reviews(rules, places, now.day(used)),
        *_agreements(now),
        *_evidence(places, now),
        *_exceptions(now),
        *_floors(rules, documents, now),
        *_unsigned(rules, documents, now),
        *((*_unadopted(), *_failed(at)) if units is None else ()),
    ]
    if units is not None:
        named = _naming(units)
        found = [one for one in found if places & {*one.jurisdictions} or _is_of(one, named)]
    order = {severity: place for place, severity in enumerate(Severity)}
    return sorted(found, key=lambda one: (order[one.severity], one.due or at.date(), one.matter))


def conflicts(at: datetime) -> list[Attention]:
    """Return the minimum periods which are longer than a cap, in force on the day of the place."""
    found = _floors(rulebook(), list(_documents(at.date(), None)), _Now(at))
    return [one for one in found if one.due is None]


@dataclass(frozen=True, slots=True)
class _Now:
    """An instant, and which day it is then."""

    at: datetime

    def day(self, places: Collection[str]) -> date:
        """Return the latest day that it is in one of these places."""
        return days_at(places, self.at)[-1]

    def left(self, due: date, places: Collection[str]) -> int:
        """Return how many days are left there until one; none, or fewer, once it is over."""
        return (due - self.day(places)).days


def severity(left: int) -> Severity | None:
    """Return how urgent it is so many days ahead; None where that is too far to speak of."""
    for days, word in zip(DAYS_AHEAD, Severity, strict=True):
        if left <= days:
            return word
    return None


def _naming(units: Collection[str]) -> frozenset[str]:
    """Return the numbers of the agreements that name one of these units."""
    rows = Agreement.objects.filter(council_units__overlap=list(units))
    return frozenset(rows.values_list("code", flat=True))


def _is_of(one: Attention, agreements: Collection[str]) -> bool:
    return one.matter is Matter.AGREEMENT and one.codes[0] in agreements


def _documents(today: date, units: Collection[str] | None) -> Iterator[Mapping[str, Any]]:
    """Yield what the cohorts that hold somebody share, without the apps, which are long."""
    people = still_here()
    if units is not None:
        people = people.filter(pk__in=members_of(units, on=today))
    populated = Cohort.objects.filter(pk__in=people.values("cohort"))
    newest = (
        CohortPolicy.objects.filter(cohort__in=populated.values("pk"))
        .order_by("cohort_id", "-revision")
        .distinct("cohort_id")
    )
    parts = newest.values_list("document__jurisdictions", "document__purposes")
    for jurisdictions, purposes in parts.iterator(chunk_size=CHUNK):
        yield {"jurisdictions": jurisdictions, "purposes": purposes}


def _in_use(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    codes = {code for document in documents for code in document["jurisdictions"]}
    return codes | places_of_others()


def _reviews(rules: Rulebook, places: Iterable[str], today: date) -> Iterator[Attention]:
    """Yield the files whose review comes due, of places where somebody works or is seen.

    Those of one day come together.
    """
    due: dict[date, list[str]] = defaultdict(list)
    for code in sorted(places):
        if row := rules.rows.get(code):
            due[row.review_by].append(code)
    for day, codes in due.items():
        if urgent := severity(left := (day - today).days):
            yield Attention(
                matter=Matter.REVIEW,
                severity=urgent,
                due=day,
                left=left,
                codes=tuple(codes),
                jurisdictions=tuple(codes),
            )


def _agreements(now: _Now) -> Iterator[Attention]:
    """Yield the agreements that end, or have ended, with none to replace them for everybody."""
    known = Agreements(Agreement.objects.order_by("pk"), rulebook())
    for row in known.rows:
        if row.valid_until is None or known.ends(row, None):
            continue
        left = now.left(row.valid_until, row.jurisdictions)
        if urgent := severity(left):
            yield Attention(
                matter=Matter.AGREEMENT,
                severity=urgent,
                due=row.valid_until,
                left=left,
                codes=(row.code,),
                jurisdictions=tuple(row.jurisdictions),
            )


def _evidence(places: Iterable[str], now: _Now) -> Iterator[Attention]:
    """Yield the gates whose last evidence lapses, or has lapsed: then they are open again."""
    rows = GateEvidence.objects.filter(
        reopening__isnull=True, purpose__published_at__isnull=False, jurisdiction__in=list(places)
    )
    last: dict[tuple[str, str, str], date | None] = {}
    for purpose, place, gate, until in rows.values_list(
        "purpose__code", "jurisdiction", "gate", "valid_until"
    ):
        key = (purpose, place, gate)
        known = last.get(key, date.min)
        last[key] = None if known is None or until is None else max(known, until)
    for (purpose, place, gate), until in sorted(last.items(), key=lambda item: item[0]):
        if until and (urgent := severity(left := now.left(until, [place]))):
            yield Attention(
                matter=Matter.EVIDENCE,
                severity=urgent,
                due=until,
                left=left,
                codes=(gate,),
                jurisdictions=(place,),
                purpose=purpose,
            )


def _exceptions(now: _Now) -> Iterator[Attention]:
    """Yield the signed exceptions that end soon; one that is over denies, as it was meant to."""
    first, *_between, last = days_anywhere(now.at)
    rows = SignalOverride.objects.filter(
        valid_until__gt=first, valid_until__lte=_horizon(last), purpose__published_at__isnull=False
    )
    for row in rows.select_related("purpose").order_by("valid_until", "pk"):
        left = now.left(row.valid_until, [row.jurisdiction])
        if left > 0 and (urgent := severity(left)):
            yield Attention(
                matter=Matter.EXCEPTION,
                severity=urgent,
                due=row.valid_until,
                left=left,
                codes=(row.signal,),
                jurisdictions=(row.jurisdiction,),
                purpose=row.purpose.code,
            )


def _floors(
    rules: Rulebook, documents: Iterable[Mapping[str, Any]], now: _Now
) -> Iterator[Attention]:
    """Yield where a minimum period is longer than recordings may be kept; people must decide.

    One that begins within the time warned of is told with its day.
    """
    found: set[tuple[date, tuple[str, ...], str, int, int]] = set()
    for document in documents:
        places = tuple(document["jurisdictions"])
        today = now.day(places)
        for code, purpose in document["purposes"].items():
            if not (kept := _kept_listed(places, purpose, rules, today)):
                continue
            bounds = rules.law(places, _horizon(today)).bounds
            for floor in bounds.floors_above(min(kept)) if bounds else ():
                behind = rules.behind(bounds, _asks_for(floor))
                found.add((floor.since, behind, code, floor.days, min(kept)))
    for since, places, code, days, cap in sorted(found):
        left = now.left(since, places)
        ahead = left > 0
        yield Attention(
            matter=Matter.FLOOR_ABOVE_CAP,
            severity=(severity(left) if ahead else None) or Severity.SOON,
            due=since if ahead else None,
            left=left if ahead else None,
            codes=places,
            jurisdictions=places,
            purpose=code,
            days=days,
            cap_days=cap,
        )


def _asks_for(floor: Floor) -> Callable[[Bounds], bool]:
    return lambda own: floor in own.retention_floors


def _kept_listed(
    places: tuple[str, ...], purpose: Mapping[str, Any], rules: Rulebook, today: date
) -> list[int]:
    """Return how long each signal that the purpose may ask for is kept; empty where none may."""
    listed = {signal for signals in purpose["allowlist"].values() for signal in signals}
    kept = kept_days(places, purpose, rules, today)
    return [days for signal, days in kept.items() if signal in listed]


def _unsigned(
    rules: Rulebook, documents: Iterable[Mapping[str, Any]], now: _Now
) -> Iterator[Attention]:
    """Yield the places that counsel has yet to sign off before anything is recorded there."""
    found: set[tuple[str, str]] = set()
    others = places_of_others()
    for document in documents:
        today = now.day(document["jurisdictions"])
        bounds = rules.law({*document["jurisdictions"], *others}, today).bounds
        needed = bounds.needs_counsel if bounds else frozenset()
        for code, purpose in document["purposes"].items():
            found |= {(place, code) for place in needed - signed_off(purpose, today)}
    for place, code in sorted(found):
        yield Attention(
            matter=Matter.COUNSEL,
            severity=Severity.LATER,
            codes=(COUNSEL_GATE,),
            jurisdictions=(place,),
            purpose=code,
        )


def _unadopted() -> Iterator[Attention]:
    """Yield that shipped rules differ from those adopted: what they loosen waits for somebody."""
    if waiting := unadopted_rules():
        codes = tuple(sorted(one.code for one in waiting))
        yield Attention(matter=Matter.ADOPTION, severity=Severity.LATER, codes=codes)


def _failed(at: datetime) -> Iterator[Attention]:
    """Yield what everybody agreed to, and what was not made all the same."""
    for one in failed_proposals(at):
        codes = (str(one.uuid), one.kind, one.failure)
        yield Attention(matter=Matter.FAILED, severity=Severity.NOW, codes=codes)


def _horizon(today: date) -> date:
    return today + timedelta(days=max(DAYS_AHEAD))
