"""What one agent may ask how often: what costs a row is slowed down, what stops never is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests import factories
from tests.integration.polling import enrolled

CONTENT = b"what was recorded"


@pytest.fixture
def world(database: Any, store: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


def post(token: str, address: str, said: Any) -> Any:
    return Client().post(
        f"/api/v1/{address}",
        said,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def manifest(policy: Any) -> dict[str, Any]:
    return {
        "batch": str(uuid4()),
        "policy_version": policy.version,
        "purpose": "train-agents",
        "app": "tracker",
        "signals": {"mouse_click": 3},
        "from": policy.issued_at.isoformat(),
        "until": policy.issued_at.isoformat(),
        "bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "redactor": "test/1",
    }


def acknowledgement(policy: Any) -> dict[str, Any]:
    return {"version": policy.version, "applied_at": datetime.now(UTC).isoformat(), "purged": True}


@pytest.mark.parametrize(
    ("address", "said"), [("batches", manifest), ("policy/ack", acknowledgement)]
)
def test_beyond_its_burst_an_agent_is_told_when_to_come_back(
    world: factories.World, address: str, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.api import batches, pace, policy
    from portal.endpoint.limits import Buckets

    # A clock that stands still: however slow the machine, no request is made up for meanwhile.
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(batches, "_announced", Buckets(3))
    monkeypatch.setattr(policy, "_acknowledged", Buckets(3))
    (agent, token), (another, other_token) = enrolled(world.subject), enrolled(world.subject)
    issued = factories.make_policy(agent)

    answers = [post(token, address, said(issued)) for _ in range(5)]
    other = post(other_token, address, said(factories.make_policy(another)))

    codes = [answer.status_code for answer in answers]
    assert all(code in {201, 204} for code in [*codes[:3], other.status_code]), codes
    assert codes[3:] == [429, 429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert int(answers[-1]["Retry-After"]) >= 1


def test_nothing_slows_a_pause_or_a_strike_down(world: factories.World) -> None:
    _, token = enrolled(world.subject)
    now = datetime.now(UTC).isoformat()

    for _ in range(300):
        assert post(token, "pauses", {}).status_code == 200
        strike = {"strike": str(uuid4()), "from": now, "until": now}
        assert post(token, "strikes", strike).status_code == 204
