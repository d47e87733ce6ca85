"""The key that policies are signed with changes, and no agent ever meets one it cannot find."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.integration.agents import Machine, machine_of, poll

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def machine(database: Any) -> Machine:
    from portal.policykeys import ring

    ring.forget()
    return machine_of(factories.make_world().subject)


def published() -> dict[str, bytes]:
    keys = Client().get("/.well-known/sayso-policy-keys.json").json()["keys"]
    return {key["kid"]: unb64(key["x"]) for key in keys}


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed_with(machine: Machine) -> str:
    """The id of the key that a fresh policy is signed with, by what is published."""
    head, body, signature = poll(machine.token).content.decode().split(".")
    kid: str = json.loads(unb64(head))["kid"]
    Ed25519PublicKey.from_public_bytes(published()[kid]).verify(
        unb64(signature), f"{head}.{body}".encode()
    )
    return kid


def rotate() -> Any:
    from portal.policykeys.rotate import rotate_key

    return rotate_key(actor=factories.OFFICER)


def let_time_pass(span: timedelta) -> None:
    """Move every key's instants into the past, as if that much time had gone by."""
    from django.db import transaction
    from django.db.models import F

    from audit import events, ledger
    from portal.policykeys import ring
    from portal.policykeys.models import PolicyKey

    with transaction.atomic():
        rows = list(PolicyKey.objects.all())
        PolicyKey.objects.update(use_from=F("use_from") - span, drop_at=F("drop_at") - span)
        ledger.append(events.PolicyKeyPublished(kid="test"), actor=factories.OFFICER, covers=rows)
    ring.forget()


def two_leases() -> timedelta:
    from consent import selectors

    return timedelta(seconds=2 * selectors.setting("lease_seconds"))


def test_a_new_key_is_published_two_leases_before_it_signs(machine: Machine) -> None:
    first = signed_with(machine)

    made = rotate()

    assert set(published()) == {first, made.kid}
    assert signed_with(machine) == first
    assert made.use_from - timezone.now() >= two_leases()


def test_the_old_key_stays_published_two_leases_after(machine: Machine) -> None:
    first = signed_with(machine)
    made = rotate()

    let_time_pass(two_leases() + timedelta(seconds=20))
    assert signed_with(machine) == made.kid
    assert set(published()) == {first, made.kid}
    let_time_pass(two_leases() - timedelta(seconds=60))
    assert first in published()
    let_time_pass(timedelta(seconds=60))

    assert set(published()) == {made.kid}
    assert signed_with(machine) == made.kid


def test_a_second_rotation_waits_for_the_first(machine: Machine) -> None:
    rotate()

    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=io.StringIO())
    let_time_pass(two_leases() + timedelta(seconds=20))
    call_command("rotate_keys", stdout=io.StringIO())

    assert len(published()) == 3


def test_a_process_hears_of_it_without_being_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process changed the ring: this one reads anew after some seconds."""
    from portal.policykeys import ring

    before = set(published())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(ring, "forget", lambda: None)
        made = rotate()
    real = ring.time.monotonic
    monkeypatch.setattr(ring.time, "monotonic", lambda: real() + 2 * ring.REMEMBERED)

    assert set(published()) == before | {made.kid}


def test_private_halves_lie_sealed_and_go_when_spent(machine: Machine, database: Any) -> None:
    from portal.policykeys import ring
    from portal.policykeys import rotate as rotating
    from portal.policykeys.models import PolicyKey

    made = rotate()
    private = ring.signer([m for m in ring.ring() if m.kid == made.kid], made.use_from).private
    assert private is not None
    assert private.private_bytes_raw() not in bytes(PolicyKey.objects.get(pk=made.pk).sealed)
    assert rotating.erase_spent(at=made.use_from) == 0
    let_time_pass(two_leases() + timedelta(seconds=20))
    second = rotate()

    assert rotating.erase_spent(at=timezone.now()) == 0, "the first still signs"
    assert rotating.erase_spent(at=second.use_from) == 1
    assert PolicyKey.objects.get(pk=made.pk).sealed is None
    types = database.sql("SELECT DISTINCT type FROM audit_entry WHERE type LIKE 'policy_key.%'")
    assert len(types) == 3


def test_a_sealed_key_passes_for_no_other(machine: Machine) -> None:
    from django.conf import settings

    from audit import seal
    from portal.policykeys import ring

    made = rotate()

    with pytest.raises(seal.SealError):
        seal.unwrap(settings.SAYSO_SEAL_KEK, bytes(made.sealed), owner=ring.place_of("another key"))


@given(st.lists(st.integers(0, 5000), max_size=6), st.integers(0, 9000))
def test_at_any_instant_the_newest_key_whose_time_has_come_signs(
    starts: list[int], now: int
) -> None:
    from portal.policykeys.ring import Member, signer

    private = Ed25519PrivateKey.generate()
    at = NOON + timedelta(seconds=now)
    begun = sorted(start for start in starts if start <= now)
    ring = [Member("first", b"", None, None, private)]
    ring += [Member(str(s), b"", NOON + timedelta(seconds=s), None, private) for s in starts]

    assert signer(ring, at).kid == (str(begun[-1]) if begun else "first")
