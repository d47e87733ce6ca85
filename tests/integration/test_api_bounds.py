"""Every number and every moment that the API reads, at all sizes: an answer, and never a 5xx."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework import serializers

import portal.api
from tests import factories
from tests.integration.test_admission_answers import enrolled

NUMBERS = (serializers.IntegerField, serializers.FloatField, serializers.DecimalField)
MOMENTS = (serializers.DateTimeField, serializers.DateField, serializers.TimeField)
EDGES = [0, -1, 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, -(2**63), 10**30]
DAYS = ["0001-01-01", "1969-12-31", "1970-01-01", "2199-12-31", "9999-12-31"]
TIMES = ["00:00:00", "23:59:59.999999"]
ZONES = ["", "Z", "+14:00", "-14:00"]
numbers = st.sampled_from(EDGES) | st.integers()
moments = (
    st.builds(
        "{}T{}{}".format, st.sampled_from(DAYS), st.sampled_from(TIMES), st.sampled_from(ZONES)
    )
    | st.datetimes().map(datetime.isoformat)
    | st.sampled_from(DAYS)
)


def readers() -> dict[str, set[str]]:
    """Every serializer that reads a request, with those of its members that this is about."""
    found = {}
    for module in iter_modules(portal.api.__path__, "portal.api."):
        for name, kind in vars(import_module(module.name)).items():
            if isinstance(kind, type) and issubclass(kind, serializers.Serializer):
                members = {
                    member
                    for member, field in kind().fields.items()
                    if isinstance(field, (*NUMBERS, *MOMENTS))
                }
                if name.endswith("In") and members:
                    found[name] = members
    return found


def system(name: str, scope: str) -> Client:
    """Another system, with a token for what it does."""
    from portal.models import ServiceToken
    from portal.service_tokens import give_token

    token = give_token(name=name, scope=ServiceToken.Scope(scope), actor=factories.OFFICER)
    return Client(HTTP_AUTHORIZATION=f"Bearer {token}", raise_request_exception=False)


@pytest.fixture
def requests(database: Any, store: Path) -> dict[str, Any]:
    """Reader -> a request that is fine: who asks, where, and with what."""
    world = factories.make_world()
    world.say_yes()
    mine = enrolled(world.subject)
    policy = mine.issue(ago=timedelta(minutes=5))
    agent = Client(HTTP_AUTHORIZATION=f"Bearer {mine.token}", raise_request_exception=False)
    facts, tickets = system("hr", "facts"), system("mdm", "tickets")
    start, now = policy.issued_at, datetime.now(UTC)
    manifest = {
        "policy_version": policy.version,
        "purpose": "train-agents",
        "app": "tracker",
        "signals": {"mouse_click": 1},
        "from": start.isoformat(),
        "until": (start + timedelta(minutes=1)).isoformat(),
        "bytes": 5,
        "sha256": hashlib.sha256(b"12345").hexdigest(),
        "redactor": "test/1",
    }
    fact = {
        "person": str(world.subject.ref),
        "kind": "work_location",
        "value": "PL",
        "valid_from": str(now.date()),
    }
    tomorrow = str(now.date() + timedelta(days=1))
    acknowledged = {"version": policy.version, "applied_at": now.isoformat(), "purged": True}
    struck = {"from": (now - timedelta(minutes=1)).isoformat(), "until": now.isoformat()}
    return {
        "ManifestIn": (agent, "batches", lambda: {**manifest, "batch": str(uuid4())}),
        "AcknowledgeIn": (agent, "policy/ack", lambda: acknowledged),
        "StrikeIn": (agent, "strikes", lambda: {**struck, "strike": str(uuid4())}),
        "ExplainIn": (
            agent,
            "explain",
            lambda: {"app": "tracker", "signal": "scroll", "at": now.isoformat()},
        ),
        "TicketIn": (tickets, "tickets", lambda: {"label": "x", "site": "a", "count": 1}),
        "FactIn": (facts, "facts", lambda: fact),
        "EndIn": (
            facts,
            "facts/end",
            lambda: {**fact, "valid_until": tomorrow},
        ),
    }


def test_each_reader_is_asked_about(requests: dict[str, Any]) -> None:
    assert set(readers()) == set(requests)
    for client, path, body in requests.values():
        answer = client.post(f"/api/v1/{path}", body(), content_type="application/json")
        assert answer.status_code < 300, (path, answer.content)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_number_and_no_moment_breaks_the_api(requests: dict[str, Any], data: Any) -> None:
    known = readers()
    name = data.draw(st.sampled_from(sorted(known)))
    member = data.draw(st.sampled_from(sorted(known[name])))
    client, path, body = requests[name]
    said = {**body(), member: data.draw(numbers | moments)}

    answer = client.post(f"/api/v1/{path}", json.dumps(said), content_type="application/json")

    assert answer.status_code < 500, (path, member, said[member])
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"]
        assert answer.json()["next_step"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("bytes", 2**53),
        ("policy_version", 2**53),
        ("from", "0001-01-01T00:00:00Z"),
        ("until", "9999-12-31T00:00:00Z"),
    ],
)
def test_a_manifest_beyond_bounds_is_refused_by_name(
    requests: dict[str, Any], member: str, value: Any
) -> None:
    client, path, body = requests["ManifestIn"]

    answer = client.post(
        f"/api/v1/{path}", {**body(), member: value}, content_type="application/json"
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert member in answer.json()["errors"]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-11-26T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_machine_whose_clock_is_lost_can_still_have_things_forgotten(
    requests: dict[str, Any], since: str, until: str
) -> None:
    from consent.models import Strike

    client, path, _ = requests["StrikeIn"]
    ref = uuid4()

    answer = client.post(
        f"/api/v1/{path}",
        {"strike": str(ref), "from": since, "until": until},
        content_type="application/json",
    )

    assert answer.status_code == 204
    strike = Strike.objects.get(ref=ref)
    assert timedelta(0) < strike.struck_until - strike.struck_from <= timedelta(days=1)


def test_what_nobody_expected_is_a_problem_on_the_api_and_a_page_elsewhere(
    requests: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import services
    from portal.pages import docs

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("on purpose")

    client, _, _ = requests["StrikeIn"]
    monkeypatch.setattr(services, "pause_from_machine", breaks)
    monkeypatch.setattr(docs, "render", breaks)

    answer = client.post("/api/v1/pauses")
    page = Client(raise_request_exception=False).get("/docs/")

    assert answer.status_code == page.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "server_error"
    assert answer.json()["next_step"]
    assert "on purpose" not in answer.content.decode() + page.content.decode()
    assert page["Content-Type"].startswith("text/html")
