"""What must be erased: one case per cause, written with the cause, expanded by workers later."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors as consent
from consent.models import App, ConsentEvent, Strike
from consent.policy.types import SHOWS_OTHER_WINDOWS, ConsentState
from retention.models import Batch, DeletionCase, DeletionJob

SLICE = 500
CASES_AT_ONCE = 20


def owe_deletion(event: ConsentEvent) -> None:
    """Owe what this decision ends: everything of an ended yes, or the pairs a new yes leaves out.

    Runs inside the decision's own transaction (DESIGN invariant 5): one row, however much there
    is to erase, so that no withdrawal is slow.
    """
    previous = _previous_yes(event)
    if previous is None:
        return
    if event.state != ConsentState.GIVEN:
        revoked = event.state == ConsentState.REVOKED
        cause = DeletionCase.Cause.REVOCATION if revoked else DeletionCase.Cause.WITHDRAWAL
        _open_case(event, cause, pairs=[])
        return
    scopes = consent.scopes_of([previous, event])
    if left_out := scopes[previous.pk] - scopes[event.pk]:
        pairs = sorted(f"{app}:{signal}" for app, signal in left_out)
        _open_case(event, DeletionCase.Cause.NARROWING, pairs=pairs)


def owe_struck(strike: Strike) -> None:
    """Owe what is kept of an interval that the person had forgotten; in the strike's transaction.

    One row, also where nothing is kept of it yet, so that no strike is slow.
    """
    case = DeletionCase.objects.create(
        cause=DeletionCase.Cause.STRIKE,
        subject_id=strike.subject_id,
        strike=strike,
        due_at=timezone.now(),
    )
    ledger.append(
        events.DeletionOwed(cause=case.cause, case=case.uuid, due_at=case.due_at),
        actor=Actor.system("retention"),
        subject=strike.subject.ref,
        covers=[case],
    )


def owe_protected(app: App) -> None:
    """Owe all that is held of an app that is never captured, whoever it is of, in one row.

    Runs inside the transaction that recategorises it; nothing of it is let in any more.
    """
    case = DeletionCase.objects.create(
        cause=DeletionCase.Cause.PROTECTED, app=app, due_at=timezone.now()
    )
    _say_owed(case)


@transaction.atomic
def owe_expired(*, at: datetime) -> DeletionCase | None:
    """Owe the erasure of all batches whose time is up; None where there are none."""
    due = _expired(at)
    if not due.exists():
        return None
    if DeletionCase.objects.filter(cause="expiry").exclude(state="done").exists():
        return None  # one at a time: the standing case takes all that is due when it is expanded
    case = DeletionCase.objects.create(cause=DeletionCase.Cause.EXPIRY, due_at=at)
    _say_owed(case)
    return case


def expand_cases() -> int:
    """Turn owed cases into jobs, each case in its own transaction; return how many were."""
    done = 0
    while done < CASES_AT_ONCE and _expand_one():
        done += 1
    return done


@transaction.atomic
def _expand_one() -> bool:
    case = (
        DeletionCase.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(state=DeletionCase.State.OWED)
        .order_by("pk")
        .first()
    )
    if case is None:
        return False
    jobs = DeletionJob.objects.bulk_create(
        DeletionJob(case=case, store=store, batches=batches)
        for store, batches in _slices(_batches_of(case))
    )
    case.state = DeletionCase.State.EXPANDED if jobs else DeletionCase.State.DONE
    case.closed_at = None if jobs else timezone.now()
    case.save(update_fields=["state", "closed_at"])
    ledger.append(
        events.DeletionExpanded(
            cause=case.cause,
            stores=tuple(sorted({job.store for job in jobs})),
            jobs=len(jobs),
            case=case.uuid,
        ),
        actor=Actor.system("retention"),
        subject=case.subject.ref if case.subject else None,
        covers=[case, *jobs],
    )
    return True


def _say_owed(case: DeletionCase) -> None:
    """Enter a case about batches of anyone; which app it is about stays out of the ledger."""
    ledger.append(
        events.DeletionOwed(cause=case.cause, case=case.uuid, due_at=case.due_at),
        actor=Actor.system("retention"),
        subject=None,
        covers=[case],
    )


def _previous_yes(event: ConsentEvent) -> ConsentEvent | None:
    previous = (
        ConsentEvent.objects.filter(
            subject_id=event.subject_id,
            purpose_id=event.purpose_id,
            position__lt=event.position,
        )
        .order_by("-position")
        .first()
    )
    return previous if previous and previous.state == ConsentState.GIVEN else None


def _open_case(event: ConsentEvent, cause: DeletionCase.Cause, *, pairs: list[str]) -> None:
    case = DeletionCase.objects.create(
        cause=cause,
        subject_id=event.subject_id,
        purpose_id=event.purpose_id,
        consent_event=event,
        pairs=pairs,
        due_at=event.event_time,
    )
    ledger.append(
        events.DeletionOwed(
            cause=case.cause, purpose=event.purpose.code, case=case.uuid, due_at=case.due_at
        ),
        actor=Actor.system("retention"),
        subject=event.subject.ref,
        covers=[case],
        event_time=event.event_time if event.imported else None,
        imported=event.imported,
    )


def _batches_of(case: DeletionCase) -> QuerySet[Batch]:
    if case.cause == DeletionCase.Cause.EXPIRY:
        return _expired(case.due_at)
    if case.strike is not None:
        overlapping = consent.of_batches(case.strike)
        return Batch.objects.filter(overlapping, state=Batch.State.KEPT, subject=case.subject)
    if case.app is not None:
        shows = Q(app=case.app)
        for signal in SHOWS_OTHER_WINDOWS:
            shows |= _beside(case.app.code, signal)
        return Batch.objects.filter(shows, state=Batch.State.KEPT)
    if case.subject is None or case.purpose is None or case.consent_event is None:
        return Batch.objects.none()  # the database refuses such a case
    kept = Batch.objects.filter(
        state=Batch.State.KEPT,
        subject=case.subject,
        purpose=case.purpose,
        consent_event__position__lt=case.consent_event.position,
    )
    if case.cause == DeletionCase.Cause.NARROWING:
        kept = kept.filter(_any_pair(case.pairs))
    return kept


def _any_pair(pairs: list[str]) -> Q:
    wanted = Q(uuid__in=[])
    for pair in pairs:
        app, _, signal = pair.partition(":")
        wanted |= Q(app__code=app, signals__has_key=signal) | _beside(app, signal)
    return wanted


def _beside(app: str, signal: str) -> Q:
    """Return the condition of a batch on whose pictures or titles a window of the app was seen."""
    return Q(**{f"visible__{signal}__contains": [app]})


def _expired(at: datetime) -> QuerySet[Batch]:
    return Batch.objects.filter(state=Batch.State.KEPT, due_at__lte=at)


def _slices(batches: QuerySet[Batch]) -> Iterator[tuple[str, list[UUID]]]:
    """Yield (store, at most SLICE batches), so that one job stays well under a minute."""
    by_store: dict[str, list[UUID]] = {}
    for store, uuid in batches.order_by("store", "uuid").values_list("store", "uuid"):
        by_store.setdefault(store, []).append(uuid)
    for store, uuids in by_store.items():
        for start in range(0, len(uuids), SLICE):
            yield store, uuids[start : start + SLICE]
