"""What a person decides: yes, no, not now, and the withdrawal that always succeeds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, hooks, selectors
from consent.models import (
    Acknowledgement,
    App,
    ConsentEvent,
    ConsentScope,
    Notice,
    Purpose,
    Subject,
)
from consent.policy.types import ConsentState, Signal
from consent.services.personal import bump_personal_revision
from consent.services.waivers import end_waivers


@dataclass(frozen=True, order=True)
class Pair:
    """One app and one signal of it: the unit that a yes covers."""

    app: str
    signal: Signal


@transaction.atomic
def give_consent(
    *,
    subject: Subject,
    purpose: str,
    notice: Notice,
    pairs: Iterable[Pair],
    language: str,
    event_time: datetime | None = None,
    imported: bool = False,
) -> ConsentEvent:
    """Record a yes to exactly these pairs (GDPR Art. 7(1)); it replaces what stood before.

    Raises NothingChosen, NotOffered, NoticeOutdated, PurposeNotOpen or PersonDeparted; then nothing
    changed.
    """
    chosen = sorted(set(pairs))
    if not chosen:
        raise exceptions.NothingChosen
    subject, goal = _lock(subject, purpose)
    if subject.departed_at and subject.departed_at <= timezone.now() and not imported:
        raise exceptions.PersonDeparted
    _require_current_notice(goal, notice)
    offered = selectors.offered_listings(goal)
    apps = _offered_apps(offered, chosen)
    at = event_time or timezone.now()
    event = _record(
        subject, goal, notice, ConsentState.GIVEN, language=language, at=at, imported=imported
    )
    event_scopes = ConsentScope.objects.bulk_create(
        ConsentScope(
            event=event,
            app=apps[pair.app],
            signal=pair.signal.value,
            listing_id=offered[pair.app, pair.signal],
        )
        for pair in chosen
    )
    # A narrower yes ends part of the old one: what it no longer covers is owed to be erased.
    hooks.consent_changed(event)
    ledger.append(
        events.ConsentGiven(
            purpose=purpose,
            notice_version=notice.version,
            signals=tuple(sorted({pair.signal.value for pair in chosen})),
            apps=tuple(sorted({pair.app for pair in chosen})),
            pairs=len(chosen),
            scope=tuple(f"{pair.app}:{pair.signal}" for pair in chosen),
            valid_until=event.valid_until,
            language=language,
            position=event.position,
            receipt=event.uuid,
        ),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[event, *event_scopes],
        event_time=event_time,
        imported=imported,
    )
    return event


@transaction.atomic
def decline_consent(
    *,
    subject: Subject,
    purpose: str,
    notice: Notice,
    deferred: bool,
    language: str,
    event_time: datetime | None = None,
    imported: bool = False,
) -> ConsentEvent:
    """Record a no, or with `deferred` a not now; both end whatever yes stood before."""
    subject, goal = _lock(subject, purpose)
    state = ConsentState.DEFERRED if deferred else ConsentState.REFUSED
    event = _record(
        subject,
        goal,
        notice,
        state,
        language=language,
        at=event_time or timezone.now(),
        imported=imported,
    )
    hooks.consent_changed(event)
    end_waivers(subject, goal, actor=Actor.subject(subject.ref))
    said = events.ConsentDeferred if deferred else events.ConsentRefused
    ledger.append(
        said(
            purpose=purpose,
            notice_version=notice.version,
            language=language,
            position=event.position,
        ),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[event],
        event_time=event_time,
        imported=imported,
    )
    return event


@transaction.atomic
def withdraw_consent(
    *,
    subject: Subject,
    purpose: str,
    event_time: datetime | None = None,
    imported: bool = False,
) -> ConsentEvent | None:
    """Record a withdrawal (GDPR Art. 7(3)); agents stop at their next poll.

    Always succeeds: a repeat returns the withdrawal that already stands, and where no yes
    stands there is nothing to end and None is returned. Needs PostgreSQL alone.
    """
    # Two tabs may withdraw at once: serialise per subject, so that one event stands.
    subject, goal = _lock(subject, purpose, must_be_open=False)
    standing = selectors.newest_event(subject, goal)
    if standing is None or standing.state != ConsentState.GIVEN:
        return standing
    event = _record(
        subject,
        goal,
        standing.notice,
        ConsentState.WITHDRAWN,
        language=standing.language,
        at=event_time or timezone.now(),
        imported=imported,
    )
    hooks.consent_changed(event)  # retention owes its deletions here, in this transaction
    end_waivers(subject, goal, actor=Actor.subject(subject.ref))
    ledger.append(
        events.ConsentWithdrawn(
            purpose=purpose,
            notice_version=standing.notice.version,
            language=event.language,
            position=event.position,
        ),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[event],
        event_time=event_time,
        imported=imported,
    )
    return event


@transaction.atomic
def revoke_consent(
    *, subject: Subject, purpose: str, reason: str, actor: Actor
) -> ConsentEvent | None:
    """End a yes on somebody else's word, as when the person leaves (DPV: revoked, not withdrawn).

    Returns what stands: the revocation, or what stood where it was no yes; None where nothing did.
    """
    subject, goal = _lock(subject, purpose, must_be_open=False)
    standing = selectors.newest_event(subject, goal)
    if standing is None or standing.state != ConsentState.GIVEN:
        return standing
    event = _record(
        subject,
        goal,
        standing.notice,
        ConsentState.REVOKED,
        language=standing.language,
        at=timezone.now(),
        imported=False,
    )
    hooks.consent_changed(event)
    end_waivers(subject, goal, actor=actor)
    ledger.append(
        events.ConsentRevoked(
            purpose=purpose,
            notice_version=standing.notice.version,
            language=event.language,
            position=event.position,
            reason=reason,
        ),
        actor=actor,
        subject=subject.ref,
        covers=[event],
    )
    return event


@transaction.atomic
def acknowledge_notice(
    *,
    subject: Subject,
    notice: Notice,
    event_time: datetime | None = None,
    imported: bool = False,
) -> Acknowledgement:
    """Record that the subject received a notice (NY Civil Rights Law s.52-c, DE Code 19 s.705).

    It is no consent, and consent is given apart from it. A repeat returns what stands.
    """
    Subject.objects.select_for_update().get(pk=subject.pk)
    if standing := Acknowledgement.objects.filter(subject=subject, notice=notice).first():
        return standing
    acknowledgement = Acknowledgement.objects.create(
        subject=subject, notice=notice, acknowledged_at=event_time or timezone.now()
    )
    bump_personal_revision(subject)
    ledger.append(
        events.NoticeAcknowledged(purpose=notice.purpose.code, notice_version=notice.version),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[acknowledgement],
        event_time=event_time,
        imported=imported,
    )
    return acknowledgement


@transaction.atomic
def withdraw_everything(*, subject: Subject) -> list[ConsentEvent]:
    """Withdraw every yes of the subject at once; returns the withdrawals that now stand."""
    purposes = Purpose.objects.order_by("pk").values_list("code", flat=True)
    found = [withdraw_consent(subject=subject, purpose=code) for code in purposes]
    return [event for event in found if event and event.state == ConsentState.WITHDRAWN]


def _lock(subject: Subject, purpose: str, *, must_be_open: bool = True) -> tuple[Subject, Purpose]:
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    goal = Purpose.objects.get(code=purpose)
    if must_be_open and (goal.published_at is None):
        raise exceptions.PurposeNotOpen
    return locked, goal


def _require_current_notice(purpose: Purpose, notice: Notice) -> None:
    current = selectors.current_notice(purpose)
    if current is None or current.pk != notice.pk:
        raise exceptions.NoticeOutdated


def _offered_apps(offered: Mapping[tuple[str, Signal], int], pairs: list[Pair]) -> dict[str, App]:
    if any((pair.app, pair.signal) not in offered for pair in pairs):
        raise exceptions.NotOffered
    return {app.code: app for app in App.objects.filter(code__in={pair.app for pair in pairs})}


def _record(
    subject: Subject,
    purpose: Purpose,
    notice: Notice,
    state: ConsentState,
    *,
    language: str,
    at: datetime,
    imported: bool,
) -> ConsentEvent:
    """Write the event under the subject's lock; its position orders it, whatever clocks say."""
    subject.position += 1
    subject.save(update_fields=["position"])
    shared = selectors.shared_by(subject)
    digest, version = selectors.pack_in(shared)
    event = ConsentEvent.objects.create(
        subject=subject,
        position=subject.position,
        purpose=purpose,
        notice=notice,
        language=language,
        state=state.value,
        event_time=at,
        valid_until=selectors.consent_valid_until(subject, at)
        if state is ConsentState.GIVEN
        else None,
        imported=imported,
        pack_digest=digest,
        pack_version=version[:120],
        cohort_policy=shared,
    )
    bump_personal_revision(subject)
    transaction.on_commit(hooks.work_owed)
    return event
