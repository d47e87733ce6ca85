"""Using a ticket: each is good for one machine, which may ask again."""

import hashlib
import logging
import secrets
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agent
from consent.policy.types import Platform
from portal.api.tokens import new_token, token_hash
from portal.fleet.models import EnrolmentTicket, PendingMachine

logger = logging.getLogger(__name__)
PREFIX: Final = "set_"
PENDING_DAYS: Final = 30
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; as RFC 8628 section 6.1 advises
CODE_LENGTH: Final = 12


class TicketRefused(Exception):
    """The ticket is unknown, used up, expired, revoked, or for another machine."""


class Asked(NamedTuple):
    """What a machine that asked is told, once."""

    machine: PendingMachine
    token: str
    code: str


def serial_hash(serial: str) -> bytes:
    """Return how a serial number is kept: only as a hash, whatever its letters' case."""
    return hashlib.sha256(serial.strip().upper().encode("utf-8")).digest()


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

    Raises TicketRefused. Where a ticket that is used up is shown by another machine, that is noted
    first: there may be a copy.
    """
    with transaction.atomic():
        # One after the other: of two machines with one ticket the second finds it used.
        held = EnrolmentTicket.objects.select_for_update().filter(sha256=token_hash(secret))
        ticket = held.first()
        if ticket is None or ticket.revoked_at:
            raise TicketRefused
        if known := ticket.machines.select_for_update().filter(public_key=public_key).first():
            return _answer_again(known)
        if ticket.used < ticket.places:
            if ticket.expires_at <= timezone.now() or not _is_for(ticket, serial):
                raise TicketRefused
            machine = PendingMachine(
                ticket=ticket,
                name=name,
                platform=platform.value,
                public_key=public_key,
                key_kind=key_kind,
            )
            return _take(ticket, machine)
        if ticket.ticket_set_id is not None and ticket.shown_again_at is None:
            _note_copy(ticket)
    raise TicketRefused  # only now: what was noted stands


def _is_for(ticket: EnrolmentTicket, serial: str) -> bool:
    return ticket.serial_sha256 is None or bytes(ticket.serial_sha256) == serial_hash(serial)


def _answer_again(machine: PendingMachine) -> Asked:
    """Return another token and code for a machine whose answer got lost, also after the ticket's
    own time: what waits, waits on."""
    if machine.outcome or machine.expires_at <= timezone.now():
        raise TicketRefused
    token, code = new_token(), _new_code()
    machine.token_sha256, machine.code_sha256 = token_hash(token), code_hash(code)
    machine.save(update_fields=["token_sha256", "code_sha256"])
    return Asked(machine, token, code)


def _take(ticket: EnrolmentTicket, machine: PendingMachine) -> Asked:
    now, token, code = timezone.now(), new_token(), _new_code()
    machine.token_sha256, machine.code_sha256 = token_hash(token), code_hash(code)
    machine.expires_at = now + timedelta(days=PENDING_DAYS)
    machine.save(force_insert=True)
    # Counted by the database, so that it would refuse one too many by itself.
    ticket.used = F("used") + 1
    ticket.last_used_at = now
    ticket.save(update_fields=["used", "last_used_at"])
    ledger.append(
        events.TicketUsed(platform=machine.platform, ticket=ticket.uuid),
        actor=Actor.system("agents"),
        covers=[ticket],
    )
    return Asked(machine, token, code)


def _note_copy(ticket: EnrolmentTicket) -> None:
    """Raise the alarm, once a ticket. Nobody is cut off for it: the machine that used the ticket
    is denied everything until its person compares the code, and who ends the ticket ends that."""
    ticket.shown_again_at = timezone.now()
    ticket.save(update_fields=["shown_again_at"])
    ledger.append(
        events.TicketShownAgain(ticket=ticket.uuid),
        actor=Actor.system("agents"),
        covers=[ticket],
    )
    logger.error("ticket_shown_again")


def code_hash(code: str) -> bytes:
    """Return how a code is kept and found, however a person wrote it."""
    letters = "".join(letter for letter in code.upper() if letter in ALPHABET)
    return hashlib.sha256(letters.encode("ascii")).digest()


def _new_code() -> str:
    letters = [secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, CODE_LENGTH, 4))
