"""What agreements mean for a change: which councils are asked, and what goes beyond."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from consent.exceptions import BeyondAgreement, CouncilUnknown
from consent.models import Agreement, Cohort, CouncilSeat
from consent.rules import rulebook
from consent.selectors.cohorts import binds, speaks_of, with_those_above
from consent.selectors.impact import population
from consent.services.changes.kind import Ask, Change, Reach


def agreements_binding(on: date) -> list[Agreement]:
    """Return the agreements that bind on a day: begun, and not replaced by one that has begun.

    Over or not: one whose last day is past covers nothing any more, but its council keeps its
    word and its caps go on refusing. Else whoever wants more need only wait for that day.
    """
    begun = Agreement.objects.filter(valid_from__lte=on)
    return list(begun.exclude(replaced_by__valid_from__lte=on).order_by("code"))


def units_asked(change: Change) -> list[str]:
    """Return the units whose council must agree to a change that widens; silence never agrees.

    Raises CouncilUnknown where a council must agree and nobody knows which: an agreement that
    lets the council veto names no unit and no seat is held, or a protected app is let go.
    """
    standing = agreements_binding(timezone.now().date())
    # The council of an agreement ahead signed it, too: nobody takes it away before its first day.
    if (replaced := change.replaced()) and replaced not in standing:
        standing.append(replaced)
    seated = set(CouncilSeat.objects.filter(ended_at__isnull=True).values_list("unit", flat=True))
    units: set[str] = set()
    for agreement in standing:
        if agreement.council_may_veto and _touches(change.reach(), agreement):
            if not agreement.council_units and not seated:
                raise CouncilUnknown(f"Agreement {agreement.code} names no unit to ask")
            units |= set(agreement.council_units) or seated
    if change.council_always():
        units |= seated.union(*(agreement.council_units for agreement in standing))
        if not units:
            raise CouncilUnknown
    return sorted(units)


def refuse_beyond(change: Change) -> None:
    """Raise BeyondAgreement where agreements leave nobody for whom a change would newly allow it.

    Where it is for some people only that an agreement does not cover it, it stands: what is
    decided for those heeds the agreement, and the preview says so.
    """
    ask = change.ask()
    standing = agreements_binding(timezone.now().date()) if ask else []
    if ask is None or not standing:
        return
    found = [_beyond(standing, ask, people) for people in _reached(ask.jurisdictions)]
    if found and all(found):
        raise BeyondAgreement(str(found[0]))


@dataclass(frozen=True)
class _People:
    """Some people as an agreement sees them: their places, with those above, and their sites."""

    places: frozenset[str]
    sites: tuple[str, ...] = ()


def _reached(asked: frozenset[str] | None) -> list[_People]:
    """Return the people there are in the places asked; where nobody is, whoever would be there."""
    rules, here = rulebook(), population()
    found = [
        _People(frozenset(with_those_above(places, rules)), tuple(cohort.facts["sites"]))
        for cohort in Cohort.objects.order_by("pk")
        if here.get(cohort.pk) and (places := cohort.facts["jurisdictions"])
    ]
    if asked is None:
        return found
    there = [people for people in found if not people.places.isdisjoint(asked)]
    return there or [
        _People(frozenset(with_those_above({place}, rules))) for place in sorted(asked)
    ]


def _beyond(standing: Iterable[Agreement], ask: Ask, people: _People) -> str | None:
    """Return which agreement does not cover what is asked of these people; None: all that bind do.

    Each of their places that has agreements needs one that speaks of the purpose.
    """
    bound = [row for row in standing if binds(row, people.places, people.sites)]
    for place in sorted(people.places):
        there = [row for row in bound if place in row.jurisdictions]
        if there and not any(speaks_of(row, ask.purpose) for row in there):
            return f"Agreement {there[0].code} does not cover {ask.purpose}"
    for agreement in bound:
        if speaks_of(agreement, ask.purpose):
            for what in _uncovered(agreement, ask):
                return f"Agreement {agreement.code} does not cover {what}"
    return None


def _uncovered(agreement: Agreement, ask: Ask) -> Iterator[str]:
    if ask.app and agreement.apps and ask.app not in agreement.apps:
        yield f"app {ask.app}"
    if agreement.signals and (signals := sorted(ask.signals - set(agreement.signals))):
        yield f"signal {signals[0]}"
    cap = agreement.retention_cap_days
    if cap is not None and ask.retention_days is not None and ask.retention_days > cap:
        yield f"{ask.retention_days} days; its cap is {cap}"


def _touches(reach: Reach, agreement: Agreement) -> bool:
    return (
        any(_place_asked(place, reach.jurisdictions) for place in agreement.jurisdictions)
        and _meets(agreement.purposes, reach.purposes)
        and _meets(agreement.apps, reach.apps)
    )


def _meets(capped: Collection[str], touched: frozenset[str] | None) -> bool:
    """Say whether a list of an agreement, empty for all, has something of what is touched."""
    if touched is None:
        return True
    return bool(touched) if not capped else not touched.isdisjoint(capped)


def _place_asked(place: str, places: Iterable[str] | None) -> bool:
    """Say whether a place is one of these, lies in one of them, or has one of them in it."""
    if places is None:
        return True
    return any(place in _above(other) or other in _above(place) for other in places)


def _above(code: str) -> set[str]:
    return {code} | {row.code for row in rulebook().lineage(code)}
