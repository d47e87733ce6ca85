"""An agent's own key changes without losing the machine, and one given up raises the alarm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.agents import (
    CHANGE,
    ENROL,
    P256,
    ROTATE,
    Ed25519,
    Machine,
    b64,
    code_of,
    machine_of,
    poll,
    proof,
)
from tests.integration.travelling import AgentClock, Travel, Website


@pytest.fixture
def world(database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> factories.World:
    from portal.endpoint import postgres
    from portal.models import AgentKey, AgentToken

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    fresh_limits()
    monkeypatch.setattr(AgentToken, "GRACE", timedelta(0))
    monkeypatch.setattr(AgentKey, "GRACE", timedelta(0))
    return factories.make_world()


def fresh_limits() -> None:
    from portal.api import rotation

    rotation._buckets._loose.clear()


@pytest.fixture
def machine(world: factories.World) -> Machine:
    return machine_of(world.subject)


def used(machine: Machine, new: Any) -> Machine:
    """Go over to the key by proving it for a new token, and use that."""
    there = Machine(machine.agent, machine.token, new)
    there.token = there.new_token()
    assert poll(there.token).status_code == 200
    return there


def standing_of(machine: Machine) -> str:
    machine.agent.refresh_from_db()
    return str(machine.agent.standing)


KINDS = [Ed25519, P256]


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_a_key_changes_between_both_kinds(world: Any, before: Any, after: Any) -> None:
    machine, new = machine_of(world.subject, before()), after()

    assert machine.name_key(new).status_code == 200
    there = used(machine, new)

    machine.agent.refresh_from_db()
    assert bytes(machine.agent.public_key) == new.public
    assert machine.agent.key_kind == new.kind
    assert there.rotate().status_code == 201


def test_until_the_new_key_is_used_the_old_one_goes_on(machine: Machine) -> None:
    new = Ed25519()
    machine.name_key(new)

    assert machine.rotate().status_code == 201
    assert machine.name_key(new).status_code == 200, "the answer got lost: asked again"
    assert standing_of(machine) == "active"
    used(machine, new)


def test_what_was_planned_is_replaced_and_never_was_a_key(machine: Machine) -> None:
    lost, new = Ed25519(), P256()
    machine.name_key(lost)
    machine.name_key(new)

    assert code_of(Machine(machine.agent, machine.token, lost).rotate()) == (422, "proof_invalid")
    used(machine, new)
    assert standing_of(machine) == "active"


def test_a_key_that_was_given_up_raises_the_alarm(machine: Machine, database: Any) -> None:
    new = Ed25519()
    machine.name_key(new)
    there = used(machine, new)

    copy = Machine(machine.agent, there.token, machine.key)

    assert code_of(copy.rotate()) == (403, "agent_quarantined")
    assert code_of(poll(there.token)) == (403, "agent_quarantined")
    assert standing_of(machine) == "quarantined"
    rows = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'agent.quarantined'")
    assert rows == [(1,)]


def test_naming_a_key_by_one_that_was_given_up_raises_it_too(machine: Machine) -> None:
    new = Ed25519()
    machine.name_key(new)
    there = used(machine, new)

    assert code_of(there.name_key(Ed25519(), old=machine.key)) == (403, "agent_quarantined")


def test_the_oldest_of_many_raises_it(machine: Machine) -> None:
    first = machine.key
    for _ in range(3):
        new = Ed25519()
        machine.name_key(new)
        machine = used(machine, new)

    assert code_of(Machine(machine.agent, machine.token, first).rotate()) == (
        403,
        "agent_quarantined",
    )


def test_what_was_under_way_is_no_copy(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.models import AgentKey

    monkeypatch.setattr(AgentKey, "GRACE", timedelta(minutes=5))
    new = Ed25519()
    machine.name_key(new)
    there = used(machine, new)

    late = Machine(machine.agent, there.token, machine.key)

    assert code_of(late.rotate()) == (409, "key_given_up")
    assert standing_of(machine) == "active"


def test_both_proofs_are_needed_and_each_for_this_very_key(machine: Machine) -> None:
    new, other = Ed25519(), Ed25519()
    secret = f"{machine.token}.{b64(new.public)}"
    wrong: list[dict[str, Any]] = [
        {"proof": proof(other, secret, CHANGE)},
        {"new_proof": proof(other, secret, CHANGE)},
        {"new_proof": proof(machine.key, secret, CHANGE)},
        {"proof": proof(machine.key, f"{machine.token}.{b64(other.public)}", CHANGE)},
        {"proof": proof(machine.key, secret, ROTATE)},
        {"new_proof": proof(new, secret, ENROL)},
        {"proof": proof(machine.key, secret, CHANGE, aud="https://another.example")},
        {"new_proof": proof(new, secret, CHANGE, iat=1)},
        {"key_kind": "p-256"},
    ]
    for differs in wrong:
        fresh_limits()
        assert code_of(machine.name_key(new, **differs)) == (422, "proof_invalid"), differs
    assert code_of(Machine(machine.agent, machine.token, new).rotate()) == (422, "proof_invalid")


def test_a_key_that_it_has_or_had_is_not_new(machine: Machine) -> None:
    assert code_of(machine.name_key(machine.key)) == (409, "key_not_new")
    new = Ed25519()
    machine.name_key(new)
    there = used(machine, new)

    assert code_of(there.name_key(machine.key, old=new)) == (409, "key_not_new")


def test_the_change_is_in_the_ledger_with_the_proven_key_sealed(
    machine: Machine, database: Any
) -> None:
    new = Ed25519()
    machine.name_key(new)
    used(machine, new)

    rows = database.sql("SELECT body FROM audit_entry WHERE type = 'agent.key_changed'")
    assert len(rows) == 1
    assert str(machine.agent.ref).encode() not in bytes(rows[0][0])


def test_a_change_without_its_entry_does_not_stand(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    new = Ed25519()
    machine.name_key(new)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", lambda *_a, **_k: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            Machine(machine.agent, machine.token, new).rotate()

    machine.agent.refresh_from_db()
    assert bytes(machine.agent.public_key) == machine.key.public
    used(machine, new)


# --- any order of events -------------------------------------------------------------------------


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(("name", "rename", "use", "token")), max_size=10))
def test_no_order_of_lost_answers_loses_a_machine(world: Any, steps: list[str]) -> None:
    """A model: whatever was named, the key that was used last works, and no other ever again."""
    machine = machine_of(world.another_subject())
    coming, given_up = None, []
    for step in steps:
        fresh_limits()
        if step == "name" or (step == "rename" and coming is None):
            coming = coming or Ed25519()
            assert machine.name_key(coming).status_code == 200
        elif step == "rename":
            coming = P256()
            assert machine.name_key(coming).status_code == 200
        elif step == "use" and coming:
            given_up.append(machine.key)
            machine, coming = used(machine, coming), None
        elif step == "token":
            machine.token = machine.new_token()
        assert poll(machine.token).status_code == 200

    fresh_limits()
    assert standing_of(machine) == "active"
    for old in given_up:
        assert code_of(Machine(machine.agent, machine.token, old).rotate()) == (
            403,
            "agent_quarantined",
        )


# --- the reference agent -------------------------------------------------------------------------


@pytest.fixture
def website(database: Any, settings: Any) -> Iterator[Website]:
    running = Website()
    settings.PUBLIC_URL = running.url
    yield running
    running.close()


@pytest.mark.parametrize("kind", ["ed25519", "p-256"])
def test_the_reference_agent_changes_its_key_at_the_real_portal(
    website: Website, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from sayso_agent.keys import kind_of, public_bytes

    from consent.models import Agent
    from tests.integration.test_policy_keys import enrolled

    fresh_limits()
    world = factories.make_world()
    world.say_yes()
    agent = enrolled(world, website, tmp_path / "home", Travel(monkeypatch))
    assert isinstance(agent.clock, AgentClock)
    old = agent.home.key()

    agent.change_key(kind)
    agent.poll()

    row = Agent.objects.get()
    new = agent.home.key()
    assert kind_of(new) == kind
    assert bytes(row.public_key) == public_bytes(new) != public_bytes(old)
    assert agent.recordable()
    agent.close()
