"""Kill switches: whether capture is stopped for a purpose, or for everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from consent import hooks
from consent.models import App, KillSwitch, Prepared, Purpose


@dataclass(frozen=True)
class Stops:
    """The switches that stand at one instant; `code in stops` says whether they stop a purpose."""

    switches: tuple[int, ...]
    """Their numbers, rising."""
    purposes: frozenset[str]
    everything: bool

    def __contains__(self, purpose: str) -> bool:
        return self.everything or purpose in self.purposes


NO_STOPS: Final = Stops((), frozenset(), everything=False)


def stops_now() -> Stops:
    """Return the switches that stand, all by one look."""
    return _stops(_PULLED_NOW.rows())


def stops_at(at: datetime) -> Stops:
    """Return the switches that stood at an instant, by the records."""
    pulled = KillSwitch.objects.filter(pulled_at__lte=at)
    pulled = pulled.filter(Q(released_at__isnull=True) | Q(released_at__gt=at))
    return _stops(list(_codes(pulled)))


def _codes(pulled: QuerySet[KillSwitch]) -> QuerySet[KillSwitch, tuple[Any, ...]]:
    return pulled.order_by("pk").values_list("pk", "purpose__code")


_PULLED_NOW: Final = Prepared(
    lambda *_: _codes(KillSwitch.objects.filter(released_at__isnull=True))
)


def _stops(rows: Sequence[tuple[Any, ...]]) -> Stops:
    codes = {code for _, code in rows}
    return Stops(
        tuple(pk for pk, _ in rows), frozenset(filter(None, codes)), everything=None in codes
    )


def release_agreements(switch: KillSwitch, *, lock: bool = False) -> frozenset[UUID]:
    """Return the officers whose agreement to release a switch counts: those who are such now.

    With `lock` they stay so until the transaction ends.
    """
    return hooks.officers_among(switch.releases.values_list("officer", flat=True), lock=lock)


def stopped_between(purpose: Purpose | str, since: datetime, until: datetime) -> bool:
    """Return whether a switch was pulled at some time of the interval; half-open as all are.

    For a code that names no purpose only the switch for everything counts.
    """
    code = purpose if isinstance(purpose, str) else purpose.code
    return (
        _over(code)
        .filter(pulled_at__lte=until)
        .filter(Q(released_at__isnull=True) | Q(released_at__gt=since))
        .exists()
    )


def _over(code: str) -> QuerySet[KillSwitch]:
    return KillSwitch.objects.filter(Q(purpose__code=code) | Q(purpose__isnull=True))


def is_protected(app: str) -> bool:
    """Return whether an app of the registry is never captured now: by its kind, or as reported."""
    found = App.objects.filter(code=app).first()
    return found is not None and (found.never or found.blocked_at is not None)
