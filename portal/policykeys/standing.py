"""The manifest that stands: the first one, the next one, and what the root is asked to sign.

Where the root's private half lies in a file of this installation (the default) each next manifest
is signed here; once that file was carried away, manifests are signed elsewhere and loaded. All
else is the same.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import hooks, selectors
from consent.models import Prepared
from portal import keys
from portal.policykeys import halves, manifest, succession
from portal.policykeys.manifest import Manifest, Request, VouchedKey
from portal.policykeys.models import KeyManifest, PolicyKey
from portal.servers import locations

LEASES: Final = 2
LOCK: Final = 7_215_020
LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
ROOT_FILE: Final = "policy-root.pem"
SIGNED_HERE: Final = timedelta(days=30)
RENEWED_BEFORE: Final = timedelta(days=10)
SYSTEM: Final = Actor.system("policy")


class RootElsewhere(Exception):
    """The root's private half does not lie on this machine."""


def current() -> Manifest | None:
    """Return the manifest that stands; None before the first."""
    newest = KeyManifest.objects.order_by("-version").first()
    return manifest.opened(newest.token) if newest else None


def newest_version() -> int:
    """Return the version of the manifest that stands; 0 before the first."""
    return next((version for (version,) in _VERSION.rows()), 0)


_VERSION: Final = Prepared(
    lambda *_: KeyManifest.objects.order_by("-version").values_list("version")[:1]
)


def policies_since() -> datetime:
    """Return from when on policies count: since a key was last revoked."""
    return KeyManifest.objects.aggregate(since=Max("policies_since"))["since"] or LONG_AGO


def token() -> str:
    """Return the manifest that stands as agents get it, signed now if it is the first."""
    ensure()
    return str(KeyManifest.objects.order_by("-version").values_list("token", flat=True)[0])


def ensure() -> Manifest:
    """Return the manifest that stands. The first one is made here, and with it the root's file."""
    if (found := current()) is not None:
        return found
    with transaction.atomic():
        one_at_a_time()
        if (found := current()) is not None:
            return found
        made = load_pem_private_key(
            locations.secret(ROOT_FILE, keys.new_ed25519_pem), password=None
        )
        if not isinstance(made, Ed25519PrivateKey):
            raise TypeError(f"{ROOT_FILE} does not hold an Ed25519 key")
        return _sign_by(made, actor=SYSTEM)


def sign_here(*, actor: Actor) -> Manifest:
    """Sign and load the next manifest; raises RootElsewhere where the root's file is not here."""
    with transaction.atomic():
        one_at_a_time()
        return _sign_by(_root_here(), actor=actor)


def renew(*, at: datetime) -> int:
    """Sign anew, where the root is here, what ends soon, lists what is over, or is for an address
    at which the portal was reached before; return how many."""
    found, now = ensure(), at.timestamp()
    is_fresh = found.expires_at - now > RENEWED_BEFORE.total_seconds()
    if (
        is_fresh
        and is_for_us(found)
        and all(key.not_after is None or key.not_after > now for key in found.keys)
    ):
        return 0
    try:
        sign_here(actor=SYSTEM)
    except RootElsewhere:
        return 0
    return 1


@transaction.atomic
def load_manifest(*, token: str, actor: Actor, other_root: bool = False) -> Manifest:
    """Take a manifest that was signed elsewhere, and let it stand.

    Raises ManifestRefused where it is not by our root, not newer, or would leave agents behind.
    """
    one_at_a_time()
    return _take(token, actor=actor, other_root=other_root)


def request() -> Request:
    """Return what the root is to vouch for now: the keys in use and those that are planned."""
    found, now = current(), timezone.now()
    rows = list(PolicyKey.objects.all())
    revoked = {row.kid for row in rows if row.revoked_at} | set(found.revoked if found else ())
    return Request(
        issuer=settings.PUBLIC_URL,
        # Like the versions of policies: neither a restore nor two keepers can make it fall.
        version=max((found.version if found else 0) + 1, int(now.timestamp() * 1000)),
        epoch=found.epoch if found else 0,
        keys=tuple(key for key in planned() if key.kid not in revoked),
        revoked=tuple(sorted(revoked)),
        root=found.root if found else "",
    )


def planned() -> list[VouchedKey]:
    """Return the keys as they are planned, without those that are over."""
    now = timezone.now()
    rows = {row.kid: row for row in PolicyKey.objects.order_by("pk")}
    first = halves.founding()
    listed = [_planned(row) for row in rows.values()]
    if first.kid not in rows:
        listed.insert(0, VouchedKey(first.kid, first.public, int(LONG_AGO.timestamp())))
    return [key for key in listed if key.not_after is None or key.not_after > now.timestamp()]


def two_leases() -> timedelta:
    """Return how long a key is known before it signs, and how long after."""
    return timedelta(seconds=LEASES * selectors.setting("lease_seconds"))


def is_for_us(found: Manifest) -> bool:
    """Return whether machines that enrol at our address believe this manifest."""
    return found.issuer == str(settings.PUBLIC_URL)


def is_root_here() -> bool:
    """Return whether whoever has this machine's files can sign a manifest."""
    return (locations.SECRETS / ROOT_FILE).exists()


def one_at_a_time() -> None:
    """Let changes of the ring and of the manifest go one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _planned(row: PolicyKey) -> VouchedKey:
    ends = None if row.drop_at is None else int(row.drop_at.timestamp())
    return VouchedKey(row.kid, bytes(row.public), int(row.use_from.timestamp()), ends)


def _root_here() -> Ed25519PrivateKey:
    try:
        pem = (locations.SECRETS / ROOT_FILE).read_bytes()
    except FileNotFoundError as error:
        raise RootElsewhere from error
    try:
        root = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:  # locked by a passphrase: nothing for a program
        raise RootElsewhere from error
    found = current()
    if not isinstance(root, Ed25519PrivateKey):
        raise RootElsewhere
    if found and manifest.thumbprint(root.public_key().public_bytes_raw()) != found.root:
        raise RootElsewhere
    return root


def _sign_by(root: Ed25519PrivateKey, *, actor: Actor) -> Manifest:
    seconds = int(SIGNED_HERE.total_seconds())
    made = manifest.sign(request(), root, at=int(timezone.now().timestamp()), seconds=seconds)
    return _take(made, actor=actor)


def _take(token: str, *, actor: Actor, other_root: bool = False) -> Manifest:
    new = manifest.opened(token)
    first = halves.founding()
    rows = {row.kid: row for row in PolicyKey.objects.all()}
    known = {kid: bytes(row.public) for kid, row in rows.items()} | {first.kid: first.public}
    held_against = succession.Standing(
        issuer=settings.PUBLIC_URL,
        known=known,
        manifest=current(),
        lead=int(two_leases().total_seconds()),
    )
    now = int(timezone.now().timestamp())
    succession.check(new, held_against, at=now, other_root=other_root)
    revokes = set(new.revoked) - set(held_against.manifest.revoked if held_against.manifest else ())
    kept = KeyManifest.objects.create(
        version=new.version,
        root=new.root,
        token=token.strip(),
        expires_at=datetime.fromtimestamp(new.expires_at, UTC),
        # The next whole second: no policy of this one can be told from those before.
        policies_since=datetime.fromtimestamp(now + 1, UTC) if revokes else None,
    )
    if revokes:
        hooks.policy_changing(everybody=True)
    ledger.append(
        events.PolicyKeysVouched(
            version=new.version,
            root=manifest.decode(new.root).hex(),  # as the ledger spells digests
            keys=tuple(key.kid for key in new.usable()),
            revoked=new.revoked,
            until=kept.expires_at.date(),
        ),
        actor=actor,
        covers=[kept],
    )
    _forget_on_commit()
    return new


def _forget_on_commit() -> None:
    from portal.policykeys import ring  # it asks us what stands

    transaction.on_commit(ring.forget)
