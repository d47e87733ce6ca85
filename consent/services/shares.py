"""Letting others see one's own half of one explanation, and ending that: the person's acts."""

from datetime import date, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import App, ExplanationShare, Subject
from consent.models.shares import LONGEST_SHARE
from consent.policy.types import Signal
from consent.selectors.shares import standing_share


@transaction.atomic
def share_explanation(
    *, subject: Subject, app: App, signal: Signal, day: date, days: int
) -> ExplanationShare:
    """Let officers and auditors have the whole answer about that app, signal and day, for `days`.

    A repeat returns what stands. Raises NothingToShare where the answer has no half of the
    person's own, and ShareTooLong.
    """
    if app.never or app.blocked_at is not None:
        raise exceptions.NothingToShare
    if not 0 < days <= LONGEST_SHARE.days:
        raise exceptions.ShareTooLong(f"Between one and {LONGEST_SHARE.days} days can be shared.")
    # Two tabs may share at once: serialise per subject, so that one share stands.
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    now = timezone.now()
    if standing := standing_share(subject, app=app.code, signal=signal, day=day, at=now):
        return standing
    share = ExplanationShare.objects.create(
        subject=subject,
        app=app,
        signal=signal.value,
        day=day,
        shared_at=now,
        until=now + timedelta(days=days),
    )
    ledger.append(
        events.ExplanationShared(days=days, app=app.code, signal=signal.value, day=day),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[share],
    )
    return share


@transaction.atomic
def end_share(*, subject: Subject, uuid: UUID) -> ExplanationShare | None:
    """End one of the person's own shares at once; None where they have no such share.

    What has ended already stays as it is.
    """
    share = (
        ExplanationShare.objects.select_for_update(of=("self",))
        .select_related("app")
        .filter(subject=subject, uuid=uuid)
        .first()
    )
    if share is None or share.ended_at is not None:
        return share
    share.ended_at = timezone.now()
    share.save(update_fields=["ended_at"])
    ledger.append(
        events.ExplanationShareEnded(app=share.app.code, signal=share.signal, day=share.day),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[share],
    )
    return share
