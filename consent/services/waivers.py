"""Agreeing to a shorter notice period, where the law lets a person, and taking that back."""

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, selectors
from consent.models import Notice, NoticeWaiver, Purpose, Subject
from consent.policy.types import ConsentState
from consent.services.personal import bump_personal_revision


@transaction.atomic
def waive_notice(*, subject: Subject, notice: Notice) -> NoticeWaiver:
    """Record that the person agrees to a shorter notice (Workplace Surveillance Act 2005 s.10).

    An act of its own, after a yes; it ends with that yes. A repeat returns what stands. Raises
    NoticeOutdated, or NoticeNotWaivable where no period runs that they may shorten.
    """
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    purpose = notice.purpose
    current = selectors.current_notice(purpose)
    if current is None or current.pk != notice.pk:
        raise exceptions.NoticeOutdated
    now = timezone.now()
    period = selectors.waiting(subject, at=now).get(purpose.code)
    if period is None or not period.waivable or not _said_yes(subject, notice):
        raise exceptions.NoticeNotWaivable
    standing = selectors.standing_waiver(subject, notice.pk)
    if standing and standing.told_on >= period.told_on:
        return standing
    waiver = NoticeWaiver.objects.create(
        subject=subject, notice=notice, agreed=True, told_on=period.told_on, event_time=now
    )
    bump_personal_revision(subject)
    ledger.append(
        events.NoticeWaived(
            purpose=purpose.code, notice_version=notice.version, told_on=period.told_on
        ),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[waiver],
    )
    return waiver


@transaction.atomic
def withdraw_notice_waiver(*, subject: Subject, purpose: Purpose) -> bool:
    """Record that the person takes back what they agreed to; the notice period counts again.

    Always succeeds; returns whether there was anything to take back.
    """
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    return end_waivers(subject, purpose, actor=Actor.subject(subject.ref))


def end_waivers(subject: Subject, purpose: Purpose, *, actor: Actor) -> bool:
    """End what a locked subject agreed to about the notices of a purpose; so does the end of a yes.

    Whoever says yes anew agrees anew, or waits.
    """
    waivers = NoticeWaiver.objects.filter(subject=subject, notice__purpose=purpose)
    newest = waivers.order_by("notice", "-pk").distinct("notice").select_related("notice")
    standing = [one for one in newest if one.agreed]
    for one in standing:
        ended = NoticeWaiver.objects.create(
            subject=subject,
            notice=one.notice,
            agreed=False,
            told_on=one.told_on,
            event_time=timezone.now(),
        )
        ledger.append(
            events.NoticeWaiverWithdrawn(purpose=purpose.code, notice_version=one.notice.version),
            actor=actor,
            subject=subject.ref,
            covers=[ended],
        )
    if standing:
        bump_personal_revision(subject)
    return bool(standing)


def _said_yes(subject: Subject, notice: Notice) -> bool:
    event = selectors.newest_event(subject, notice.purpose)
    return bool(event and event.state == ConsentState.GIVEN and event.notice_id == notice.pk)
