"""Making sets of tickets, and making one anew whose answer got lost."""

import json
import secrets
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Cohort
from portal.api.tokens import token_hash
from portal.fleet.models import EnrolmentTicket, TicketSet
from portal.fleet.tickets import PREFIX, serial_hash
from portal.policykeys import standing

LONGEST_DAYS: Final = 90
MOST: Final = 10_000
"""Tickets at once: one answer of about a megabyte. A larger fleet asks several times."""
LONGEST_SERIAL: Final = 80

REPLACE: Final = """
UPDATE portal_enrolmentticket AS t SET sha256 = n.sha256
FROM unnest(%s::bigint[], %s::bytea[]) AS n (id, sha256) WHERE t.id = n.id
"""


class TicketUnbound(Exception):
    """Tickets must be bound to one of a list of serial numbers, a site and a cohort."""


class TicketOfMany(Exception):
    """Of serial numbers there is one ticket each: how many is not to be said beside them."""


class SerialTwice(Exception):
    """A serial number stands in the list more than once."""

    def __init__(self, place: int) -> None:
        super().__init__(str(place))
        self.place = place
        """Where it stands again, counted from one."""


class RequestDiffers(Exception):
    """Under this number something else was asked for already."""


class RequestAnswered(Exception):
    """What was asked for under this number was made, and its answer arrived."""


class Handed(NamedTuple):
    """What is handed to one machine, by its place in the list."""

    number: int
    serial: str
    ticket: str


class Made(NamedTuple):
    """A set and its tickets, which nobody can read again later."""

    ticket_set: TicketSet
    handed: list[Handed]
    is_new: bool


@transaction.atomic
def make_tickets(
    *,
    label: str,
    days: int,
    request: UUID,
    actor: Actor,
    serials: Sequence[str] = (),
    site: str = "",
    cohort: Cohort | None = None,
    count: int | None = None,
    renews: bool = True,
) -> Made:
    """Return a new set: a ticket for each of the serial numbers, or `count` for a group.

    Each is a secret, and behind a dot the thumbprint of our root: so a machine knows before its
    first question whom to believe. The same `request` again makes no second set: as long as nobody
    used a ticket of it, its tickets are replaced, as the answer seems lost; without `renews` they
    are not. Raises TicketUnbound, TicketOfMany, SerialTwice, RequestDiffers, RequestAnswered.
    """
    bounds = {"serial": bool(serials), "site": bool(site), "cohort": cohort is not None}
    if sum(bounds.values()) != 1:
        raise TicketUnbound
    if serials and count is not None:
        raise TicketOfMany
    hashes = _hashes(serials) or [None] * (count or 1)
    asked = _digest([label, days, site, cohort.digest if cohort else "", *map(_hex, hashes)])
    root = standing.ensure().root
    ticket_set, is_new = TicketSet.objects.get_or_create(
        request=request, defaults={"label": label, "asked_sha256": asked}
    )
    if not is_new:
        if bytes(ticket_set.asked_sha256) != asked:
            raise RequestDiffers
        if not renews:
            raise RequestAnswered
        return Made(ticket_set, _handed(_renew(ticket_set, actor), serials, root), is_new)
    made = [PREFIX + secrets.token_urlsafe(32) for _ in hashes]
    expires_at = timezone.now() + timedelta(days=days)
    rows = EnrolmentTicket.objects.bulk_create(
        EnrolmentTicket(
            ticket_set=ticket_set,
            number=number,
            sha256=token_hash(secret),
            serial_sha256=serial,
            site=site,
            cohort=cohort,
            expires_at=expires_at,
        )
        for number, (secret, serial) in enumerate(zip(made, hashes, strict=True), start=1)
    )
    ledger.append(
        events.TicketMade(
            bound_to=next(name for name, is_it in bounds.items() if is_it),
            places=len(rows),
            ticket_set=ticket_set.uuid,
        ),
        actor=actor,
        covers=[ticket_set, *rows],
    )
    return Made(ticket_set, _handed(made, serials, root), is_new)


def _renew(ticket_set: TicketSet, actor: Actor) -> list[str]:
    """Return new secrets for a set of which no ticket was used or ended; the old ones are void."""
    rows = list(ticket_set.tickets.select_for_update().order_by("number"))
    if any(row.used or row.revoked_at for row in rows):
        raise RequestAnswered
    made = [PREFIX + secrets.token_urlsafe(32) for _ in rows]
    with connection.cursor() as cursor:
        cursor.execute(REPLACE, [[row.pk for row in rows], [token_hash(one) for one in made]])
    ledger.append(
        events.TicketRenewed(places=len(rows), ticket_set=ticket_set.uuid),
        actor=actor,
        covers=rows,
    )
    return made


def _handed(made: Sequence[str], serials: Sequence[str], root: str) -> list[Handed]:
    names = serials or [""] * len(made)
    return [
        Handed(number, serial, f"{secret}.{root}")
        for number, (serial, secret) in enumerate(zip(names, made, strict=True), start=1)
    ]


def _hashes(serials: Sequence[str]) -> list[bytes | None]:
    found: dict[bytes | None, None] = {}
    for place, serial in enumerate(serials, start=1):
        if (digest := serial_hash(serial)) in found:
            raise SerialTwice(place)
        found[digest] = None
    return list(found)


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""


def _digest(said: list[object]) -> bytes:
    return sha256(json.dumps(said).encode("utf-8")).digest()
