"""Changing the key that policies are signed with; no agent ever meets one it cannot find."""

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit import events, ledger, seal
from audit.ledger import Actor
from consent import selectors
from portal.policykeys import ring
from portal.policykeys.models import PolicyKey

LEASES: Final = 2
LOCK: Final = 7_215_020
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class KeyWaits(Exception):
    """A new key is published already and does not sign yet."""


@transaction.atomic
def rotate_key(*, actor: Actor, at: datetime | None = None) -> PolicyKey:
    """Publish a new key; it signs two leases from now, and the one before it stays two leases more.

    Raises KeyWaits while the last new one does not sign yet.
    """
    now = at or timezone.now()
    _one_at_a_time()
    if PolicyKey.objects.filter(use_from__gt=now).exists():
        raise KeyWaits
    two_leases = timedelta(seconds=LEASES * selectors.setting("lease_seconds"))
    # Whatever a process remembers of the ring comes on top.
    use_from = now + two_leases + timedelta(seconds=2 * ring.REMEMBERED)
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kid = ring.key_id(public)
    made = PolicyKey.objects.create(
        kid=kid,
        public=public,
        sealed=seal.wrap(
            settings.SAYSO_SEAL_KEK, private.private_bytes_raw(), owner=ring.place_of(kid)
        ),
        use_from=use_from,
    )
    _retire_others(made, drop_at=use_from + two_leases)
    ledger.append(events.PolicyKeyPublished(kid=kid), actor=actor, covers=[made])
    transaction.on_commit(ring.forget)
    return made


@transaction.atomic
def erase_spent(*, at: datetime) -> int:
    """Erase the private halves of keys that sign no more; return how many."""
    newest = PolicyKey.objects.filter(use_from__lte=at).order_by("-use_from").first()
    if newest is None:
        return 0
    spent = PolicyKey.objects.filter(use_from__lt=newest.use_from, sealed__isnull=False)
    erased = 0
    for row in spent.select_for_update():
        row.sealed = None
        row.save(update_fields=["sealed"])
        ledger.append(
            events.PolicyKeySpent(kid=row.kid), actor=Actor.system("policy"), covers=[row]
        )
        erased += 1
    return erased


def _retire_others(made: PolicyKey, *, drop_at: datetime) -> None:
    """Let every key before it be dropped, the first one of the installation too."""
    first = ring.founding()
    PolicyKey.objects.get_or_create(
        kid=first.kid,
        defaults={"public": first.public, "use_from": LONG_AGO},
    )
    for row in PolicyKey.objects.filter(drop_at=None).exclude(pk=made.pk):
        row.drop_at = drop_at
        row.save(update_fields=["drop_at"])
        ledger.append(
            events.PolicyKeyRetired(kid=row.kid), actor=Actor.system("policy"), covers=[row]
        )


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
