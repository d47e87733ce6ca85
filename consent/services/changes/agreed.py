"""What agreements in force mean for a change: which councils are asked, and what goes beyond."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date

from django.db.models import Q
from django.utils import timezone

from consent.exceptions import BeyondAgreement, CouncilUnknown
from consent.models import Agreement, CouncilSeat
from consent.rules import rulebook
from consent.services.changes.kind import Ask, Change, Reach


def agreements_in_force(on: date) -> list[Agreement]:
    """Return the agreements that bind on a day: begun, not over, not replaced by one that began."""
    return list(
        Agreement.objects.filter(valid_from__lte=on)
        .filter(Q(valid_until__isnull=True) | Q(valid_until__gt=on))
        .exclude(replaced_by__valid_from__lte=on)
        .order_by("code")
    )


def units_asked(change: Change) -> list[str]:
    """Return the units whose council must agree to a change that widens; silence never agrees.

    Raises CouncilUnknown where a council must agree and nobody knows which: an agreement that
    lets the council veto names no unit and no seat is held, or a protected app is let go.
    """
    standing = agreements_in_force(timezone.now().date())
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
    """Raise BeyondAgreement where a change would newly allow what an agreement does not cover."""
    ask = change.ask()
    if ask is None:
        return
    standing = agreements_in_force(timezone.now().date())
    for place in sorted({place for agreement in standing for place in agreement.jurisdictions}):
        if not _place_asked(place, ask.jurisdictions):
            continue
        there = [agreement for agreement in standing if place in agreement.jurisdictions]
        covering = [a for a in there if not a.purposes or ask.purpose in a.purposes]
        if not covering:
            raise BeyondAgreement(f"Agreement {there[0].code} does not cover {ask.purpose}")
        for agreement in covering:
            for what in _beyond(agreement, ask):
                raise BeyondAgreement(f"Agreement {agreement.code} does not cover {what}")


def _beyond(agreement: Agreement, ask: Ask) -> Iterator[str]:
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
