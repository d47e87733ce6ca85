"""Changing the key that policies are signed with; no agent ever meets one it cannot find."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from portal.policykeys import halves, ring, standing
from portal.policykeys.manifest import Manifest, ManifestRefused
from portal.policykeys.models import PolicyKey
from portal.policykeys.standing import SYSTEM, RootElsewhere

CARRIED: Final = timedelta(days=7)
"""So long before a new key signs, where its manifest has to be carried to the root and back."""


class KeyWaits(Exception):
    """A new key is published already and does not sign yet."""


class KeyUnknown(Exception):
    """There is no such key."""


@transaction.atomic
def rotate_key(*, actor: Actor, carried: timedelta | None = None) -> PolicyKey:
    """Plan a new key, and publish it where the root is here; the one before it stays two leases.

    It signs two leases from now, and `carried` later where the root must be asked elsewhere. A
    key that was planned and never vouched for is planned anew. Raises KeyWaits while the last new
    one does not sign yet, and ManifestRefused where machines would believe none of it.
    """
    standing.one_at_a_time()
    now, manifest = timezone.now(), _ours()
    vouched = {key.kid for key in manifest.keys if key.not_before > now.timestamp()}
    if vouched:
        raise KeyWaits
    if carried is None:
        carried = timedelta(0) if standing.is_root_here() else CARRIED
    # Whatever a process remembers of the ring comes on top.
    lead = standing.two_leases() + timedelta(seconds=2 * ring.REMEMBERED)
    made = _plan(manifest, use_from=_whole(now + lead + carried), actor=actor)
    _publish(actor)
    return made


@transaction.atomic
def revoke_key(*, kid: str, actor: Actor) -> PolicyKey | None:
    """Plan that no agent believes a key any more; return the key that signs in its place.

    None where it did not sign. Where the root is here it counts at once. Raises KeyUnknown, and
    ManifestRefused where machines would believe none of it.
    """
    standing.one_at_a_time()
    now, manifest = timezone.now(), _ours()
    _row_of_first()
    row = PolicyKey.objects.select_for_update().filter(kid=kid).first()
    if row is None:
        raise KeyUnknown
    signs, heir = manifest.signer(now.timestamp()), None
    if row.revoked_at is None:
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
        ledger.append(events.PolicyKeyRevoked(kid=kid), actor=actor, covers=[row])
    if signs is None or signs.kid == kid:
        heir = _plan(manifest, use_from=_whole(now), actor=actor)
    _publish(actor)
    return heir


@transaction.atomic
def erase_spent(*, at: datetime) -> int:
    """Erase the private halves of keys that sign no more; return how many."""
    members = ring.ring()
    signs = ring.signer(members, at)
    if signs is None:
        return 0
    older = [member.kid for member in members if member.use_from < signs.use_from]
    manifest = standing.current()
    gone = Q(kid__in=[*older, *(manifest.revoked if manifest else ())])
    gone |= Q(drop_at__lte=at) & ~Q(kid__in=[member.kid for member in members])
    erased = 0
    for row in PolicyKey.objects.filter(gone, sealed__isnull=False).select_for_update():
        row.sealed = None
        row.save(update_fields=["sealed"])
        ledger.append(events.PolicyKeySpent(kid=row.kid), actor=SYSTEM, covers=[row])
        erased += 1
    return erased


def _ours() -> Manifest:
    """Return the manifest that stands; raises ManifestRefused where it is for another address.

    Whoever changes keys need not be the portal itself. For an address of their own they would
    replace a manifest that every machine believes by one that none does.
    """
    manifest = standing.ensure()
    if not standing.is_for_us(manifest):
        raise ManifestRefused(
            "manifest_of_another_portal",
            f"the one that stands is for {manifest.issuer}, and here the portal is taken to be at"
            f" {settings.PUBLIC_URL}; set SAYSO_PUBLIC_URL as the portal has it",
        )
    return manifest


def _plan(manifest: Manifest, *, use_from: datetime, actor: Actor) -> PolicyKey:
    """Let a key that waits, or a new one, sign from then on, and the others end after it."""
    begun = [key.kid for key in manifest.keys if key.not_before <= timezone.now().timestamp()]
    waiting = PolicyKey.objects.filter(sealed__isnull=False, revoked_at=None, drop_at=None)
    row = waiting.exclude(kid__in=begun).select_for_update().order_by("-pk").first()
    if row is None:
        row = _new(use_from)
    else:
        row.use_from = use_from
        row.save(update_fields=["use_from"])
    ledger.append(events.PolicyKeyPublished(kid=row.kid), actor=actor, covers=[row])
    _retire_others(manifest, row, drop_at=use_from + standing.two_leases())
    return row


def _new(use_from: datetime) -> PolicyKey:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kid = halves.key_id(public)
    return PolicyKey.objects.create(
        kid=kid, public=public, sealed=halves.sealed(kid, private), use_from=use_from
    )


def _retire_others(manifest: Manifest, made: PolicyKey, *, drop_at: datetime) -> None:
    """Let every key that has no end yet be dropped, the first one of the installation too.

    What a manifest says of an end stays; what was only planned is planned anew.
    """
    _row_of_first()
    endless = [key.kid for key in manifest.keys if key.not_after is None]
    rows = PolicyKey.objects.filter(kid__in=endless, revoked_at=None).exclude(pk=made.pk)
    for row in rows.select_for_update():
        row.drop_at = drop_at
        row.save(update_fields=["drop_at"])
        ledger.append(events.PolicyKeyRetired(kid=row.kid), actor=SYSTEM, covers=[row])


def _row_of_first() -> None:
    first = halves.founding()
    row, is_new = PolicyKey.objects.get_or_create(
        kid=first.kid, defaults={"public": first.public, "use_from": standing.LONG_AGO}
    )
    if is_new:
        ledger.append(events.PolicyKeyPublished(kid=row.kid), actor=SYSTEM, covers=[row])


def _publish(actor: Actor) -> None:
    """Have the next manifest signed, where the root is here."""
    with suppress(RootElsewhere):
        standing.sign_here(actor=actor)
    transaction.on_commit(ring.forget)


def _whole(moment: datetime) -> datetime:
    """Return the second that has begun: manifests count in whole seconds."""
    return datetime.fromtimestamp(int(moment.timestamp()), UTC)
