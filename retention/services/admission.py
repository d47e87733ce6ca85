"""Admission: a batch gets in only if the policy in force at capture time allowed all of it."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.digests import digest
from consent.models import Agent, App, ConsentEvent, IssuedPolicy, Subject
from consent.services import no_change_meanwhile
from retention.exceptions import (
    BatchQuarantined,
    BatchRefused,
    ManifestDiffers,
)
from retention.manifests import Manifest
from retention.models import Admission, Batch
from retention.schedule import due_at
from retention.services.judgement import (
    INCIDENT,
    NEVER,
    Allowed,
    objections,
    shortest_term,
    standing_for,
    told_to_others,
)
from retention.services.tightening import Terms, ended_where_captured, terms_now


def announce_batch(*, agent: Agent, manifest: Manifest) -> Admission:
    """Judge a manifest; return the admission that awaits the bytes, or that stands already.

    The same manifest again returns what stands. Raises ManifestDiffers for another manifest
    under the same id. A refusal is recorded and returned with its reasons; nothing is kept, and of
    an app that is never captured not even the manifest.
    """
    try:
        return _announced(agent, manifest)
    except IntegrityError:
        # Somebody else's batch of this id was committed after we had looked for one: look again.
        return _announced(agent, manifest)


@transaction.atomic
def _announced(agent: Agent, manifest: Manifest) -> Admission:
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
        state=outcome(reasons) if reasons else Admission.State.AWAITING_BYTES,
        reasons=reasons,
        decided_at=timezone.now() if reasons else None,
    )
    admission.is_new = True
    _say_announced(agent, admission, manifest)
    return admission


def outcome(reasons: list[str]) -> Admission.State:
    """Return what becomes of a batch against which these reasons speak."""
    return Admission.State.QUARANTINED if INCIDENT in reasons else Admission.State.REFUSED


def refusal_of(admission: Admission) -> BatchRefused | None:
    """Return the refusal that an admission stands for; None where it is none."""
    if admission.state == Admission.State.QUARANTINED:
        return BatchQuarantined(admission.reasons)
    if admission.state == Admission.State.REFUSED:
        return BatchRefused(admission.reasons)
    return None


@transaction.atomic
def admit(
    agent: Agent, batch: UUID, manifest: Manifest, *, store: str, key: str, imported: bool
) -> Admission:
    """Judge anew a batch whose bytes a store holds now, and return what stands then.

    What is not let in is the caller's to delete, outside of any transaction.
    """
    no_change_meanwhile()
    Subject.objects.select_for_update().get(pk=agent.subject_id)
    admission = Admission.objects.select_for_update().get(batch=batch)
    if admission.state != Admission.State.AWAITING_BYTES:
        return admission
    agent.refresh_from_db(fields=["standing"])
    at = manifest.captured_until if imported else None
    policy = admission.issued_policy
    standing = standing_for(agent.subject, policy, manifest)
    event = standing.event
    reasons = objections(agent, policy, manifest, standing)
    admission.decided_at = timezone.now()
    if reasons or policy is None or event is None:
        admission.state = outcome(reasons)
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
        newer=standing.newer,
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
    newer: Iterable[Allowed],
    terms: Terms,
    store: str,
    key: str,
    imported: bool,
) -> Batch:
    """Return the batch to be stored, with the instant by which it must be gone; not saved yet.

    That is the earliest by the policies it was captured under and by the rules that hold on
    arrival.
    """
    until, days = manifest.captured_until, shortest_term(policy, newer, manifest)
    now = terms.due(purpose=manifest.purpose, signals=manifest.signals, captured_until=until)
    ends = due_at(captured_until=until, retention_days=days)
    named = (ends, now, ended_where_captured(policy, event.purpose))
    captured_on = manifest.captured_on()
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
        visible=manifest.visible_apps(),
        captured_from=manifest.captured_from,
        captured_until=manifest.captured_until,
        store=store,
        key=key,
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        due_at=min(due for due in named if due),
        imported=imported,
    )


def key_of(agent: Agent, batch: UUID) -> str:
    """Return where in a store a machine's batch lies; the name says nothing about anyone.

    Ids are of the machines' making. Of two that take the same one, neither may write where the
    other's bytes lie.
    """
    name = hashlib.sha256(agent.ref.bytes + batch.bytes).hexdigest()
    return f"{name[:2]}/{name[2:]}"


def unaltered(standing: Admission, agent: Agent, sha256: str) -> Admission:
    """Return the admission that stands; raises ManifestDiffers if another manifest comes for it."""
    if standing.agent_id != agent.pk or standing.manifest_sha256 != sha256:
        raise ManifestDiffers
    return standing


def as_it_stands(admission: Admission) -> Admission:
    """Return the admission of a batch that was let in; raises the refusal of any other."""
    if refusal := refusal_of(admission):
        raise refusal
    return admission


def _ensure_partition(first_of_month: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT retention_ensure_partition(%s::date)", [first_of_month])


def _say_announced(agent: Agent, admission: Admission, manifest: Manifest) -> None:
    if admission.reasons:
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
    """Enter a refusal or an incident into the ledger; `at` is when it was handed in, for an import.

    Of an app that is never captured the entry says only that something was refused, and of what
    somebody decided about themselves only that it was not allowed.
    """
    protected = admission.reasons == NEVER
    told = () if protected else told_to_others(admission.reasons)
    said: events.BatchRefused | events.BatchQuarantined
    if admission.state == Admission.State.QUARANTINED:
        said = events.BatchQuarantined(reasons=told, batch=admission.batch, agent=agent.ref)
    else:
        said = events.BatchRefused(
            reasons=told, protected=protected, batch=admission.batch, agent=agent.ref
        )
    ledger.append(
        said,
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[admission],
        event_time=at,
        imported=at is not None,
    )
