"""Kill switches: whether capture is stopped for a purpose, or for everything."""

from datetime import datetime

from django.db.models import Q, QuerySet

from consent.models import App, KillSwitch, Purpose


def is_stopped(purpose: Purpose) -> bool:
    """Return whether a switch of this purpose, or the one for everything, is pulled now."""
    return _over(purpose.code).filter(released_at__isnull=True).exists()


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
