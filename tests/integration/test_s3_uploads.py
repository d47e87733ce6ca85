"""Agents put bytes into a bucket themselves: nothing counts before it was read back and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests import factories
from tests.integration.seaweed import Seaweed
from tests.integration.test_s3_store import Bucket, new_bucket, send

CONTENT = b"what was recorded"


@pytest.fixture(scope="module")
def made(s3_server: Seaweed) -> Bucket:
    return new_bucket(s3_server, versioned=True)


@pytest.fixture
def bucket(made: Bucket, settings: Any, tmp_path: Path) -> Iterator[Bucket]:
    """A bucket that keeps old versions, and is where new batches go."""
    settings.STORES = {
        "files": {"kind": "filesystem", "root": tmp_path / "store"},
        "s3": made.place,
    }
    settings.DEFAULT_STORE = "s3"
    settings.UPLOAD_ORIGINS = [made.place["endpoint"]]
    yield made
    made.empty()


def token_of(agent: Any) -> str:
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    token = new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(token))
    return token


class Machine:
    """A machine of somebody who said yes."""

    def __init__(self) -> None:
        self.world = factories.make_world()
        self.world.say_yes()
        self.agent = factories.make_agent(self.world.subject)
        self.token = token_of(self.agent)
        self.policy = factories.make_policy(self.agent)
        self.batch = str(uuid4())

    def announce(self) -> Any:
        start = self.policy.issued_at
        manifest = {
            "batch": self.batch,
            "policy_version": self.policy.version,
            "purpose": "train-agents",
            "app": "tracker",
            "signals": {"mouse_click": 1},
            "from": start.isoformat(),
            "until": (start + timedelta(seconds=1)).isoformat(),
            "bytes": len(CONTENT),
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "redactor": "test/1",
        }
        return self._post("/api/v1/batches", manifest)

    def put(self, told: Any) -> int:
        return send(told["upload_url"], dict(told["upload_headers"]), CONTENT)

    def say_received(self) -> Any:
        return self._post(f"/api/v1/batches/{self.batch}/received", {})

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return Client().post(path, body, content_type="application/json", headers=headers)

    def withdraw(self) -> None:
        from consent import services

        services.withdraw_consent(subject=self.world.subject, purpose="train-agents")


@pytest.fixture
def machine(database: Any, bucket: Bucket) -> Machine:
    return Machine()


def state(database: Any) -> str:
    ((found,),) = database.sql("SELECT state FROM retention_admission")
    return str(found)


def come_true(database: Any) -> int:
    """Let the last address end long ago, and the workers look at it."""
    from retention import services

    database.sql("UPDATE retention_upload SET next_at = now() - interval '1 second'", role="app")
    return services.settle_uploads()


# --- the way it goes -----------------------------------------------------------------------------


def test_bytes_in_the_bucket_are_admitted_once_they_were_read_back(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    announced = machine.announce()
    told = announced.json()
    assert (announced.status_code, told["state"]) == (201, "awaiting_bytes")
    assert told["upload_url"].startswith(bucket.place["endpoint"])
    assert set(told["upload_headers"]) == {
        "Content-Length", "Content-Type", "x-amz-checksum-sha256",
    }  # fmt: skip
    assert machine.put(told) == 200
    assert state(database) == "awaiting_bytes"

    first, again = machine.say_received(), machine.say_received()

    assert (first.status_code, first.json()["state"]) == (201, "admitted")
    assert (again.status_code, again.json()["state"]) == (200, "admitted")
    (batch,) = database.sql("SELECT store, key, bytes FROM retention_batch")
    assert batch == ("s3", bucket.left()[0], len(CONTENT))
    assert "upload_url" not in machine.announce().json()


def test_the_token_is_needed_to_say_so(machine: Machine, database: Any) -> None:
    machine.put(machine.announce().json())
    machine.token = "sat_" + "x" * 43

    assert machine.say_received().status_code == 401
    assert state(database) == "awaiting_bytes"


def test_another_machine_cannot_say_so(machine: Machine, database: Any) -> None:
    machine.put(machine.announce().json())
    other = Machine.__new__(Machine)
    other.agent, other.batch = factories.make_agent(machine.world.subject), machine.batch
    other.token = token_of(other.agent)

    answer = other.say_received()

    assert (answer.status_code, answer.json()["code"]) == (404, "batch_unknown")
    assert state(database) == "awaiting_bytes"


def test_the_portal_takes_the_bytes_as_well_and_puts_them_there(
    machine: Machine, bucket: Bucket
) -> None:
    machine.announce()

    answer = Client().put(
        f"/api/v1/batches/{machine.batch}/bytes",
        CONTENT,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {machine.token}"},
    )

    assert (answer.status_code, answer.json()["state"]) == (201, "admitted")
    assert len(bucket.left()) == 1


# --- what fails, on either side ------------------------------------------------------------------


def test_an_upload_that_failed_and_was_not_done(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    machine.announce()

    unheard = machine.say_received()
    again = machine.announce()

    assert (unheard.status_code, unheard.json()["code"]) == (422, "bytes_do_not_match")
    assert (again.status_code, again.json()["state"]) == (200, "awaiting_bytes")
    assert machine.put(again.json()) == 200
    assert machine.say_received().status_code == 201
    assert database.sql("SELECT count(*) FROM retention_batch") == [(1,)]


def test_an_answer_of_the_bucket_that_was_lost_though_the_object_is_there(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    """The machine cannot know; it announces anew, and the portal looks."""
    machine.put(machine.announce().json())

    again = machine.announce()

    assert (again.status_code, again.json()) == (
        200, {"batch": machine.batch, "state": "admitted"},
    )  # fmt: skip
    assert len(bucket.left()) == 1
    assert database.sql("SELECT count(*) FROM retention_batch") == [(1,)]


def test_a_bucket_that_fails_while_the_portal_looks_leaves_it_to_the_next_try(
    machine: Machine, settings: Any, database: Any
) -> None:
    machine.put(machine.announce().json())
    whole = settings.STORES
    settings.STORES = {**whole, "s3": {**whole["s3"], "endpoint": "http://127.0.0.1:9"}}

    failed = machine.say_received()
    announced = machine.announce()

    assert (failed.status_code, failed.json()["code"]) == (503, "store_failed")
    assert announced.status_code == 503
    assert state(database) == "awaiting_bytes"
    settings.STORES = whole
    assert machine.say_received().status_code == 201


def test_a_portal_that_dies_between_looking_and_admitting_leaves_it_to_the_next_try(
    machine: Machine, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention.services import uploads

    machine.put(machine.announce().json())

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(uploads, "admit", die)
        with pytest.raises(KeyboardInterrupt):
            machine.say_received()

    assert state(database) == "awaiting_bytes"
    assert machine.say_received().status_code == 201


def test_bytes_that_nobody_reported_are_judged_all_the_same(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    machine.put(machine.announce().json())

    assert come_true(database) == 1

    assert state(database) == "admitted"
    assert len(bucket.left()) == 1
    assert database.sql("SELECT count(*) FROM retention_upload") == [(0,)]


def test_an_address_that_nobody_used_is_forgotten_and_another_given(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    machine.announce()

    come_true(database)

    assert state(database) == "awaiting_bytes"
    assert database.sql("SELECT count(*) FROM retention_upload") == [(0,)]
    assert machine.put(machine.announce().json()) == 200
    assert machine.say_received().status_code == 201


def test_an_address_given_while_an_older_one_is_settled_is_looked_after(
    machine: Machine, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention.services import uploads

    machine.announce()
    older = "UPDATE retention_upload SET until = until - interval '1 hour'"
    database.sql(older, role="app")
    looks = uploads.holds

    def meanwhile(*args: Any, **kwargs: Any) -> bool | None:
        monkeypatch.setattr(uploads, "holds", looks)
        assert machine.announce().status_code == 200
        return looks(*args, **kwargs)

    monkeypatch.setattr(uploads, "holds", meanwhile)
    assert come_true(database) == 1

    assert database.sql("SELECT until > now() FROM retention_upload") == [(True,)]


def test_a_bucket_that_fails_while_it_is_settled_is_looked_at_again(
    machine: Machine, settings: Any, database: Any
) -> None:
    machine.put(machine.announce().json())
    whole = settings.STORES
    settings.STORES = {**whole, "s3": {**whole["s3"], "endpoint": "http://127.0.0.1:9"}}

    assert come_true(database) == 0

    assert database.sql("SELECT next_at > now() FROM retention_upload") == [(True,)]
    settings.STORES = whole
    assert come_true(database) == 1
    assert state(database) == "admitted"


# --- what may not stay ---------------------------------------------------------------------------


def test_what_is_refused_goes_with_all_versions(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    told = machine.announce().json()
    for _ in range(3):
        assert machine.put(told) == 200
    assert len(bucket.left()) == 3
    machine.withdraw()

    refused = machine.say_received()

    assert (refused.status_code, refused.json()["code"]) == (422, "batch_refused")
    assert refused.json()["reasons"] == ["consent_does_not_stand"]
    assert bucket.left() == []
    assert machine.announce().status_code == 422


def test_what_comes_after_the_refusal_goes_too(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    """The address is good for some minutes more, whatever was decided since."""
    told = machine.announce().json()
    machine.put(told)
    machine.withdraw()
    machine.say_received()
    assert machine.put(told) == 200
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=bucket.left()[0])
    assert begun["UploadId"]

    come_true(database)

    assert bucket.left() == []
    assert state(database) == "refused"


def test_other_bytes_in_the_bucket_are_deleted_and_not_admitted(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    """As in a bucket that does not check what it is told."""
    machine.announce()
    ((key,),) = database.sql("SELECT key FROM retention_upload")
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=CONTENT[::-1])

    refused = machine.say_received()

    assert (refused.status_code, refused.json()["code"]) == (422, "bytes_do_not_match")
    assert bucket.left() == []
    assert state(database) == "awaiting_bytes"


def test_no_certificate_before_nothing_can_come_back(
    machine: Machine, bucket: Bucket, database: Any
) -> None:
    from retention import services

    told = machine.announce().json()
    machine.put(told)
    machine.say_received()
    machine.withdraw()
    services.expand_cases()

    services.run_due_jobs()
    assert bucket.left() == []
    assert machine.put(told) == 200
    jobs = "SELECT state, failure, next_at > now() FROM retention_deletionjob"
    assert database.sql(jobs) == [("due", "", True)]

    come_true(database)
    database.sql("UPDATE retention_deletionjob SET next_at = now()", role="app")
    services.run_due_jobs()

    assert database.sql(jobs)[0][0] == "certified"
    ((level, statement),) = database.sql(
        "SELECT evidence_level, statement FROM retention_certificate"
    )
    assert level == "E2"
    assert "every version" in statement["sanitisation"]["technique"]
    assert bucket.left() == []


# --- the reference agent, a served portal and a real bucket --------------------------------------


def test_the_reference_agent_brings_its_bytes_there_itself(
    machine: Machine, bucket: Bucket, database: Any, tmp_path: Path, settings: Any
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from sayso_agent import Agent, Event, WindowFacts
    from sayso_agent.home import Home
    from sayso_agent.identity import Identity
    from sayso_agent.machine import account
    from sayso_agent.portal import Endpoints

    from portal.policykeys import standing
    from tests.integration.whole import served_whole

    with served_whole() as url:
        api = f"{url}/api/v1"
        endpoints = Endpoints(
            f"{api}/policy", f"{api}/policy/ack", f"{api}/batches",
            f"{url}/.well-known/sayso-key-manifest.jwt",
        )  # fmt: skip
        home = Home(tmp_path / "home")
        ref = str(machine.agent.ref)
        identity = Identity(
            url, settings.PUBLIC_URL, ref, machine.token, "test", endpoints,
            standing.ensure().root, account=account(),
        )  # fmt: skip
        home.save_identity(identity, Ed25519PrivateKey.generate())
        agent = Agent(tmp_path / "home")
        policy = agent.poll()
        assert policy
        assert policy.uploads == {bucket.place["endpoint"]}
        where = WindowFacts(platform="web", host="tracker.example", private=False)
        agent.offer(Event("mouse_click", where, {"x": 1, "y": 2, "action": "click"}))
        agent.settle()

        done = agent.upload()
        agent.close()

    assert (done.admitted, dict(done.refused)) == (1, {})
    ((key, size),) = database.sql("SELECT key, bytes FROM retention_batch WHERE store = 's3'")
    stored = b"".join(bucket.store.read(key))
    assert len(stored) == size
    assert b'"signal":"mouse_click"' in stored
