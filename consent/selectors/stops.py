"""Kill switches: whether capture is stopped for a purpose, or for everything."""

from datetime import datetime

from django.db.models import Q, QuerySet

from consent.models import KillSwitch, Purpose


def is_stopped(purpose: Purpose) -> bool:
    """Return whether a switch of this purpose, or the one for everything, is pulled now."""
    return _over(purpose).filter(released_at__isnull=True).exists()


def stopped_between(purpose: Purpose, since: datetime, until: datetime) -> bool:
    """Return whether a switch was pulled at some time of the interval; half-open as all are."""
    return (
        _over(purpose)
        .filter(pulled_at__lte=until)
        .filter(Q(released_at__isnull=True) | Q(released_at__gt=since))
        .exists()
    )


def _over(purpose: Purpose) -> QuerySet[KillSwitch]:
    return KillSwitch.objects.filter(Q(purpose=purpose) | Q(purpose__isnull=True))
