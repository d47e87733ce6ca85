"""Erasing with proof: claim under a lease, act outside any transaction, finish under a fence.

What survives a crash: before the claim commits, nothing happened. After it, the lease lapses
and another worker claims the job anew; deleting twice is harmless. The finish is one
transaction: fence, state, certificate and ledger entry commit together or not at all.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.digests import digest
from retention.exceptions import StoreFailed
from retention.models import Batch, Certificate, DeletionCase, DeletionJob, Hold, Upload
from retention.schedule import next_attempt
from retention.stores import Evidence, Stored, store_named

logger = logging.getLogger(__name__)
TOOL = "sayso retention 1"
JOBS_AT_ONCE = 10


def run_due_jobs(*, limit: int = JOBS_AT_ONCE) -> int:
    """Work off due deletion jobs, at most `limit`; return how many were taken up."""
    taken = 0
    while taken < limit and (job := _claim()) is not None:
        _erase(job)
        taken += 1
    return taken


@transaction.atomic
def _claim() -> DeletionJob | None:
    """Take one due job under a lease; the fence tells a later finish whether it is still ours."""
    now = timezone.now()
    job = (
        DeletionJob.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("case", "case__subject", "case__purpose")
        .filter(
            Q(lease_until__isnull=True) | Q(lease_until__lt=now),
            state=DeletionJob.State.DUE,
            next_at__lte=now,
        )
        .order_by("pk")
        .first()
    )
    if job is None:
        return None
    job.fence = uuid4()
    job.lease_until = now + timedelta(seconds=settings.DELETION_LEASE_SECONDS)
    job.attempts += 1
    job.save(update_fields=["fence", "lease_until", "attempts"])
    return job


def _erase(job: DeletionJob) -> None:
    batches = list(Batch.objects.filter(uuid__in=job.batches, state=Batch.State.KEPT))
    free = [batch for batch in batches if not _held(batch)]
    if len(free) < len(batches):
        _put_on_hold(job)
        return
    items = [Stored(key=b.key, bytes=b.bytes, sha256=b.sha256) for b in free]
    started = timezone.now()
    try:
        store = store_named(job.store)
        for item in items:
            store.delete(item.key)
        evidence = store.verify_gone(items, kept=_twins(job, free))
    except StoreFailed:
        _fail(job, "store_failed")
        return
    if evidence.remaining:
        # The store said yes and the bytes are still there: no certificate, and it shows.
        _fail(job, "bytes_still_there")
        return
    if open_until := _still_open(job):
        _look_again(job, open_until)
        return
    _certify(job, [b.uuid for b in free], evidence, started)


def _still_open(job: DeletionJob) -> datetime | None:
    """Return until when somebody who was told an address could put the bytes back; None for never.

    Deleted they are already. What is certified must stay so.
    """
    uploads = Upload.objects.filter(batch__in=job.batches).order_by("-next_at")
    return uploads.values_list("next_at", flat=True).first()


@transaction.atomic
def _look_again(job: DeletionJob, at: datetime) -> None:
    if not _still_ours(job):
        return
    job.lease_until, job.failure = None, ""
    job.next_at = max(at, timezone.now()) + timedelta(seconds=settings.TICK_SECONDS)
    job.save(update_fields=["lease_until", "failure", "next_at"])


def _twins(job: DeletionJob, batches: list[Batch]) -> list[str]:
    """Return the keys of other kept batches with the same bytes: one recording, two purposes."""
    digests = {batch.sha256 for batch in batches}
    others = Batch.objects.filter(store=job.store, state=Batch.State.KEPT, sha256__in=digests)
    return list(others.exclude(uuid__in=job.batches).values_list("key", flat=True))


def _held(batch: Batch) -> bool:
    return (
        Hold.objects.filter(subject_id=batch.subject_id, lifted_at__isnull=True)
        .filter(Q(purpose__isnull=True) | Q(purpose_id=batch.purpose_id))
        .exists()
    )


@transaction.atomic
def _certify(job: DeletionJob, erased: list[UUID], evidence: Evidence, started: datetime) -> None:
    if not _still_ours(job):
        return  # the lease lapsed and another worker has the job: its finish counts, not ours
    rows = list(Batch.objects.select_for_update().filter(uuid__in=erased))
    for row in rows:
        row.state = Batch.State.ERASED
        row.save(update_fields=["state"])
    statement = _statement(job, rows, evidence, started)
    certificate = Certificate.objects.create(
        job=job,
        evidence_level=evidence.level,
        statement=statement,
        sha256=digest(statement),
        nothing_remains_after=timezone.now().date(),
    )
    job.state = DeletionJob.State.CERTIFIED
    job.lease_until, job.failure = None, ""
    job.save(update_fields=["state", "lease_until", "failure"])
    case = job.case
    if not case.jobs.exclude(state=DeletionJob.State.CERTIFIED).exists():
        case.state, case.closed_at = DeletionCase.State.DONE, timezone.now()
        case.save(update_fields=["state", "closed_at"])
    ledger.append(
        events.DeletionCertified(
            store=job.store,
            evidence=evidence.level,
            objects=len(rows),
            certificate_digest=certificate.sha256,
            nothing_remains_from=certificate.nothing_remains_after,
            case=case.uuid,
            job=job.uuid,
            certificate=certificate.uuid,
        ),
        actor=Actor.system("retention"),
        subject=case.subject.ref if case.subject else None,
        covers=[certificate, job, case, *(("retention_batch", row.uuid) for row in rows)],
    )


def _still_ours(job: DeletionJob) -> bool:
    # Lock the case first: two jobs of one case finishing together must agree on who closes it.
    DeletionCase.objects.select_for_update().get(pk=job.case_id)
    return (
        DeletionJob.objects.select_for_update()
        .filter(pk=job.pk, fence=job.fence, state=DeletionJob.State.DUE)
        .exists()
    )


@transaction.atomic
def _fail(job: DeletionJob, failure: str) -> None:
    """Leave the job due, visibly failed, with a later next attempt; it is never dropped."""
    if not _still_ours(job):
        return
    job.failure = failure
    job.lease_until = None
    job.next_at = next_attempt(now=timezone.now(), attempts=job.attempts)
    job.save(update_fields=["failure", "lease_until", "next_at"])
    ledger.append(
        events.DeletionFailed(
            store=job.store,
            reason=failure,
            attempts=job.attempts,
            case=job.case.uuid,
            job=job.uuid,
        ),
        actor=Actor.system("retention"),
        subject=job.case.subject.ref if job.case.subject else None,
        covers=[job],
    )
    logger.error("deletion_failed job=%s failure=%s attempt=%s", job.uuid, failure, job.attempts)


@transaction.atomic
def _put_on_hold(job: DeletionJob) -> None:
    if not _still_ours(job):
        return
    job.state, job.lease_until = DeletionJob.State.HELD, None
    job.save(update_fields=["state", "lease_until"])
    ledger.append(
        events.DeletionHeld(store=job.store, case=job.case.uuid, job=job.uuid),
        actor=Actor.system("retention"),
        subject=job.case.subject.ref if job.case.subject else None,
        covers=[job],
    )


def _statement(
    job: DeletionJob, batches: list[Batch], evidence: Evidence, started: datetime
) -> dict[str, Any]:
    """Return what the certificate says; counts and digests only, no personal data."""
    return {
        "schema": "sayso.deletion/1",
        "job": str(job.uuid),
        "trigger": job.case.cause,
        "purpose": job.case.purpose.code if job.case.purpose else None,
        "scope": {
            "store": job.store,
            "objects": len(batches),
            "bytes": sum(batch.bytes for batch in batches),
            "digest": digest(sorted(batch.sha256 for batch in batches)),
        },
        "sanitisation": {
            "category": "Clear",
            "technique": store_named(job.store).technique,
            "standard": "NIST SP 800-88r2",
            "tool": TOOL,
        },
        "verification": {
            "method": evidence.method,
            "level": evidence.level,
            "remaining": evidence.remaining,
        },
        "started_at": started.astimezone(UTC).isoformat(),
        "finished_at": timezone.now().astimezone(UTC).isoformat(),
        "attempts": job.attempts,
        "legal_hold_checked": True,
    }
