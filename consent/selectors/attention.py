"""What will need somebody soon: reviews, papers that lapse, rules that collide, missing signatures.

Codes, days and counts only; which words and which page belong to them is the portal's.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from consent.models import Agreement, Cohort, CohortPolicy, GateEvidence, SignalOverride
from consent.policy.bounds import Bounds, Floor
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook
from consent.selectors.agreements import Agreements
from consent.selectors.cohorts import places_of_others
from consent.selectors.facts import members_of, still_here
from consent.selectors.places import with_those_above
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Attention:
    """One thing that needs somebody; what does not apply to its matter is left empty."""

    matter: Matter
    severity: Severity
    due: date | None = None
    """The day on which it lapses, or must be reviewed; past ones are over."""
    codes: tuple[str, ...] = ()
    """Jurisdictions, an agreement, a gate or a signal."""
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
    adopting rules is nobody's there. No unit at all has no people and no agreement.
    """
    today = at.date()
    documents = list(_documents(today, units))
    rules = rulebook()
    places = _places(documents, rules) if documents or units is None else set()
    found = [
        *_reviews(rules, places, today),
        *_agreements(today),
        *_evidence(places, today),
        *_exceptions(today),
        *_floors(rules, documents, today),
        *_unsigned(rules, documents, today),
        *(_unadopted() if units is None else ()),
    ]
    if units is not None:
        named = _naming(units)
        found = [one for one in found if places & {*one.jurisdictions} or _is_of(one, named)]
    order = {severity: place for place, severity in enumerate(Severity)}
    return sorted(found, key=lambda one: (order[one.severity], one.due or today, one.matter))


def conflicts(at: datetime) -> list[Attention]:
    """Return the minimum periods in force that day which are longer than a cap."""
    today = at.date()
    found = _floors(rulebook(), list(_documents(today, None)), today)
    return [one for one in found if one.due is None]


def severity(due: date, today: date) -> Severity | None:
    """Return how urgent a day is; None where it is too far ahead to speak of."""
    left = (due - today).days
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


def _places(documents: Iterable[Mapping[str, Any]], rules: Rulebook) -> set[str]:
    codes = {code for document in documents for code in document["jurisdictions"]}
    return with_those_above(codes | places_of_others(), rules)


def _reviews(rules: Rulebook, places: Iterable[str], today: date) -> Iterator[Attention]:
    """Yield the files whose review comes due, of places where somebody works or is seen.

    Those of one day come together.
    """
    due: dict[date, list[str]] = defaultdict(list)
    for code in sorted(places):
        if row := rules.rows.get(code):
            due[row.review_by].append(code)
    for day, codes in due.items():
        if urgent := severity(day, today):
            yield Attention(
                matter=Matter.REVIEW,
                severity=urgent,
                due=day,
                codes=tuple(codes),
                jurisdictions=tuple(codes),
            )


def _agreements(today: date) -> Iterator[Attention]:
    """Yield the agreements that end, or have ended, with none to replace them for everybody."""
    known = Agreements(Agreement.objects.order_by("pk"), rulebook())
    for row in known.rows:
        if row.valid_until is None or known.ends(row, None):
            continue
        if urgent := severity(row.valid_until, today):
            yield Attention(
                matter=Matter.AGREEMENT,
                severity=urgent,
                due=row.valid_until,
                codes=(row.code,),
                jurisdictions=tuple(row.jurisdictions),
            )


def _evidence(places: Iterable[str], today: date) -> Iterator[Attention]:
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
        if until and (urgent := severity(until, today)):
            yield Attention(
                matter=Matter.EVIDENCE,
                severity=urgent,
                due=until,
                codes=(gate,),
                jurisdictions=(place,),
                purpose=purpose,
            )


def _exceptions(today: date) -> Iterator[Attention]:
    """Yield the signed exceptions that end soon; one that is over denies, as it was meant to."""
    rows = SignalOverride.objects.filter(
        valid_until__gt=today, valid_until__lte=_horizon(today), purpose__published_at__isnull=False
    )
    for row in rows.select_related("purpose").order_by("valid_until", "pk"):
        if urgent := severity(row.valid_until, today):
            yield Attention(
                matter=Matter.EXCEPTION,
                severity=urgent,
                due=row.valid_until,
                codes=(row.signal,),
                jurisdictions=(row.jurisdiction,),
                purpose=row.purpose.code,
            )


def _floors(
    rules: Rulebook, documents: Iterable[Mapping[str, Any]], today: date
) -> Iterator[Attention]:
    """Yield where a minimum period is longer than recordings may be kept; people must decide.

    One that begins within the time warned of is told with its day.
    """
    found: set[tuple[date, tuple[str, ...], str, int, int]] = set()
    for document in documents:
        places = tuple(document["jurisdictions"])
        for code, purpose in document["purposes"].items():
            if not (kept := _kept_listed(places, purpose, rules, today)):
                continue
            bounds = rules.law(places, _horizon(today)).bounds
            for floor in bounds.floors_above(min(kept)) if bounds else ():
                behind = rules.behind(bounds, _asks_for(floor))
                found.add((floor.since, behind, code, floor.days, min(kept)))
    for since, places, code, days, cap in sorted(found):
        yield Attention(
            matter=Matter.FLOOR_ABOVE_CAP,
            severity=(severity(since, today) if since > today else None) or Severity.SOON,
            due=since if since > today else None,
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
    rules: Rulebook, documents: Iterable[Mapping[str, Any]], today: date
) -> Iterator[Attention]:
    """Yield the places that counsel has yet to sign off before anything is recorded there."""
    found: set[tuple[str, str]] = set()
    others = places_of_others()
    for document in documents:
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


def _horizon(today: date) -> date:
    return today + timedelta(days=max(DAYS_AHEAD))
