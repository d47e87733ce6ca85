"""Making, using and revoking tickets."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agent, Cohort
from consent.policy.types import Platform
from portal.api.tokens import new_token, token_hash
from portal.fleet.models import EnrolmentTicket, PendingMachine
from portal.policykeys import standing

PREFIX: Final = "set_"
LONGEST_DAYS: Final = 90
PENDING_DAYS: Final = 30
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; as RFC 8628 section 6.1 advises
CODE_LENGTH: Final = 12


class TicketRefused(Exception):
    """The ticket is unknown, used up, expired, revoked, or for another machine."""


class TicketUnbound(Exception):
    """A ticket must be bound to one of a serial number, a site and a cohort."""


class TicketOfMany(Exception):
    """A serial number is of one machine."""


class Asked(NamedTuple):
    """What a machine that asked is told, once."""

    machine: PendingMachine
    token: str
    code: str


def serial_hash(serial: str) -> bytes:
    """Return how a serial number is kept: only as a hash, whatever its letters' case."""
    return hashlib.sha256(serial.strip().upper().encode("utf-8")).digest()


@transaction.atomic
def make_ticket(
    *,
    label: str,
    places: int,
    days: int,
    actor: Actor,
    serial: str = "",
    site: str = "",
    cohort: Cohort | None = None,
) -> tuple[EnrolmentTicket, str]:
    """Return a new ticket and what is handed to the machine, which nobody can read again later.

    That is its secret, and behind a dot the thumbprint of our root: so a machine knows before its
    first question whom to believe. Raises TicketUnbound, TicketOfMany.
    """
    bounds = {"serial": bool(serial), "site": bool(site), "cohort": cohort is not None}
    if sum(bounds.values()) != 1:
        raise TicketUnbound
    if serial and places != 1:
        raise TicketOfMany
    secret = PREFIX + secrets.token_urlsafe(32)
    ticket = EnrolmentTicket.objects.create(
        label=label,
        sha256=token_hash(secret),
        serial_sha256=serial_hash(serial) if serial else None,
        site=site,
        cohort=cohort,
        places=places,
        expires_at=timezone.now() + timedelta(days=days),
    )
    ledger.append(
        events.TicketMade(
            bound_to=next(name for name, is_it in bounds.items() if is_it),
            places=ticket.places,
            ticket=ticket.uuid,
        ),
        actor=actor,
        covers=[ticket],
    )
    return ticket, f"{secret}.{standing.ensure().root}"


@transaction.atomic
def revoke_ticket(*, uuid: UUID, actor: Actor) -> EnrolmentTicket:
    """End a ticket, and every machine that waits because of it; a repeat changes nothing."""
    ticket = EnrolmentTicket.objects.select_for_update().get(uuid=uuid)
    if ticket.revoked_at is None:
        ticket.revoked_at = timezone.now()
        ticket.save(update_fields=["revoked_at"])
        ledger.append(events.TicketRevoked(ticket=ticket.uuid), actor=actor, covers=[ticket])
    return ticket


@transaction.atomic
def use_ticket(
    *,
    secret: str,
    serial: str,
    name: str,
    platform: Platform,
    public_key: bytes,
    key_kind: Agent.KeyKind,
) -> Asked:
    """Let a machine wait for its person; the same machine may ask again where an answer got lost.

    Raises TicketRefused.
    """
    ticket = EnrolmentTicket.objects.select_for_update().filter(sha256=token_hash(secret)).first()
    now = timezone.now()
    if ticket is None or ticket.revoked_at or ticket.expires_at <= now:
        raise TicketRefused
    if ticket.serial_sha256 is not None and bytes(ticket.serial_sha256) != serial_hash(serial):
        raise TicketRefused
    token, code = new_token(), _new_code()
    secrets_of = {"token_sha256": token_hash(token), "code_sha256": code_hash(code)}
    known = ticket.machines.select_for_update().filter(public_key=public_key).first()
    if known:
        if known.outcome:
            raise TicketRefused
        known.token_sha256, known.code_sha256 = secrets_of.values()
        known.save(update_fields=list(secrets_of))
        return Asked(known, token, code)
    if ticket.used >= ticket.places:
        raise TicketRefused
    machine = PendingMachine.objects.create(
        ticket=ticket,
        name=name,
        platform=platform.value,
        public_key=public_key,
        key_kind=key_kind,
        expires_at=now + timedelta(days=PENDING_DAYS),
        **secrets_of,
    )
    ticket.used += 1
    ticket.last_used_at = now
    ticket.save(update_fields=["used", "last_used_at"])
    ledger.append(
        events.TicketUsed(platform=platform.value, ticket=ticket.uuid),
        actor=Actor.system("agents"),
        covers=[ticket],
    )
    return Asked(machine, token, code)


def code_hash(code: str) -> bytes:
    """Return how a code is kept and found, however a person wrote it."""
    letters = "".join(letter for letter in code.upper() if letter in ALPHABET)
    return hashlib.sha256(letters.encode("ascii")).digest()


def _new_code() -> str:
    letters = [secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, CODE_LENGTH, 4))
