"""What an agent meets over HTTP: enrolment, policy, acknowledgement, batches, refusals."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.test import Client

from tests import factories

FORM = "application/x-www-form-urlencoded"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(key: Ed25519PrivateKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    body = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{body}.{b64(key.sign(body.encode()))}"


def read_policy(client: Client, response: Any) -> dict[str, Any]:
    """Verify a policy with the published key, by the test's own code, and return it."""
    keys = client.get("/.well-known/sayso-policy-keys.json").json()["keys"]
    head, body, signature = response.content.decode().split(".")
    header = json.loads(unb64(head))
    key = next(k for k in keys if k["kid"] == header["kid"])
    assert header == {"alg": "EdDSA", "kid": key["kid"], "typ": "policy+jwt"}
    public = Ed25519PublicKey.from_public_bytes(unb64(key["x"]))
    public.verify(unb64(signature), f"{head}.{body}".encode())
    document: dict[str, Any] = json.loads(unb64(body))
    return document


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.fixture
def employee(world: factories.World) -> Client:
    """A browser signed in as the world's person."""
    from portal.models import User

    user = User.objects.create_user(
        "a@example.org", "a long password", name="A", subject=world.subject
    )
    client = Client(enforce_csrf_checks=False)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def approve(machine: Client, employee: Client, decision: str = "confirm") -> dict[str, Any]:
    """Run the device flow up to the person's answer; return what the token endpoint says."""
    started = machine.post(
        "/identity/o/api/device/code",
        urlencode({"client_id": "sayso-agent", "scope": "openid"}),
        content_type=FORM,
    ).json()
    page = employee.get("/identity/o/device", {"code": started["user_code"]})
    assert page.status_code == 200, page.content[:300]
    employee.post(f"/identity/o/device?code={started['user_code']}", {"action": decision})
    answer = machine.post(
        "/identity/o/api/token",
        urlencode(
            {
                "grant_type": DEVICE_GRANT,
                "device_code": started["device_code"],
                "client_id": "sayso-agent",
            }
        ),
        content_type=FORM,
    )
    return {"status": answer.status_code, **answer.json()}


def enrol(machine: Client, access_token: str, **differs: Any) -> Any:
    key = Ed25519PrivateKey.generate()
    claims = {
        "aud": "http://127.0.0.1:8000",
        "ath": b64(hashlib.sha256(access_token.encode()).digest()),
        "iat": int(time.time()),
    }
    claims.update(differs.pop("claims", {}))
    return machine.post(
        "/api/v1/agents",
        {
            "name": "laptop",
            "platform": "linux",
            "public_key": b64(key.public_key().public_bytes_raw()),
            "proof": sign(key, {"alg": "EdDSA", "typ": "agent-proof+jwt"}, claims),
            **differs,
        },
        content_type="application/json",
        headers={"Authorization": f"Bearer {access_token}"},
    )


@pytest.fixture
def token(world: factories.World) -> str:
    """An enrolled agent's poll token."""
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    agent = factories.make_agent(world.subject)
    fresh = new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(fresh))
    return fresh


def poll(token: str, etag: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    if etag:
        headers["If-None-Match"] = etag
    return Client().get("/api/v1/policy", headers=headers)


def test_the_device_flow_enrols_one_machine_once(world: Any, employee: Client) -> None:
    machine = Client()
    granted = approve(machine, employee)
    assert granted["status"] == 200, granted

    first = enrol(machine, granted["access_token"])
    again = enrol(machine, granted["access_token"])

    assert first.status_code == 201, first.content
    assert poll(first.json()["token"]).status_code == 200
    assert again.status_code == 401
    assert again.json()["next_step"]


def test_a_denied_machine_gets_nothing(world: Any, employee: Client) -> None:
    answer = approve(Client(), employee, "deny")

    assert answer["status"] == 400
    assert answer["error"] == "access_denied"


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://elsewhere.example"}, {"iat": 0}, {"ath": "x"}],
    ids=lambda c: next(iter(c)),
)
def test_a_proof_for_another_portal_token_or_time_enrols_nothing(
    world: Any, employee: Client, claims: dict[str, Any]
) -> None:
    from consent.models import Agent

    granted = approve(Client(), employee)

    refused = enrol(Client(), granted["access_token"], claims=claims)

    assert (refused.status_code, refused.json()["code"]) == (422, "proof_invalid")
    assert Agent.objects.count() == 0


def test_the_policy_denies_by_default_and_says_why(world: factories.World, token: str) -> None:
    document = read_policy(Client(), poll(token))

    assert document["allow"] == []
    assert document["default"] == {"decision": "deny", "reasons": ["app_not_allowlisted"]}
    denied = {
        (app, signal)
        for item in document["deny"]
        for app in item["apps"]
        for signal in item["signals"]
        if item["reasons"]
    }
    assert ("tracker", "mouse_click") in denied


def test_an_unchanged_policy_is_a_304_and_writes_nothing(
    world: factories.World, token: str, database: Any
) -> None:
    first = poll(token)
    before = database.sql("SELECT count(*) FROM audit_entry")

    second = poll(token, first["ETag"])

    assert (second.status_code, second.content) == (304, b"")
    assert second["ETag"] == first["ETag"]
    assert database.sql("SELECT count(*) FROM audit_entry") == before


def test_the_poll_after_a_withdrawal_denies(world: factories.World, token: str) -> None:
    from consent import services

    world.say_yes()
    allowed = poll(token)
    assert read_policy(Client(), allowed)["allow"]

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    after = poll(token, allowed["ETag"])

    document = read_policy(Client(), after)
    assert after.status_code == 200
    assert document["allow"] == []
    assert document["version"] > read_policy(Client(), allowed)["version"]


def test_a_pause_denies_and_resuming_allows_again(world: factories.World, token: str) -> None:
    from consent import services

    world.say_yes()
    services.pause_capture(subject=world.subject)
    paused = read_policy(Client(), poll(token))
    services.resume_capture(subject=world.subject)
    resumed = read_policy(Client(), poll(token))

    assert (paused["allow"], paused["paused"]) == ([], True)
    assert resumed["allow"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer sat_wrong"}, 401),
        ({"Authorization": "Basic eA=="}, 401),
    ],
)
def test_an_unknown_token_is_refused_with_a_next_step(
    database: Any, header: dict[str, str], status: int
) -> None:
    refused = Client().get("/api/v1/policy", headers=header)

    assert refused.status_code == status
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["next_step"]


def test_a_revoked_machine_is_cut_at_its_next_poll(world: factories.World, token: str) -> None:
    from consent import services
    from consent.models import Agent

    services.revoke_agent(subject=world.subject, ref=str(Agent.objects.get().ref))

    refused = poll(token)

    assert (refused.status_code, refused.json()["code"]) == (403, "agent_revoked")


def test_acknowledging_twice_leaves_one_record(
    world: factories.World, token: str, database: Any
) -> None:
    version = read_policy(Client(), poll(token))["version"]
    said = {"version": version, "applied_at": datetime.now(UTC).isoformat(), "purged": True}

    for _ in range(2):
        answer = Client().post(
            "/api/v1/policy/ack",
            said,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 204, answer.content

    assert database.sql("SELECT count(*) FROM consent_policyacknowledgement") == [(1,)]


def acknowledge(token: str, version: int, **differs: Any) -> Any:
    said = {"version": version, "applied_at": datetime.now(UTC).isoformat(), "purged": True}
    return Client().post(
        "/api/v1/policy/ack",
        {**said, **differs},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_that_a_machine_has_purged_since_is_recorded_and_never_taken_back(
    world: factories.World, token: str, database: Any
) -> None:
    version = read_policy(Client(), poll(token))["version"]

    for purged in (False, False, True, False, True):
        assert acknowledge(token, version, purged=purged).status_code == 204

    rows = "SELECT purged FROM consent_policyacknowledgement ORDER BY id"
    assert database.sql(rows) == [(False,), (True,)]
    entries = "SELECT count(*) FROM audit_entry WHERE type = 'policy.acknowledged'"
    assert database.sql(entries) == [(2,)]


@pytest.mark.parametrize("seconds", [-1, 0, None])
def test_a_version_is_not_applied_before_it_was_issued_nor_in_the_future(
    world: factories.World, token: str, database: Any, seconds: int | None
) -> None:
    policy = read_policy(Client(), poll(token))
    issued = datetime.fromtimestamp(policy["iat"], UTC)
    hour = datetime.now(UTC) + timedelta(hours=1)
    applied = hour if seconds is None else issued + timedelta(seconds=seconds)

    answer = acknowledge(token, policy["version"], applied_at=applied.isoformat())

    if seconds == 0:
        assert answer.status_code == 204
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "applied_at_wrong")
        assert answer.json()["next_step"]
    written = "SELECT count(*) FROM consent_policyacknowledgement"
    assert database.sql(written) == [(int(seconds == 0),)]


def announce(token: str, policy: dict[str, Any], content: bytes, **differs: Any) -> Any:
    start = datetime.fromtimestamp(policy["iat"], UTC)
    manifest = {
        "batch": str(uuid4()),
        "policy_version": policy["version"],
        "purpose": "train-agents",
        "app": "tracker",
        "signals": {"mouse_click": 1},
        "from": start.isoformat(),
        "until": (start + timedelta(seconds=1)).isoformat(),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "redactor": "test/1",
        **differs,
    }
    return Client().post(
        "/api/v1/batches",
        manifest,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def upload(token: str, url: str, content: bytes) -> Any:
    return Client().put(
        url,
        content,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_a_batch_within_the_policy_is_admitted_once(
    world: factories.World, token: str, store: Path, database: Any
) -> None:
    world.say_yes()
    policy = read_policy(Client(), poll(token))
    batch = str(uuid4())

    announced = announce(token, policy, b"events", batch=batch)
    assert announced.status_code == 201, announced.content
    first = upload(token, announced.json()["upload_url"], b"events")
    again = upload(token, announced.json()["upload_url"], b"events")

    assert (first.status_code, first.json()["state"]) == (201, "admitted")
    assert (again.status_code, again.json()["state"]) == (200, "admitted")
    assert announce(token, policy, b"events", batch=batch).status_code == 200
    assert database.sql("SELECT count(*) FROM retention_batch") == [(1,)]
    assert [f.read_bytes() for f in store.rglob("*") if f.is_file()] == [b"events"]


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({"signals": {"screenshot": 1}}, "signal_not_allowed:screenshot"),
        ({"app": "elsewhere"}, "app_not_allowed"),
        ({"purpose": "another"}, "app_not_allowed"),
        ({"policy_version": 7}, "policy_never_issued"),
        ({"until": "2099-01-01T00:00:00Z"}, "outside_the_lease"),
        ({"bytes": 50_000_000}, "batch_too_large"),
    ],
)
def test_a_batch_outside_the_policy_is_refused_and_nothing_is_kept(
    world: factories.World, token: str, store: Path, differs: dict[str, Any], reason: str
) -> None:
    world.say_yes()
    policy = read_policy(Client(), poll(token))

    refused = announce(token, policy, b"events", **differs)

    assert (refused.status_code, refused.json()["code"]) == (422, "batch_refused")
    assert reason in refused.json()["reasons"]
    assert not list(store.rglob("*"))


@pytest.mark.parametrize("content", [b"other!", b"longer than announced", b"x"])
def test_bytes_that_do_not_match_are_not_kept(
    world: factories.World, token: str, store: Path, content: bytes
) -> None:
    world.say_yes()
    policy = read_policy(Client(), poll(token))
    announced = announce(token, policy, b"events").json()

    refused = upload(token, announced["upload_url"], content)

    assert (refused.status_code, refused.json()["code"]) == (422, "bytes_do_not_match")
    assert not [f for f in store.rglob("*") if f.is_file()]


def test_bytes_that_arrive_after_the_withdrawal_are_not_kept(
    world: factories.World, token: str, store: Path
) -> None:
    from consent import services

    world.say_yes()
    policy = read_policy(Client(), poll(token))
    announced = announce(token, policy, b"events").json()
    services.withdraw_consent(subject=world.subject, purpose="train-agents")

    refused = upload(token, announced["upload_url"], b"events")

    assert (refused.status_code, refused.json()["code"]) == (422, "batch_refused")
    assert "consent_does_not_stand" in refused.json()["reasons"]
    assert not [f for f in store.rglob("*") if f.is_file()]


def test_another_manifest_under_the_same_id_is_a_conflict(
    world: factories.World, token: str, store: Path
) -> None:
    world.say_yes()
    policy = read_policy(Client(), poll(token))
    batch = str(uuid4())
    announce(token, policy, b"events", batch=batch)

    conflict = announce(token, policy, b"other", batch=batch)

    assert (conflict.status_code, conflict.json()["code"]) == (409, "manifest_differs")


@pytest.mark.parametrize(
    "differs", [{"signals": {}}, {"signals": {"webcam": 1}}, {"sha256": "x"}, {"batch": "7"}]
)
def test_an_unreadable_manifest_says_what_is_wrong(
    world: factories.World, token: str, differs: dict[str, Any]
) -> None:
    policy = read_policy(Client(), poll(token))

    refused = announce(token, policy, b"events", **differs)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert refused.json()["errors"]
