"""Poll tokens change without losing a machine, and one that was given up raises an alarm."""

from __future__ import annotations

import base64
import string
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.agents import (
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
from tests.integration.polling import Portal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> factories.World:
    from portal.endpoint import postgres
    from portal.models import AgentToken

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    _fresh_limits()
    monkeypatch.setattr(AgentToken, "GRACE", timedelta(0))
    return factories.make_world()


def _fresh_limits() -> None:
    from portal.api import rotation

    rotation._buckets._loose.clear()


@pytest.fixture
def machine(world: factories.World) -> Machine:
    world.say_yes()
    return machine_of(world.subject)


def standing_of(machine: Machine) -> str:
    machine.agent.refresh_from_db()
    return str(machine.agent.standing)


def let_the_overlap_pass() -> None:
    from portal.models import AgentToken

    past = timezone.now() - timedelta(seconds=1)
    AgentToken.objects.filter(ends_at__isnull=False).update(ends_at=past)


# --- what a rotation does ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Ed25519, P256])
def test_the_old_token_works_until_the_new_one_is_used(world: Any, kind: Any) -> None:
    machine = machine_of(world.subject, kind())

    new = machine.new_token()

    assert poll(machine.token).status_code == 200
    assert poll(new).status_code == 200
    assert code_of(poll(machine.token)) == (403, "agent_quarantined")


def test_a_token_that_is_never_fetched_is_stored_as_its_hash_only(
    machine: Machine, database: Any
) -> None:
    new = machine.new_token()

    rows = database.sql(
        "SELECT encode(sha256, 'hex') || coalesce(encode(proof_sha256, 'hex'), '')"
        " FROM portal_agenttoken"
    )
    assert len(rows) == 2
    assert all(new not in str(row) for row in rows)


def test_a_rotation_leaves_an_entry_that_names_nothing_stable(
    machine: Machine, database: Any
) -> None:
    machine.new_token()

    rows = database.sql("SELECT body FROM audit_entry WHERE type = 'agent.token_rotated'")
    assert len(rows) == 1
    assert str(machine.agent.ref).encode() not in bytes(rows[0][0])


# --- a lost answer -------------------------------------------------------------------------------


def test_a_rotation_that_failed_and_was_not_done_leaves_the_old_token(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no entry")

    with monkeypatch.context() as breaking:
        breaking.setattr(ledger, "append", broken)
        with pytest.raises(RuntimeError):
            machine.rotate()

    assert poll(machine.token).status_code == 200
    assert poll(machine.new_token()).status_code == 200


def test_a_rotation_that_failed_but_was_done_all_the_same_loses_nothing(machine: Machine) -> None:
    lost = machine.new_token()  # its answer never arrived

    assert poll(machine.token).status_code == 200
    again = machine.new_token()
    assert poll(machine.token).status_code == 200
    assert poll(again).status_code == 200
    assert code_of(poll(lost)) == (401, "token_unknown")
    assert standing_of(machine) == "active"


def test_a_machine_that_slept_through_the_overlap_comes_back_by_its_key(machine: Machine) -> None:
    machine.new_token()  # lost
    let_the_overlap_pass()

    assert code_of(poll(machine.token)) == (401, "token_ended")
    assert poll(machine.new_token()).status_code == 200
    assert standing_of(machine) == "active"


def test_asking_again_never_lengthens_the_overlap(machine: Machine) -> None:
    first = machine.rotate().json()["old_until"]
    second = machine.rotate().json()["old_until"]

    assert first == second


# --- who may ask ---------------------------------------------------------------------------------


WRONG: tuple[dict[str, Any], ...] = (
    {"aud": "https://another.example"},
    {"iat": 1},
    {"iat": 10**400},
    {"iat": "now"},
    {"ath": "x"},
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "ES256"},
)


def test_a_proof_that_is_not_ours_brings_nothing(machine: Machine) -> None:
    for wrong in WRONG:
        assert code_of(machine.rotate(**wrong)) == (422, "proof_invalid"), wrong
    _fresh_limits()
    for said in ("", "a.b", "a.b.c", "é.é.é", "W10.W10.W10"):
        assert machine.rotate(said=said or " ").status_code in {400, 422}, said


def test_only_the_agents_own_key_changes_its_token(machine: Machine) -> None:
    thief = Machine(machine.agent, machine.token, Ed25519())

    assert code_of(thief.rotate()) == (422, "proof_invalid")
    assert poll(machine.token).status_code == 200


def test_the_proof_of_an_enrolment_is_no_proof_of_a_rotation(machine: Machine) -> None:
    said = proof(machine.key, machine.token, ENROL)

    assert code_of(machine.rotate(said=said)) == (422, "proof_invalid")


def test_no_proof_is_good_for_two_tokens(machine: Machine) -> None:
    said = proof(machine.key, machine.token, ROTATE)

    assert machine.rotate(said=said).status_code == 201
    assert code_of(machine.rotate(said=said)) == (409, "proof_used")


def other_spellings(said: str) -> Iterator[str]:
    """The same proof in every other form that a lenient reader takes for it."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    for place, part in enumerate(parts := said.split(".")):
        unused = {2: 4, 3: 2}.get(len(part) % 4, 0)  # bits of the last letter that say nothing
        at = letters.index(part[-1])
        for bits in range(1, 1 << unused):
            other = part[:-1] + letters[at ^ bits]
            yield ".".join([*parts[:place], other, *parts[place + 1 :]])
        if unused:
            padded = part + "=" * (-len(part) % 4)
            yield ".".join([*parts[:place], padded, *parts[place + 1 :]])


@pytest.mark.parametrize("kind", [Ed25519, P256])
def test_no_spelling_of_a_used_proof_is_good_for_another_token(world: Any, kind: Any) -> None:
    """Whoever saw the request would get a token with it, and the machine would lose its own."""
    machine = machine_of(world.subject, kind())
    said = proof(machine.key, machine.token, ROTATE)
    pending = machine.rotate(said=said).json()["token"]

    spellings = list(other_spellings(said))
    assert spellings
    for other in spellings:
        _fresh_limits()
        assert code_of(machine.rotate(said=other)) == (422, "proof_invalid"), other

    assert poll(pending).status_code == 200


def test_the_second_signature_of_es256_makes_no_second_proof(world: Any) -> None:
    """(r, n - s) verifies as (r, s) does; anybody can work it out."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    machine = machine_of(world.subject, P256())
    said = proof(machine.key, machine.token, ROTATE)
    signed, _, signature = said.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = f"{signed}.{b64(twin)}"

    assert machine.rotate(said=other).status_code == 201, "it is as good as the first"
    assert code_of(machine.rotate(said=said)) == (409, "proof_used")
    assert code_of(machine.rotate(said=other)) == (409, "proof_used")


def test_one_agent_that_asks_without_end_is_told_to_wait(
    machine: Machine, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.api import pace

    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    other = machine_of(world.another_subject())
    answers = [machine.rotate() for _ in range(11)]

    assert code_of(answers[-1]) == (429, "too_many_requests")
    assert int(answers[-1]["Retry-After"]) >= 1
    assert other.rotate().status_code == 201, "another machine at the same address"


# --- the alarm -----------------------------------------------------------------------------------

ADDRESSES = (
    ("get", "/api/v1/policy"),
    ("post", "/api/v1/policy/ack"),
    ("post", "/api/v1/batches"),
    ("post", "/api/v1/explain"),
    ("post", "/api/v1/pauses"),
    ("post", "/api/v1/strikes"),
    ("post", "/api/v1/agents/token"),
    ("put", "/api/v1/batches/7d1f6f0e-6a3c-4a43-8a38-0b6a2f6f7a11/bytes"),
)


def ask(token: str, method: str, path: str) -> Any:
    return getattr(Client(), method)(
        path, {}, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )


def test_a_token_that_was_given_up_raises_the_alarm_wherever_it_is_shown(
    world: factories.World, database: Any
) -> None:
    for method, path in ADDRESSES:
        machine = machine_of(world.another_subject())
        new = machine.new_token()
        assert poll(new).status_code == 200

        for _ in range(2):
            assert code_of(ask(machine.token, method, path)) == (403, "agent_quarantined"), path

        assert standing_of(machine) == "quarantined"
        assert code_of(poll(new)) == (403, "agent_quarantined")
    alarms = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'agent.quarantined'")
    assert alarms == [(len(ADDRESSES),)]


def test_what_was_under_way_as_the_new_token_was_used_is_no_copy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.models import AgentToken

    monkeypatch.setattr(AgentToken, "GRACE", timedelta(minutes=1))
    poll(machine.new_token())

    assert code_of(poll(machine.token)) == (401, "token_given_up")
    assert code_of(machine.rotate()) == (401, "token_given_up")
    assert standing_of(machine) == "active"
    _use_all(ago=timedelta(minutes=2))
    assert code_of(poll(machine.token)) == (403, "agent_quarantined")


def _use_all(*, ago: timedelta) -> None:
    from portal.models import AgentToken

    AgentToken.objects.filter(used_at__isnull=False).update(used_at=timezone.now() - ago)


def test_a_token_of_two_generations_ago_raises_it_too(machine: Machine) -> None:
    second = machine.new_token()
    poll(second)
    third = machine.new_token(second)
    poll(third)

    assert code_of(poll(machine.token)) == (403, "agent_quarantined")


def test_the_alarm_outlasts_the_overlap(machine: Machine) -> None:
    poll(machine.new_token())
    let_the_overlap_pass()

    assert code_of(poll(machine.token)) == (403, "agent_quarantined")


# --- cut off everywhere, with Redis and without --------------------------------------------------


def cut_revoked(world: factories.World, machine: Machine) -> str:
    from consent import services

    services.revoke_agent(subject=world.subject, ref=str(machine.agent.ref))
    return "agent_revoked"


def cut_departed(world: factories.World, machine: Machine) -> str:
    from consent import services

    services.record_departure(
        subject=world.subject, left_at=timezone.now(), source="test", actor=factories.OFFICER
    )
    return "person_departed"


def cut_quarantined(world: factories.World, machine: Machine) -> str:
    from consent import services

    services.quarantine_agent(agent=machine.agent, reason="token_reused")
    return "agent_quarantined"


CUTS = [cut_revoked, cut_departed, cut_quarantined]


@pytest.mark.parametrize("cut", CUTS)
def test_who_is_cut_off_is_so_at_the_next_request_everywhere(
    world: factories.World, machine: Machine, cut: Any
) -> None:
    assert poll(machine.token).status_code == 200

    code = cut(world, machine)

    for method, path in ADDRESSES:
        assert code_of(ask(machine.token, method, path)) == (403, code), path


def assert_all_are_cut(portal: Portal, world: factories.World) -> None:
    for cut in CUTS:
        world.subject = world.another_subject()
        machine = machine_of(world.subject)
        first = portal.poll(machine.token)
        assert portal.poll(machine.token, first.etag).status == 304

        code = cut(world, machine)
        said = portal.poll(machine.token, first.etag)

        assert (said.status, code.encode() in said.body) == (403, True), code


def test_who_is_cut_off_is_so_under_redis_too(portal: Portal, world: factories.World) -> None:
    assert_all_are_cut(portal, world)


def test_who_is_cut_off_is_so_with_redis_away(world: factories.World, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nonexistent/redis.sock"
    running = Portal()
    try:
        assert_all_are_cut(running, world)
    finally:
        running.close()


def test_who_leaves_tomorrow_works_today(world: factories.World, machine: Machine) -> None:
    from consent import services

    tomorrow = timezone.now() + timedelta(days=1)
    services.record_departure(
        subject=world.subject, left_at=tomorrow, source="test", actor=factories.OFFICER
    )

    assert poll(machine.token).status_code == 200


def test_the_person_sees_the_alarm_and_can_remove_the_machine(
    world: factories.World, machine: Machine
) -> None:
    from portal.models import User

    person = User.objects.create_user("a@example.org", None, name="A", subject=world.subject)
    browser = Client()
    browser.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    cut_quarantined(world, machine)

    page = browser.get("/you/machines/").content.decode()
    browser.post(f"/you/machines/{machine.agent.ref}/remove/")

    assert "there may be a copy" in page
    assert "Ed25519" in page
    assert standing_of(machine) == "revoked"


# --- ahead of Django -----------------------------------------------------------------------------


def test_what_redis_keeps_for_a_token_ends_as_its_successor_is_used(
    portal: Portal, machine: Machine
) -> None:
    first = portal.poll(machine.token)
    assert portal.poll(machine.token, first.etag).status == 304
    new = machine.new_token()
    assert portal.poll(machine.token, first.etag).status == 304, "not used yet"

    assert portal.poll(new).status == 200
    said = portal.poll(machine.token, first.etag)

    assert (said.status, b"agent_quarantined" in said.body) == (403, True)
    assert portal.poll(new).status == 403


def test_what_redis_keeps_ends_as_the_successor_is_used_elsewhere(
    portal: Portal, machine: Machine
) -> None:
    """The new token is first used at another address, in another process."""
    first = portal.poll(machine.token)
    assert portal.poll(machine.token, first.etag).status == 304
    new = machine.new_token()

    ask(new, "post", "/api/v1/policy/ack")
    said = portal.poll(machine.token, first.etag)

    assert (said.status, b"agent_quarantined" in said.body) == (403, True)


def test_what_redis_keeps_never_outlasts_the_overlap(portal: Portal, machine: Machine) -> None:
    from portal.models import AgentToken

    machine.new_token()
    soon = timezone.now() + timedelta(seconds=2)
    AgentToken.objects.filter(ends_at__isnull=False).update(ends_at=soon)
    digest = _digest(machine.token)

    portal.poll(machine.token)
    known = portal.do(_look(portal, digest))

    assert known.fresh_until <= soon.timestamp()


def test_no_policy_issued_from_what_redis_keeps_outlasts_the_overlap(
    portal: Portal, machine: Machine
) -> None:
    """Kept before the token was changed, and issued anew again and again: never beyond its end."""
    from portal.models import AgentToken

    first = portal.poll(machine.token)
    assert portal.poll(machine.token, first.etag).status == 304
    machine.new_token()  # never used
    soon = timezone.now() + timedelta(seconds=20)
    AgentToken.objects.filter(ends_at__isnull=False).update(ends_at=soon)
    digest = _digest(machine.token)

    for _ in range(3):
        portal.do(_forget_body(portal, digest))
        assert portal.poll(machine.token).status == 200, "no body at hand: issued anew"
        known = portal.do(_look(portal, digest))
        assert known.etag
        assert known.ends_at == int(soon.timestamp())
        assert known.fresh_until <= soon.timestamp()


async def _forget_body(portal: Portal, digest: bytes) -> None:
    from portal.endpoint import record

    watch = portal.endpoint.shared.watch
    await watch.usable().call(b"DEL", record.body_key(watch.epoch, digest))


async def _look(portal: Portal, digest: bytes) -> Any:
    import time

    from portal.endpoint.source import FastSource

    return await FastSource(portal.endpoint.shared).look(digest, time.time(), None)


def _digest(token: str) -> bytes:
    from portal.api.tokens import token_hash

    return token_hash(token)


# --- any order of events -------------------------------------------------------------------------

STEPS = ("rotate", "lose", "use", "old", "sleep")


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=9))
def test_no_order_of_lost_answers_loses_a_machine(world: Any, steps: list[str]) -> None:
    """A model: the machine shows its newest token and falls back to the key, never further."""
    machine = machine_of(world.another_subject())
    current, given_up, ended = machine.token, [], False
    pending: str | None = None
    for step in steps:
        _fresh_limits()
        if step in {"rotate", "lose"}:
            made = machine.new_token(current)
            pending = made if step == "rotate" else None
        elif step == "use" and pending:
            assert poll(pending).status_code == 200
            given_up.append(current)
            current, pending, ended = pending, None, False
        elif step == "sleep":
            let_the_overlap_pass()
            ended = machine.agent.tokens.filter(
                sha256=_digest(current), ends_at__isnull=False
            ).exists()
        elif step == "old" and given_up:
            assert code_of(poll(given_up[0])) == (403, "agent_quarantined")
            assert code_of(poll(current)) == (403, "agent_quarantined")
            return
        if not ended:
            assert poll(current).status_code == 200

    assert poll(machine.new_token(current)).status_code == 200
    assert standing_of(machine) == "active"
