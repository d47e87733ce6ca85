"""What agreements mean for a change: which councils are asked, and what goes beyond."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date

from django.utils import timezone

from consent.exceptions import BeyondAgreement, CouncilUnknown
from consent.models import Agreement, Cohort, CouncilSeat
from consent.policy.clocks import days_anywhere, days_at
from consent.rules import rulebook
from consent.selectors.agreements import Agreements, People, by_speaking
from consent.selectors.impact import population
from consent.services.changes.kind import Ask, Change, Reach


def agreements_binding(days: Collection[date]) -> list[Agreement]:
    """Return the agreements that bind somebody on one of these days, which it is somewhere now.

    They have begun, and none that has begun replaced them.

    Over or not: one whose last day is past covers nothing any more, but its council keeps its
    word and its caps go on refusing. Else whoever wants more need only wait for that day.
    """
    known = _known()
    return [row for row in known.rows if any(known.binds(row, None, day) for day in days)]


def agreements_ahead(on: date) -> list[Agreement]:
    """Return those that bind somebody on a day or will on a later one, as things stand."""
    known = _known()
    ends = ((row, known.ends(row, None)) for row in known.rows)
    return [row for row, day in ends if day is None or on < day]


def _known() -> Agreements:
    return Agreements(Agreement.objects.order_by("code"), rulebook())


def units_asked(change: Change) -> list[str]:
    """Return the units whose council must agree to a change that widens; silence never agrees.

    Raises CouncilUnknown where a council must agree and nobody knows which: an agreement that
    lets the council veto names no unit and no seat is held, or a protected app is let go.
    """
    days = days_anywhere(timezone.now())
    # The council of an agreement ahead signed it, too: nobody takes it away before its first day.
    standing = agreements_ahead(days[0]) if change.asks_ahead() else agreements_binding(days)
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
    ask, known = change.ask(), _known()
    if ask is None or not known.rows:
        return
    found = [_beyond(known, ask, people) for people in _reached(ask.jurisdictions, known)]
    if found and all(found):
        raise BeyondAgreement(str(found[0]))


def _reached(asked: frozenset[str] | None, known: Agreements) -> list[People]:
    """Return the people there are in the places asked; where nobody is, whoever would be there.

    Whoever that is, every site that an agreement names is taken to be theirs.
    """
    rules, here = rulebook(), population()
    found = [
        People.of(places, cohort.facts["sites"], rules)
        for cohort in Cohort.objects.order_by("pk")
        if here.get(cohort.pk) and (places := cohort.facts["jurisdictions"])
    ]
    if asked is None:
        return found
    there = [people for people in found if not people.places.isdisjoint(asked)]
    sites = {site for row in known.rows for site in row.sites}
    return there or [People.of({place}, sites, rules) for place in sorted(asked)]


def _beyond(known: Agreements, ask: Ask, people: People) -> str | None:
    """Return which agreement does not cover what is asked of these people; None: all that bind do.

    Each of their places that has agreements needs one that speaks of the purpose to them, and
    that was there before the others or completes them.
    """
    now = timezone.now()
    found = (_beyond_on(day, known, ask, people) for day in days_at(people.jurisdictions, now))
    return next((what for what in found if what), None)


def _beyond_on(day: date, known: Agreements, ask: Ask, people: People) -> str | None:
    bound, elsewhere = (
        [row for row in rows if known.binds(row, people, day)]
        for rows in (known.about(people), known.at_other_sites(people))
    )
    speaking, silent = by_speaking(bound, ask.purpose)
    for row in (*silent, *elsewhere):
        lifting = [one for one in speaking if known.lifts(one, row)]
        spoken = {place for one in lifting for place in one.jurisdictions}
        if not spoken.issuperset(people.places.intersection(row.jurisdictions)):
            return f"Agreement {row.code} does not cover {ask.purpose}"
    for agreement in speaking:
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
