"""The subject's own pause: at once, without a reason, as long as they like."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agent, Pause, Subject
from consent.services.personal import bump_personal_revision


@transaction.atomic
def pause_capture(
    *,
    subject: Subject,
    agent: Agent | None = None,
    at: datetime | None = None,
    imported: bool = False,
) -> Pause:
    """Deny everything until the subject resumes; a repeat returns the pause that stands.

    `agent` is the machine on which the subject asked for it, None in the browser.
    """
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    if standing := Pause.objects.filter(subject=subject, ended_at__isnull=True).first():
        return standing
    pause = Pause.objects.create(subject=subject, started_at=at or timezone.now())
    bump_personal_revision(subject)
    ledger.append(
        events.CapturePaused(scope="person"),
        actor=Actor.agent(agent.ref) if agent else Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[pause],
        event_time=at,
        imported=imported,
    )
    return pause


@transaction.atomic
def pause_from_machine(*, agent: Agent, at: datetime | None = None) -> int:
    """Pause as the subject asked on a machine; return a number that every later version exceeds.

    A policy of a higher version that is not paused proves that the subject has resumed since.
    """
    pause_capture(subject=agent.subject, agent=agent, at=at)
    newest = agent.policies.order_by("-version").values_list("version", flat=True).first() or 0
    return max(newest, int((at or timezone.now()).timestamp() * 1000))


@transaction.atomic
def resume_capture(
    *, subject: Subject, at: datetime | None = None, imported: bool = False
) -> Pause | None:
    """End the standing pause; None when there is none. Earlier answers then count again."""
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    pause = Pause.objects.filter(subject=subject, ended_at__isnull=True).first()
    if pause is None:
        return None
    pause.ended_at = at or timezone.now()
    pause.save(update_fields=["ended_at"])
    bump_personal_revision(subject)
    ledger.append(
        events.CaptureResumed(scope="person"),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[pause],
        event_time=at,
        imported=imported,
    )
    return pause
