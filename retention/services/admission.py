"""Admission: a batch gets in only if the policy in force at capture time allowed all of it."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors as consent
from consent.digests import digest
from consent.models import Agent, App, ConsentEvent, IssuedPolicy, Subject
from consent.policy.types import ConsentState, Signal
from consent.services import no_change_meanwhile
from retention.exceptions import (
    BatchRefused,
    BatchUnknown,
    ManifestDiffers,
)
from retention.models import Admission, Batch
from retention.schedule import due_at
from retention.services.tightening import Terms, shortest, terms_now
from retention.stores import store_named

NEVER: Final = ["never_category"]
"""All that is said of an app that is never captured: by its kind, or while it is reported."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an agent says about a batch before it sends the bytes."""

    batch: UUID
    policy_version: int
    purpose: str
    app: str
    signals: dict[str, int]
    captured_from: datetime
    captured_until: datetime
    bytes: int
    sha256: str
    redactor: str

    def document(self) -> dict[str, Any]:
        """Return the manifest as JSON; equal manifests give equal documents."""
        return {
            **asdict(self),
            "batch": str(self.batch),
            "captured_from": _instant(self.captured_from),
            "captured_until": _instant(self.captured_until),
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Manifest":
        """Return the manifest that `document` was made from."""
        return cls(
            **{
                **document,
                "batch": UUID(document["batch"]),
                "captured_from": datetime.fromisoformat(document["captured_from"]),
                "captured_until": datetime.fromisoformat(document["captured_until"]),
            }
        )


@transaction.atomic
def announce_batch(*, agent: Agent, manifest: Manifest) -> Admission:
    """Judge a manifest; return the admission that awaits the bytes, or that stands already.

    The same manifest again returns what stands. Raises ManifestDiffers for another manifest
    under the same id. A refusal is recorded and returned with its reasons; nothing is kept, and of
    an app that is never captured not even the manifest.
    """
    document = manifest.document()
    sha256 = digest(document)
    # Serialise per subject: a withdrawal and this judgement cannot both believe they came first.
    Subject.objects.select_for_update().get(pk=agent.subject_id)
    if standing := Admission.objects.filter(batch=manifest.batch).first():
        return unaltered(standing, agent, sha256)
    policy = IssuedPolicy.objects.filter(agent=agent, version=manifest.policy_version).first()
    reasons = objections(agent, policy, manifest)
    admission = Admission.objects.create(
        batch=manifest.batch,
        agent=agent,
        issued_policy=policy,
        manifest={} if reasons == NEVER else document,
        manifest_sha256=sha256,
        state=Admission.State.REFUSED if reasons else Admission.State.AWAITING_BYTES,
        reasons=reasons,
        decided_at=timezone.now() if reasons else None,
    )
    _say_announced(agent, admission, manifest)
    return admission


def receive_bytes(
    *,
    agent: Agent,
    batch: UUID,
    chunks: Iterable[bytes],
    imported: bool = False,
) -> Admission:
    """Keep the announced bytes and admit the batch; the judgement is made again on arrival.

    Returns the admission; a repeat returns what stands. Raises BatchUnknown, BytesDoNotMatch,
    or BatchRefused when the policy no longer allows it: then no byte is kept.
    """
    admission = Admission.objects.filter(batch=batch, agent=agent).first()
    if admission is None:
        raise BatchUnknown
    if admission.state != Admission.State.AWAITING_BYTES:
        return _as_it_stands(admission)
    manifest = Manifest.of(admission.manifest)
    store = store_named(settings.DEFAULT_STORE)
    key = key_of(batch)
    # Bytes first, row second: a crash between the two leaves a file that no row names, which
    # a repeat of this request overwrites and the store's sweep finds. The reverse would leave a row
    # that promises bytes nobody has.
    store.put(key, chunks, size=manifest.bytes, sha256=manifest.sha256)
    admitted = _admit(agent, batch, manifest, store=store.name, key=key, imported=imported)
    if admitted.state != Admission.State.ADMITTED:
        store.delete(key)
        raise BatchRefused(admitted.reasons)
    return admitted


@dataclass(frozen=True)
class Standing:
    """What bears on one batch: the yes that stands, what stops the person, a switch, the app."""

    event: ConsentEvent | None
    covered: set[tuple[str, Signal]]
    paused: bool
    struck: bool
    stopped: bool
    departed: bool
    protected: bool


def objections(
    agent: Agent, policy: IssuedPolicy | None, manifest: Manifest, standing: Standing | None = None
) -> list[str]:
    """Return every reason, as stable codes, why this batch may not be let in; empty lets it in.

    Without `standing` the person's decisions are looked up as they stand now.
    """
    standing = standing or standing_for(agent.subject, manifest)
    if standing.protected:
        return ["never_category"]  # of such an app a refusal says nothing else
    found = []
    if standing.departed:
        found.append("person_departed")
    if agent.standing != Agent.Standing.ACTIVE:
        found.append("agent_not_active")
    if manifest.bytes > settings.BATCH_BYTES_LIMIT:
        found.append("batch_too_large")
    if policy is None:
        found.append("policy_never_issued")
    else:
        found += _outside_policy(policy, manifest)
    if manifest.captured_until > timezone.now() + timedelta(seconds=5):
        found.append("captured_in_the_future")
    found += _consent_objections(standing, manifest)
    if standing.stopped:
        found.append("kill_switch")
    if policy and not consent.within_hours(
        agent.subject, policy, manifest.purpose, manifest.captured_from, manifest.captured_until
    ):
        found.append("outside_work_hours")
    return found


def _outside_policy(policy: IssuedPolicy, manifest: Manifest) -> list[str]:
    found = []
    allowed = policy.allow.get(manifest.purpose, {}).get(manifest.app, {})
    if not allowed:
        found.append("app_not_allowed")
    else:
        found += [
            f"signal_not_allowed:{signal}" for signal in manifest.signals if signal not in allowed
        ]
    if manifest.captured_from < policy.issued_at or manifest.captured_until > policy.lease_until:
        found.append("outside_the_lease")
    if not manifest.signals:
        found.append("no_signals")
    return found


def _consent_objections(standing: Standing, manifest: Manifest) -> list[str]:
    """Consent must still stand on arrival, for each pair; what it no longer covers is refused."""
    if standing.event is None:
        return ["consent_does_not_stand"]
    found = []
    if any((manifest.app, signal) not in standing.covered for signal in manifest.signals):
        found.append("signal_not_consented")
    if standing.paused:
        found.append("paused")
    if standing.struck:
        found.append("struck")
    return found


def standing_for(subject: Subject, manifest: Manifest) -> Standing:
    """Return what the person's decisions and the switches say about the batch, as they stand."""
    event = standing_yes(subject, manifest.purpose)
    return Standing(
        event=event,
        covered=consent.covered_now(event) if event else set(),
        paused=consent.paused_between(subject, manifest.captured_from, manifest.captured_until),
        struck=consent.struck_between(subject, manifest.captured_from, manifest.captured_until),
        stopped=consent.stopped_between(
            manifest.purpose, manifest.captured_from, manifest.captured_until
        ),
        departed=consent.has_departed(subject),
        protected=consent.is_protected(manifest.app),
    )


def standing_yes(subject: Subject, purpose: str) -> ConsentEvent | None:
    """Return the yes that stands for the purpose; None when there is none."""
    event = (
        ConsentEvent.objects.select_related("purpose")
        .filter(subject=subject, purpose__code=purpose)
        .order_by("-position")
        .first()
    )
    return event if event and event.state == ConsentState.GIVEN else None


@transaction.atomic
def _admit(
    agent: Agent, batch: UUID, manifest: Manifest, *, store: str, key: str, imported: bool
) -> Admission:
    no_change_meanwhile()
    Subject.objects.select_for_update().get(pk=agent.subject_id)
    admission = Admission.objects.select_for_update().get(batch=batch)
    if admission.state != Admission.State.AWAITING_BYTES:
        return admission
    agent.refresh_from_db(fields=["standing"])
    at = manifest.captured_until if imported else None
    policy = admission.issued_policy
    standing = standing_for(agent.subject, manifest)
    event = standing.event
    reasons = objections(agent, policy, manifest, standing)
    admission.decided_at = timezone.now()
    if reasons or policy is None or event is None:
        admission.state = Admission.State.REFUSED
        admission.reasons = reasons
        if reasons == NEVER:
            admission.manifest = {}
        admission.save(update_fields=["state", "reasons", "decided_at", "manifest"])
        say_refused(agent, admission, at=at)
        return admission
    admission.state = Admission.State.ADMITTED
    admission.save(update_fields=["state", "decided_at"])
    app = App.objects.get(code=manifest.app)
    kept = batch_of(
        agent,
        policy,
        event,
        app,
        manifest,
        terms=terms_now(agent.subject),
        store=store,
        key=key,
        imported=imported,
    )
    kept.save(force_insert=True)
    say_admitted(agent, admission, manifest, kept, at=at)
    return admission


def say_admitted(
    agent: Agent,
    admission: Admission,
    manifest: Manifest,
    kept: Batch,
    *,
    at: datetime | None = None,
) -> None:
    """Enter an admission into the ledger; `at` is when it was handed in, for an import."""
    ledger.append(
        events.BatchAdmitted(
            purpose=manifest.purpose,
            app=manifest.app,
            signals=tuple(sorted(manifest.signals)),
            events=sum(manifest.signals.values()),
            store=kept.store,
            batch=kept.uuid,
            agent=agent.ref,
            policy_version=manifest.policy_version,
            bytes=manifest.bytes,
            sha256=manifest.sha256,
            due_at=kept.due_at,
        ),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[admission, ("retention_batch", kept.uuid)],
        event_time=at,
        imported=at is not None,
    )


def batch_of(
    agent: Agent,
    policy: IssuedPolicy,
    event: ConsentEvent,
    app: App,
    manifest: Manifest,
    *,
    terms: Terms,
    store: str,
    key: str,
    imported: bool,
) -> Batch:
    """Return the batch to be stored, with the instant by which it must be gone; not saved yet.

    That is the earliest by the policy it was captured under and by the rules that hold on arrival.
    """
    allowed = policy.allow[manifest.purpose][manifest.app]
    days = min(allowed[signal] for signal in manifest.signals)
    now = shortest(terms, manifest.purpose, manifest.signals)
    days = days if now is None else min(days, now)
    captured_on = manifest.captured_from.astimezone(UTC).date()
    _ensure_partition(captured_on.replace(day=1).isoformat())
    return Batch(
        uuid=manifest.batch,
        captured_on=captured_on,
        subject_id=agent.subject_id,
        agent=agent,
        issued_policy=policy,
        consent_event=event,
        purpose=event.purpose,
        app=app,
        signals=manifest.signals,
        captured_from=manifest.captured_from,
        captured_until=manifest.captured_until,
        store=store,
        key=key,
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        due_at=due_at(captured_until=manifest.captured_until, retention_days=days),
        imported=imported,
    )


def key_of(batch: UUID) -> str:
    """Return where in a store a batch lies; the name says nothing about anyone."""
    name = hashlib.sha256(batch.bytes).hexdigest()
    return f"{name[:2]}/{name[2:]}"


def unaltered(standing: Admission, agent: Agent, sha256: str) -> Admission:
    """Return the admission that stands; raises ManifestDiffers if another manifest comes for it."""
    if standing.agent_id != agent.pk or standing.manifest_sha256 != sha256:
        raise ManifestDiffers
    return standing


def _as_it_stands(admission: Admission) -> Admission:
    if admission.state == Admission.State.ADMITTED:
        return admission
    raise BatchRefused(admission.reasons)


def _ensure_partition(first_of_month: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT retention_ensure_partition(%s::date)", [first_of_month])


def _say_announced(agent: Agent, admission: Admission, manifest: Manifest) -> None:
    if admission.state == Admission.State.REFUSED:
        say_refused(agent, admission)
        return
    ledger.append(
        events.BatchAnnounced(
            purpose=manifest.purpose,
            app=manifest.app,
            signals=tuple(sorted(manifest.signals)),
            events=sum(manifest.signals.values()),
            batch=manifest.batch,
            agent=agent.ref,
            policy_version=manifest.policy_version,
            bytes=manifest.bytes,
            sha256=manifest.sha256,
        ),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[admission],
    )


def say_refused(agent: Agent, admission: Admission, *, at: datetime | None = None) -> None:
    """Enter a refusal into the ledger; `at` is when it was handed in, for an import.

    Of an app that is never captured the entry says only that something was refused.
    """
    protected = admission.reasons == NEVER
    told = () if protected else {reason.partition(":")[0] for reason in admission.reasons}
    ledger.append(
        events.BatchRefused(
            reasons=tuple(sorted(told)),
            protected=protected,
            batch=admission.batch,
            agent=agent.ref,
        ),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[admission],
        event_time=at,
        imported=at is not None,
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
