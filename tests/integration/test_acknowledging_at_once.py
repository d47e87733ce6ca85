"""Hundreds of machines acknowledge at once: they queue, and leave connections to everybody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from portal.api import turns
from tests import factories
from tests.integration.polling import enrolled

CROWD = 48


@pytest.fixture
def small_pool(database: Any) -> Iterator[None]:
    """A pool like the web process's, of no more than may be served at once, and impatient."""
    from django.db import connections

    kept = connections.settings["default"]["OPTIONS"]
    connections.close_all()
    pool = {"min_size": 1, "max_size": turns.AT_ONCE, "timeout": 0.25}
    connections.settings["default"]["OPTIONS"] = {**kept, "pool": pool}
    with contextlib.suppress(AttributeError):  # not yet used in this thread
        del connections["default"]
    yield
    connections.close_all()
    connections["default"].close_pool()  # type: ignore[attr-defined]
    connections.settings["default"]["OPTIONS"] = kept
    del connections["default"]


def acknowledge(token: str, version: int) -> Any:
    return Client().post(
        "/api/v1/policy/ack",
        {"version": version, "applied_at": datetime.now(UTC).isoformat(), "purged": True},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_a_crowd_queues_for_its_turn(database: Any, small_pool: None) -> None:
    from django.db import connections

    agent, token = enrolled(factories.make_world().subject)
    versions = [factories.make_policy(agent).version for _ in range(CROWD)]
    connections.close_all()
    ready = threading.Barrier(CROWD)

    def one(version: int) -> int:
        ready.wait(30)
        try:
            return int(acknowledge(token, version).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(CROWD) as crowd:
        statuses = list(crowd.map(one, versions))

    assert statuses == [204] * CROWD
    assert database.sql("SELECT count(*) FROM consent_policyacknowledgement") == [(CROWD,)]


def test_whose_turn_does_not_come_is_told_when_to_come_again(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = enrolled(factories.make_world().subject)
    monkeypatch.setattr(turns, "PATIENCE", 0.0)
    for _ in range(turns.AT_ONCE):
        assert turns._turns.acquire(blocking=False)

    try:
        refused = acknowledge(token, 1)
    finally:
        turns._turns.release(turns.AT_ONCE)

    assert (refused.status_code, refused.json()["code"]) == (503, "too_busy")
    assert refused["Retry-After"] == "5"
    assert acknowledge(token, 1).status_code == 422
