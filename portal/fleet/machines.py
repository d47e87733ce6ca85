"""Machines that wait: what they are told, and their person's word."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from consent import selectors, services
from consent.digests import canonical
from consent.models import Agent, Subject
from consent.policy.types import Platform
from portal.api.signing import sign_policy, signing_key
from portal.endpoint import answer
from portal.endpoint.answer import Denied, Refusal
from portal.fleet.models import EnrolmentTicket, PendingMachine
from portal.fleet.tickets import code_hash
from portal.models import AgentToken

OPEN: Final = Q(outcome="", ticket__revoked_at=None)


class MachineUnknown(Exception):
    """No machine waits under that code."""


class MachineElsewhere(Exception):
    """The machine's ticket is for a site or a cohort of which the person is not."""

    def __init__(self, ticket: EnrolmentTicket) -> None:
        super().__init__(str(ticket))
        self.ticket = ticket


def standing_of(digest: bytes) -> UUID | Refusal:
    """Return which waiting machine holds the token; the refusal where none does."""
    found = PendingMachine.objects.filter(token_sha256=digest).select_related("ticket").first()
    if found is None or found.outcome == PendingMachine.Outcome.APPROVED:
        return answer.UNKNOWN
    if found.outcome or found.ticket.revoked_at or found.expires_at <= timezone.now():
        return answer.REVOKED
    return found.ref


def look(digest: bytes) -> Denied | Refusal:
    """Return the policy of a waiting machine: signed, and denying everything."""
    ref = standing_of(digest)
    if isinstance(ref, Refusal):
        return ref
    key = signing_key()
    document = services.deny_everything(audience=ref, at=timezone.now(), since=key.since)
    etag = f'"{document["version"]}.waiting"'
    return Denied(etag, sign_policy(canonical(document), key))


def waiting(code: str) -> PendingMachine:
    """Return the machine that waits under a code; raises MachineUnknown."""
    found = (
        PendingMachine.objects.filter(OPEN, code_sha256=code_hash(code))
        .filter(expires_at__gt=timezone.now())
        .select_related("ticket")
        .first()
    )
    if found is None:
        raise MachineUnknown
    return found


@transaction.atomic
def approve_machine(*, subject: Subject, code: str) -> Agent:
    """Make a waiting machine the person's agent, with the key and the token that it has.

    Raises MachineUnknown, MachineElsewhere.
    """
    machine = _locked(code)
    if not _is_meant_for(subject, machine.ticket, timezone.now()):
        raise MachineElsewhere(machine.ticket)
    agent = services.enrol_agent(
        subject=subject,
        ref=machine.ref,
        name=machine.name,
        platform=Platform(machine.platform),
        public_key=bytes(machine.public_key),
        key_kind=Agent.KeyKind(machine.key_kind),
    )
    AgentToken.objects.create(agent=agent, sha256=bytes(machine.token_sha256))
    _settle(machine, PendingMachine.Outcome.APPROVED)
    return agent


@transaction.atomic
def decline_machine(*, code: str) -> None:
    """End a waiting machine that is not the person's; raises MachineUnknown."""
    _settle(_locked(code), PendingMachine.Outcome.DECLINED)


def _locked(code: str) -> PendingMachine:
    machine = waiting(code)
    # The ticket first, as its use and its end do: in another order they could deadlock.
    EnrolmentTicket.objects.select_for_update().get(pk=machine.ticket_id)
    locked = (
        PendingMachine.objects.select_for_update(of=("self",))
        .filter(OPEN, pk=machine.pk)
        .select_related("ticket__cohort")
        .first()
    )
    if locked is None:
        raise MachineUnknown
    return locked


def _settle(machine: PendingMachine, outcome: PendingMachine.Outcome) -> None:
    machine.outcome = outcome
    machine.name = ""  # whose it is now keeps its name; nobody's needs none
    machine.save(update_fields=["outcome", "name"])


def _is_meant_for(subject: Subject, ticket: EnrolmentTicket, at: datetime) -> bool:
    if ticket.cohort_id is not None:
        # By the facts as they stand now: a move that came today counts before anybody wrote it.
        cohort = selectors.cohort_of(subject, at=at)
        return cohort is not None and cohort.pk == ticket.cohort_id
    return not ticket.site or ticket.site in selectors.cohort_facts(subject, at=at)["sites"]
