"""Machines that a person let in, and what each of them is told."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import Agent, PolicyAcknowledgement, Subject
from consent.policy.types import Platform
from consent.services.personal import bump_personal_revision

CLOCKS_DIFFER: Final = timedelta(seconds=5)
"""How far ahead of ours a machine's reckoning may be."""


@transaction.atomic
def enrol_agent(
    *,
    subject: Subject,
    name: str,
    platform: Platform,
    public_key: bytes,
    key_kind: Agent.KeyKind = Agent.KeyKind.ED25519,
    ref: UUID | None = None,
    event_time: datetime | None = None,
    imported: bool = False,
) -> Agent:
    """Return a new agent in good standing for the person who approved it in the browser.

    Enrolling allows nothing: the agent's first policy says what the person switched on.
    """
    agent = Agent.objects.create(
        ref=ref or uuid4(),
        subject=subject,
        name=name,
        platform=platform.value,
        public_key=public_key,
        key_kind=key_kind,
        standing=Agent.Standing.ACTIVE,
        enrolled_at=event_time or timezone.now(),
    )
    ledger.append(
        events.AgentEnrolled(
            platform=platform.value,
            agent=agent.ref,
            name=name,
            key_thumbprint=sha256(public_key).hexdigest(),
        ),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[agent],
        event_time=event_time,
        imported=imported,
    )
    return agent


@transaction.atomic
def revoke_agent(
    *, subject: Subject, ref: str, event_time: datetime | None = None, imported: bool = False
) -> Agent:
    """Cut the machine off at its next request; a repeat returns it as it stands.

    Raises AgentUnknown for a machine that is not this person's.
    """
    # First, in the order in which issuing locks: the other way round the two could deadlock.
    bump_personal_revision(subject)
    agent = Agent.objects.select_for_update().filter(subject=subject, ref=ref).first()
    if agent is None:
        raise exceptions.AgentUnknown
    cut_off(
        agent,
        reason="by_subject",
        actor=Actor.subject(subject.ref),
        event_time=event_time,
        imported=imported,
    )
    return agent


def cut_off(
    agent: Agent,
    *,
    reason: str,
    actor: Actor,
    event_time: datetime | None = None,
    imported: bool = False,
) -> None:
    """Cut off a machine whose row is locked, for good; nothing where it is already."""
    if agent.standing == Agent.Standing.REVOKED:
        return
    agent.standing = Agent.Standing.REVOKED
    # In quarantine it was cut off already, and stays so from then on.
    agent.revoked_at = agent.revoked_at or event_time or timezone.now()
    agent.save(update_fields=["standing", "revoked_at"])
    ledger.append(
        events.AgentRevoked(reason=reason, agent=agent.ref),
        actor=actor,
        subject=agent.subject.ref,
        covers=[agent],
        event_time=event_time,
        imported=imported,
    )


@transaction.atomic
def change_agent_key(
    *, agent: Agent, public_key: bytes, key_kind: Agent.KeyKind, at: datetime
) -> Agent:
    """Let a machine prove itself by another key from now on; whoever calls has had both proven."""
    agent = Agent.objects.select_for_update(of=("self",)).select_related("subject").get(pk=agent.pk)
    agent.public_key = public_key
    agent.key_kind = key_kind
    agent.save(update_fields=["public_key", "key_kind"])
    ledger.append(
        events.AgentKeyChanged(
            kind=key_kind.value, agent=agent.ref, key_thumbprint=sha256(public_key).hexdigest()
        ),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[agent],
        event_time=at,
    )
    return agent


@transaction.atomic
def quarantine_agent(*, agent: Agent, reason: str) -> Agent:
    """Cut a machine off of which a copy seems to exist; only enrolling it anew helps.

    A repeat returns it as it stands, and so does one that its person has removed.
    """
    bump_personal_revision(agent.subject)
    agent = Agent.objects.select_for_update(of=("self",)).select_related("subject").get(pk=agent.pk)
    if agent.standing != Agent.Standing.ACTIVE:
        return agent
    agent.standing = Agent.Standing.QUARANTINED
    agent.revoked_at = timezone.now()
    agent.save(update_fields=["standing", "revoked_at"])
    ledger.append(
        events.AgentQuarantined(reason=reason, agent=agent.ref),
        actor=Actor.system("agents"),
        subject=agent.subject.ref,
        covers=[agent],
    )
    return agent


@transaction.atomic
def acknowledge_policy(
    *, agent: Agent, version: int, applied_at: datetime, purged: bool, imported: bool = False
) -> PolicyAcknowledgement:
    """Record that the agent applied a version; a repeat returns what stands.

    That it has purged is recorded once more where it had not when it said so first, and never
    taken back. Raises PolicyNeverIssued for a version this agent was never given, AppliedAtWrong
    for a moment before that version was issued, or ahead of now.
    """
    issued = agent.policies.filter(version=version).values_list("issued_at", flat=True).first()
    if issued is None:
        raise exceptions.PolicyNeverIssued
    ahead = applied_at > timezone.now() + CLOCKS_DIFFER
    if not imported and (applied_at < issued or ahead):
        raise exceptions.AppliedAtWrong
    Agent.objects.select_for_update().get(pk=agent.pk)
    said = agent.acknowledgements.filter(version=version).order_by("-purged").first()
    if said is not None and said.purged >= purged:
        return said
    acknowledgement = PolicyAcknowledgement.objects.create(
        agent=agent, version=version, applied_at=applied_at, purged=purged
    )
    ledger.append(
        events.PolicyAcknowledged(
            purged=purged, agent=agent.ref, version=version, applied_at=applied_at
        ),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
        covers=[acknowledgement],
        event_time=applied_at,
        imported=imported,
    )
    return acknowledgement
