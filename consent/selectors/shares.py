"""Which explanations people share with the privacy team now; silence: nothing is shared."""

from datetime import UTC, date, datetime

from django.db.models import QuerySet

from consent.models import ExplanationShare, Subject
from consent.policy.bounds import AnySignal


def standing_shares(at: datetime) -> QuerySet[ExplanationShare]:
    """Return every share that stands, what ends first first."""
    return (
        ExplanationShare.objects.filter(ended_at__isnull=True, shared_at__lte=at, until__gt=at)
        .select_related("subject", "app")
        .order_by("until", "pk")
    )


def standing_share(
    subject: Subject, *, app: str, signal: AnySignal, day: date, at: datetime
) -> ExplanationShare | None:
    """Return the share of this person that covers the question; None means that there is none."""
    asked = standing_shares(at).filter(subject=subject, app__code=app, signal=signal.value)
    return asked.filter(day=day).first()


def is_shared(
    subject: Subject, *, app: str, signal: AnySignal, about: datetime, at: datetime
) -> bool:
    """Say whether the person lets others have the whole answer about that instant."""
    day = about.astimezone(UTC).date()
    return standing_share(subject, app=app, signal=signal, day=day, at=at) is not None
