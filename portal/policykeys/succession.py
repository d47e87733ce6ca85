"""Whether a manifest may follow the one that stands without leaving any agent behind. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from portal.policykeys.manifest import Manifest, ManifestRefused, VouchedKey


@dataclass(frozen=True, slots=True)
class Standing:
    """What a new manifest is held against."""

    issuer: str
    known: Mapping[str, bytes]
    """The public halves of the keys whose private halves are here, by their ids."""
    manifest: Manifest | None
    lead: int
    """Seconds that a key is known before it signs, and stays known after: two leases."""


def check(new: Manifest, standing: Standing, *, at: int, other_root: bool = False) -> None:
    """Raise ManifestRefused where the manifest cannot be taken at `at`.

    `other_root` takes one by another root than before: agents that pinned the old one refuse it.
    """
    _check_itself(new, standing, at)
    if standing.manifest is not None:
        _check_against(new, standing.manifest, standing.lead, at, other_root=other_root)
    if not all(new.signer(moment) for moment in _turns(new, at)):
        raise ManifestRefused(
            "manifest_leaves_a_gap", "at some time before its end no key of it could sign"
        )
    _check_ends(new, standing.lead, at)


def _check_itself(new: Manifest, standing: Standing, at: int) -> None:
    if new.issuer != standing.issuer:
        raise ManifestRefused("manifest_of_another_portal", f"it is for {new.issuer}")
    if new.expires_at <= at + standing.lead:
        raise ManifestRefused("manifest_expired", "it ends within two leases, or has ended")
    if new.epoch > at:
        raise ManifestRefused("manifest_epoch_bad", "its epoch begins in the future")
    for key in new.usable():
        if standing.known.get(key.kid) != key.public:
            raise ManifestRefused(
                "manifest_key_unknown", f"the private half of {key.kid} is not here"
            )


def _check_against(new: Manifest, old: Manifest, lead: int, at: int, *, other_root: bool) -> None:
    if new.root != old.root and not other_root:
        raise ManifestRefused(
            "manifest_root_wrong", f"it is signed by {new.root}, and agents know {old.root}"
        )
    if new.version <= old.version:
        raise ManifestRefused("manifest_version_old", "one of this version or a later one stands")
    if new.epoch < old.epoch:
        raise ManifestRefused("manifest_epoch_bad", "its epoch is before the one that stands")
    if lost := set(old.revoked) - set(new.revoked):
        raise ManifestRefused("manifest_unrevokes", f"it no longer revokes {min(lost)}")
    signs = old.signer(at)
    if signs and signs.kid not in new.revoked:
        _check_handover(new, old, signs, lead, at)


def _check_handover(new: Manifest, old: Manifest, signs: VouchedKey, lead: int, at: int) -> None:
    """The key that signs goes on until agents know the next one, and is known as long after."""
    listed = {key.kid for key in old.usable()}
    soon = [new.signer(moment) for moment in _turns(new, at) if moment < at + lead]
    if any(key is not None and key.kid not in listed for key in soon):
        raise ManifestRefused(
            "manifest_too_soon",
            "its new key would sign before agents have had two leases to know it: plan it anew"
            " with rotate_keys, and have that signed",
        )
    kept = next((key for key in new.usable() if key.kid == signs.kid), None)
    if kept is None or not kept.signs(at) or kept.not_before > signs.not_before:
        raise ManifestRefused(
            "manifest_drops_too_soon", f"{signs.kid} signs now, and it neither lists nor revokes it"
        )
    _check_end(kept, at, lead)


def _check_ends(new: Manifest, lead: int, at: int) -> None:
    """What a key signs last is believed for as long as a lease can run."""
    for begin, end in pairwise(sorted({*_turns(new, at)})):
        signs = new.signer(begin)
        if signs and signs != new.signer(end):
            _check_end(signs, end, lead)


def _check_end(key: VouchedKey, last: int, lead: int) -> None:
    if key.not_after is not None and key.not_after < last + lead:
        raise ManifestRefused(
            "manifest_drops_too_soon",
            f"{key.kid} would end before the policies that it signed are over",
        )


def _turns(new: Manifest, at: int) -> Iterator[int]:
    """Yield now and every second until its end at which another key begins or ends."""
    yield at
    for key in new.usable():
        for moment in (key.not_before, key.not_after):
            if moment is not None and at < moment < new.expires_at:
                yield moment
