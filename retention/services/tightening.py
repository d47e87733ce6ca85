"""Stricter terms for what is kept: owed with their cause, carried out in slices, only ever earlier.

A move or a change of rules writes one row, however much is kept; the workers' tick does the rest,
500 batches at a time. What comes in after it takes its term on arrival, so none is left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors as consent
from consent.models import (
    Cohort,
    CohortMembership,
    CohortPolicy,
    IssuedPolicy,
    Purpose,
    Subject,
)
from retention.models import Batch, Hold, Tightening
from retention.schedule import due_at

SLICE = 500
HOLD_LOOKED_AT_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Terms:
    """What the rules of some people say about what is held of them; silence names no term."""

    days: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Purpose -> signal -> days it may be kept."""
    gone_by: Mapping[str, datetime] = field(default_factory=dict)
    """Purpose that has ended -> when all that is held for it must be gone."""

    def due(
        self, *, purpose: str, signals: Iterable[str], captured_until: datetime
    ) -> datetime | None:
        """Return by when a batch of these signals must be gone; None where no term is named."""
        named = self.days.get(purpose, {})
        days = min((named[signal] for signal in signals if signal in named), default=None)
        own = None if days is None else due_at(captured_until=captured_until, retention_days=days)
        return min((by for by in (own, self.gone_by.get(purpose)) if by), default=None)


def owe_after_move(subject: Subject, policy: CohortPolicy) -> None:
    """Owe what the rules ask for under which somebody came, in the move's own transaction."""
    if _kept(Q(subject=subject)).exists():
        Tightening.objects.create(
            cause=Tightening.Cause.MOVED, subject=subject, cohort_policy=policy
        )


def owe_after_shortening(policies: Sequence[CohortPolicy]) -> None:
    """Owe what stricter revisions ask for, for everybody in their cohorts, in their transaction."""
    kept = _kept(Q(subject__cohort=OuterRef("pk")))
    cohorts = Cohort.objects.filter(pk__in={policy.cohort_id for policy in policies})
    concerned = set(cohorts.filter(Exists(kept)).values_list("pk", flat=True))
    Tightening.objects.bulk_create(
        Tightening(cause=Tightening.Cause.RULES, cohort_policy=policy)
        for policy in policies
        if policy.cohort_id in concerned or _holds_ended(policy)
    )


def _holds_ended(policy: CohortPolicy) -> bool:
    return bool(policy.document.get("ended")) and _kept(_ended_there(policy)).exists()


def terms_now(subject: Subject) -> Terms:
    """Return how long what the subject's machines hand in may be kept by the rules as they stand.

    Where the rules of a place are not known nothing can be recorded, and no term is named.
    """
    subject = Subject.objects.select_related("cohort").get(pk=subject.pk)
    policy = consent.current_cohort_policy(subject.cohort) if subject.cohort else None
    return terms_of(policy.document) if policy else Terms()


def ended_where_captured(policy: IssuedPolicy, purpose: Purpose) -> datetime | None:
    """Return by when it must be gone since its purpose ended, by the rules it was captured under.

    None while the purpose goes on, or where those rules say nothing about it.
    """
    if purpose.retired_at is None or policy.cohort_policy is None:
        return None
    newest = consent.current_cohort_policy(policy.cohort_policy.cohort)
    return terms_of(newest.document).gone_by.get(purpose.code) if newest else None


def terms_of(document: Mapping[str, Any]) -> Terms:
    """Return the terms that a cohort's document names."""
    return Terms(
        days={code: purpose["kept"] for code, purpose in document["purposes"].items()},
        gone_by={
            code: datetime.fromtimestamp(by, UTC) for code, by in document.get("ended", {}).items()
        },
    )


@transaction.atomic
def tighten_due() -> int:
    """Carry out one slice of one tightening; return 0 when none is owed."""
    tightening = _claim(timezone.now())
    if tightening is None:
        return 0
    batches = list(_next_slice(tightening))
    held = _held(batches)
    free = [batch for batch in batches if batch not in held]
    _shorten(tightening, free)
    if held:
        _wait_for_holds(tightening, held)
    _note_progress(tightening, batches)
    return 1


def _claim(now: datetime) -> Tightening | None:
    on_hold = Hold.objects.filter(subject=OuterRef("subject"), lifted_at__isnull=True)
    again = Q(next_at__lte=now) | ~Exists(on_hold)
    return (
        Tightening.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("subject", "cohort_policy")
        .filter(Q(state=Tightening.State.OWED) | Q(again, state=Tightening.State.HELD))
        .order_by("pk")
        .first()
    )


def _next_slice(tightening: Tightening) -> QuerySet[Batch]:
    """Return the next batches in the order of the table, locked until they are shortened."""
    whose = Q(subject__in=_members(tightening)) | _ended_there(tightening.cohort_policy)
    if tightening.cause == Tightening.Cause.MOVED:
        whose = Q(subject=tightening.subject)
    elif tightening.subject is not None:
        whose &= Q(subject=tightening.subject)
    after = Q()
    if tightening.after_day and tightening.after_batch:
        after = Q(captured_on__gt=tightening.after_day) | Q(
            captured_on=tightening.after_day, uuid__gt=tightening.after_batch
        )
    # What came in since then took the shorter term on arrival, by the rules of that moment.
    before = _kept(whose).filter(after, recorded_at__lte=tightening.opened_at)
    kept = before.order_by("captured_on", "uuid")
    return kept.select_related("purpose").select_for_update(of=("self",))[:SLICE]


def _members(tightening: Tightening) -> QuerySet[CohortMembership, int]:
    """Return who was in the cohort when this was owed; who left it since took its terms along."""
    until = tightening.opened_at
    later = CohortMembership.objects.filter(
        subject=OuterRef("subject"), pk__gt=OuterRef("pk"), recorded_at__lte=until
    )
    there = CohortMembership.objects.filter(
        cohort_id=tightening.cohort_policy.cohort_id, recorded_at__lte=until
    )
    return there.exclude(Exists(later)).values_list("subject_id", flat=True)


def _ended_there(policy: CohortPolicy) -> Q:
    """Return what was captured under these rules for a purpose that has ended since.

    Whoever moved away meanwhile is under other rules; what was captured before is still under
    those that say how soon after its purpose it must be gone.
    """
    ended = list(policy.document.get("ended", {}))
    there = Q(issued_policy__cohort_policy__cohort=policy.cohort_id)
    return there & Q(purpose__code__in=ended)


def _kept(whose: Q) -> QuerySet[Batch]:
    return Batch.objects.filter(whose, state=Batch.State.KEPT)


def _held(batches: list[Batch]) -> list[Batch]:
    subjects = {batch.subject_id for batch in batches}
    holds = Hold.objects.filter(subject__in=subjects, lifted_at__isnull=True)
    covered = set(holds.values_list("subject_id", "purpose_id"))
    return [
        batch
        for batch in batches
        if not covered.isdisjoint({(batch.subject_id, None), (batch.subject_id, batch.purpose_id)})
    ]


def _shorten(tightening: Tightening, batches: list[Batch]) -> None:
    """Give each batch the shorter of its term and the new one, and enter it, person by person."""
    terms = terms_of(tightening.cohort_policy.document)
    by_delay: dict[timedelta | datetime, list[Batch]] = defaultdict(list)
    by_subject: dict[int, list[Batch]] = defaultdict(list)
    for batch in batches:
        until, purpose = batch.captured_until, batch.purpose.code
        due = terms.due(purpose=purpose, signals=batch.signals, captured_until=until)
        if due is not None and due < batch.due_at:
            end = due if due == terms.gone_by.get(purpose) else due - until
            by_delay[end].append(batch)
            by_subject[batch.subject_id].append(batch)
    for end, few in by_delay.items():
        due_then = end if isinstance(end, datetime) else F("captured_until") + end
        Batch.objects.filter(_named(few)).update(due_at=due_then)
    refs = dict(Subject.objects.filter(pk__in=by_subject).values_list("pk", "ref"))
    for subject, few in by_subject.items():
        ledger.append(
            events.BatchesTightened(cause=tightening.cause, batches=len(few)),
            actor=Actor.system("retention"),
            subject=refs[subject],
            covers=[("retention_batch", batch.uuid) for batch in few],
        )


def _named(batches: list[Batch]) -> Q:
    # The days say which partitions to look into.
    days = {batch.captured_on for batch in batches}
    return Q(captured_on__in=days, uuid__in=[batch.uuid for batch in batches])


def _wait_for_holds(tightening: Tightening, held: list[Batch]) -> None:
    """Note that a hold kept batches as they are: the database lets nobody touch them until then."""
    if tightening.subject is not None:
        tightening.met_a_hold = True
        return
    for subject in {batch.subject_id for batch in held}:
        Tightening.objects.get_or_create(
            subject_id=subject,
            cohort_policy=tightening.cohort_policy,
            state=Tightening.State.HELD,
            defaults={
                "cause": tightening.cause,
                "opened_at": tightening.opened_at,
                "next_at": timezone.now() + HOLD_LOOKED_AT_AGAIN,
            },
        )


def _note_progress(tightening: Tightening, batches: list[Batch]) -> None:
    """Remember how far it came; at the end it is done, or waits for the holds it met."""
    if len(batches) == SLICE:
        tightening.after_day = batches[-1].captured_on
        tightening.after_batch = batches[-1].uuid
        tightening.state = Tightening.State.OWED
    elif tightening.met_a_hold:
        tightening.after_day = tightening.after_batch = None
        tightening.met_a_hold = False
        tightening.state = Tightening.State.HELD
        tightening.next_at = timezone.now() + HOLD_LOOKED_AT_AGAIN
    else:
        tightening.state = Tightening.State.DONE
        tightening.closed_at = timezone.now()
    tightening.save(
        update_fields=["after_day", "after_batch", "met_a_hold", "state", "next_at", "closed_at"]
    )
