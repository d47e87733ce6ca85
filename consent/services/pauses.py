"""The subject's own pause: at once, without a reason, as long as they like."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agent, Pause, Subject, ToldPause
from consent.services.personal import bump_personal_revision

REMEMBERED: Final = 256
"""So many names of pauses are remembered of one person: a machine that tells of ever new ones must
not grow a table without end."""


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
def pause_from_machine(*, agent: Agent, ref: UUID | None = None, at: datetime | None = None) -> int:
    """Pause as the subject asked on a machine; return a number that every later version exceeds.

    A policy of a higher version that is not paused proves that the subject has resumed since.
    `ref` is the machine's name for this pause: told again it is answered as it was and changes
    nothing, whether or not the subject resumed meanwhile. Without one it pauses each time.
    """
    # The answer may have been lost, and the subject resume while the machine tells it again.
    subject = Subject.objects.select_for_update().get(pk=agent.subject_id)
    told = ToldPause.objects.filter(subject=subject, ref=ref).first() if ref else None
    if told:
        return told.after_version
    pause_capture(subject=subject, agent=agent, at=at)
    newest = agent.policies.order_by("-version").values_list("version", flat=True).first() or 0
    after = max(newest, int((at or timezone.now()).timestamp() * 1000))
    if ref:
        _remember(subject, ref, after)
    return after


def _remember(subject: Subject, ref: UUID, after: int) -> None:
    ToldPause.objects.create(subject=subject, ref=ref, after_version=after)
    newest = ToldPause.objects.filter(subject=subject).order_by("-pk")
    if past := newest.values_list("pk", flat=True)[REMEMBERED : REMEMBERED + 1].first():
        ToldPause.objects.filter(subject=subject, pk__lte=past).delete()


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
