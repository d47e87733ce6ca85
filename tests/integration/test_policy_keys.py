"""The key that policies are signed with changes, and no agent ever meets one it cannot find."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.integration.agents import Machine, machine_of, poll
from tests.integration.polling import Portal, wait_until
from tests.integration.travelling import AgentClock, Travel, Website

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def machine(database: Any) -> Machine:
    from portal.policykeys import ring

    ring.forget()
    return machine_of(factories.make_world().subject)


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    return Travel(monkeypatch)


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


def rotate(**more: Any) -> Any:
    from portal.policykeys.rotate import rotate_key

    return rotate_key(actor=factories.OFFICER, **more)


def two_leases() -> timedelta:
    from portal.policykeys import standing

    return standing.two_leases()


def test_a_new_key_is_published_two_leases_before_it_signs(machine: Machine) -> None:
    first = signed_with(machine)

    made = rotate()

    assert set(published()) == {first, made.kid}
    assert signed_with(machine) == first
    assert made.use_from - timezone.now() >= two_leases()


def test_the_old_key_stays_published_two_leases_after(machine: Machine, travel: Travel) -> None:
    first = signed_with(machine)
    made = rotate()

    travel.until(made.use_from)
    assert signed_with(machine) == made.kid
    assert set(published()) == {first, made.kid}
    travel.pass_time(two_leases() - timedelta(seconds=60))
    assert first in published()
    travel.pass_time(timedelta(seconds=60))

    assert set(published()) == {made.kid}
    assert signed_with(machine) == made.kid


def test_a_second_rotation_waits_for_the_first(machine: Machine, travel: Travel) -> None:
    made = rotate()

    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=io.StringIO())
    travel.until(made.use_from)
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


def test_private_halves_lie_sealed_and_go_when_spent(
    machine: Machine, database: Any, travel: Travel
) -> None:
    from portal.policykeys import ring
    from portal.policykeys import rotate as rotating
    from portal.policykeys.models import PolicyKey

    made = rotate()
    member = next(m for m in ring.ring() if m.kid == made.kid)
    assert member.private is not None
    assert member.private.private_bytes_raw() not in bytes(made.sealed)
    travel.until(made.use_from)
    second = rotate()

    assert rotating.erase_spent(at=timezone.now()) == 0, "the first still signs"
    travel.until(second.use_from)
    assert rotating.erase_spent(at=timezone.now()) == 1
    assert PolicyKey.objects.get(pk=made.pk).sealed is None
    types = database.sql("SELECT DISTINCT type FROM audit_entry WHERE type LIKE 'policy_key.%'")
    assert {one for (one,) in types} == {
        f"policy_key.{what}" for what in ("published", "retired", "spent", "vouched")
    }


def test_a_sealed_key_passes_for_no_other(machine: Machine) -> None:
    from django.conf import settings

    from audit import seal
    from portal.policykeys import halves

    made = rotate()

    with pytest.raises(seal.SealError):
        seal.unwrap(
            settings.SAYSO_SEAL_KEK, bytes(made.sealed), owner=halves.place_of("another key")
        )


@given(st.lists(st.integers(0, 5000), max_size=6), st.integers(0, 9000))
def test_at_any_instant_the_newest_key_whose_time_has_come_signs(
    starts: list[int], now: int
) -> None:
    from portal.policykeys.ring import Member, signer

    private = Ed25519PrivateKey.generate()
    at = NOON + timedelta(seconds=now)
    begun = sorted(start for start in starts if start <= now)
    ring = [Member("first", b"", NOON - timedelta(days=1), None, private)]
    ring += [Member(str(s), b"", NOON + timedelta(seconds=s), None, private) for s in starts]
    ring.append(Member("gone", b"", at, at, private))
    ring.append(Member("foreign", b"", at, None, None))

    signs = signer(ring, at)

    assert signs is not None
    assert signs.kid == (str(begun[-1]) if begun else "first")


# --- a real agent goes on ------------------------------------------------------------------------


@pytest.fixture
def website(database: Any, settings: Any) -> Iterator[Website]:
    running = Website()
    settings.PUBLIC_URL = running.url
    yield running
    running.close()


def enrolled(world: factories.World, website: Website, folder: Path, travel: Travel) -> Any:
    """A reference agent that came with a ticket, and was approved."""
    from sayso_agent.agent import Agent
    from sayso_agent.enrol import enrol_by_ticket
    from sayso_agent.home import Home

    from portal.fleet.machines import approve_machine
    from portal.fleet.sets import make_tickets

    made = make_tickets(label="x", serials=["C1"], days=1, request=uuid4(), actor=factories.OFFICER)
    home = Home(folder)
    ticket = made.handed[0].ticket
    _who, approval = enrol_by_ticket(home, website.url, ticket=ticket, serial="C1", name="x")
    approve_machine(subject=world.subject, code=approval.code)
    return Agent(folder, clock=AgentClock(travel))


def kid_of(agent: Any) -> str:
    token: str = agent.home.policy()["token"]
    return kid_in(token.encode())


def kid_in(token: bytes) -> str:
    kid: str = json.loads(unb64(token.decode().split(".", maxsplit=1)[0]))["kid"]
    return kid


def test_an_agent_goes_on_without_a_gap_while_the_key_changes(
    website: Website, tmp_path: Path, travel: Travel
) -> None:
    """At every half lease it has a policy, from before the change until long after it."""
    world = factories.make_world()
    world.say_yes()
    agent = enrolled(world, website, tmp_path / "home", travel)
    half = two_leases() / 4
    kids = []
    assert agent.poll().permits_anything()
    first = kid_of(agent)

    made = rotate()
    for _ in range(13):
        assert agent.recordable(), agent.why_not()
        agent.poll()
        assert agent.recordable(), agent.why_not()
        kids.append(kid_of(agent))
        travel.pass_time(half)
    agent.close()

    assert list(dict.fromkeys(kids)) == [first, made.kid]
    assert len(published()) == 1, "the old one is gone"


def test_an_agent_that_lost_its_policy_after_the_change_gets_one_it_believes(
    website: Website, tmp_path: Path, travel: Travel
) -> None:
    """The policy in force was issued before the key that signs now had begun: it gets another."""
    world = factories.make_world()
    world.say_yes()
    agent = enrolled(world, website, tmp_path / "home", travel)
    made = rotate()
    travel.until(made.use_from - timedelta(seconds=30))
    agent.poll()
    travel.until(made.use_from)
    agent.poll()
    assert kid_of(agent) != made.kid, "nothing was issued for a change of keys"

    agent.etag = ""
    agent.poll()

    assert kid_of(agent) == made.kid
    assert agent.recordable()
    agent.close()


def test_what_redis_keeps_of_a_revoked_key_is_answered_no_more(
    database: Any, portal: Portal
) -> None:
    from portal.policykeys.rotate import revoke_key

    world = factories.make_world()
    world.say_yes()
    machine = machine_of(world.subject)
    old = portal.poll(machine.token)
    assert portal.poll(machine.token).body == old.body
    waiting = portal.begin(machine.token, old.etag, "wait=20")
    wait_until(lambda: len(portal.endpoint.shared.room) == 1)

    heir = revoke_key(kid=kid_in(old.body), actor=factories.OFFICER)

    assert waiting.result(10).status == 409
    new = portal.poll(machine.token, old.etag)
    assert heir is not None
    assert (new.status, kid_in(new.body)) == (200, heir.kid)
    assert kid_in(portal.poll(machine.token).body) == heir.kid


def test_an_agent_believes_a_revoked_key_no_more_and_its_heir_at_once(
    website: Website, tmp_path: Path, travel: Travel
) -> None:
    from sayso_agent.errors import PolicyRefusedError
    from sayso_agent.portal import PolicyAnswer

    from portal.policykeys.rotate import revoke_key

    world = factories.make_world()
    world.say_yes()
    agent = enrolled(world, website, tmp_path / "home", travel)
    agent.poll()
    stolen = kid_of(agent)
    old = agent.home.policy()["token"]
    travel.pass_time(timedelta(seconds=3))

    heir = revoke_key(kid=stolen, actor=factories.OFFICER)
    agent.poll()  # naming the policy it has, which is in force no more

    assert heir is not None
    assert kid_of(agent) == heir.kid
    assert agent.recordable()
    fetched = type("Fetched", (), {})()
    fetched.answer, fetched.asked, fetched.received = (
        PolicyAnswer(old, "", 0.0), agent.clock.now(), agent.clock.now(),
    )  # fmt: skip
    with pytest.raises(PolicyRefusedError) as refused:
        agent.apply(fetched)
    assert refused.value.code == "policy_key_revoked"
    assert agent.recordable() == []
    agent.close()
