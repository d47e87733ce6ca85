"""How far one may go: what agreements in force, or agreed for later, leave room for."""

from collections.abc import Iterable
from datetime import date

from django.db.models import Q, QuerySet
from django.utils import timezone

from consent.models import Agreement


def agreement_limits(
    purpose: str, app: str | None, signals: Iterable[str], retention_days: int | None
) -> list[str]:
    """Name the agreements, in force or to come, that do not cover this; none: nothing is exceeded.

    An agreement about other purposes says nothing. `None` for app or days, and no signals, ask
    about nothing of that kind. One that has lapsed counts until another has replaced it.
    """
    wanted = {str(signal) for signal in signals}
    return [
        agreement.code
        for agreement in standing_agreements(on=timezone.now().date())
        if (not agreement.purposes or purpose in agreement.purposes)
        and not _covers(agreement, app, wanted, retention_days)
    ]


def standing_agreements(*, on: date) -> QuerySet[Agreement]:
    """Return the agreements that bind on a day or will later: those that nothing replaced yet."""
    replaced = Q(replaced_by__isnull=False, replaced_by__valid_from__lte=on)
    return Agreement.objects.exclude(replaced).order_by("code")


def _covers(
    agreement: Agreement, app: str | None, signals: set[str], retention_days: int | None
) -> bool:
    cap = agreement.retention_cap_days
    in_apps = app is None or not agreement.apps or app in agreement.apps
    in_signals = not agreement.signals or signals <= set(agreement.signals)
    in_time = cap is None or retention_days is None or retention_days <= cap
    return in_apps and in_signals and in_time
