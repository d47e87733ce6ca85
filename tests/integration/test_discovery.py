"""What anybody may ask before enrolling: where everything is, and what is spoken there."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from sayso_agent.doors import DISCOVERY, Doors

from tests.schema import policy_validator

PATHS = {
    "policy_url": "/api/v1/policy",
    "ack_url": "/api/v1/policy/ack",
    "batches_url": "/api/v1/batches",
    "jwks_url": "/.well-known/sayso-policy-keys.json",
    "manifest_url": "/.well-known/sayso-key-manifest.jwt",
    "token_url": "/api/v1/agents/token",
    "key_url": "/api/v1/agents/key",
    "pauses_url": "/api/v1/pauses",
    "strikes_url": "/api/v1/strikes",
    "policy_schema_url": "/.well-known/sayso-policy.schema.json",
    "batch_schema_url": "/.well-known/sayso-batch.schema.json",
    "api_schema_url": "/api/schema/",
    "agents_url": "/api/v1/agents",
    "device_code_url": "/identity/o/api/device/code",
    "device_token_url": "/identity/o/api/token",
}


@pytest.fixture
def found(database: Any) -> dict[str, Any]:
    answer = Client().get(DISCOVERY)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "public, max-age=300"
    said: dict[str, Any] = answer.json()
    return said


def test_every_address_is_there_under_its_name(found: dict[str, Any], settings: Any) -> None:
    """Agents keep these addresses for years."""
    said = {name: url for name, url in found.items() if name.endswith("_url")}

    assert said == {name: settings.PUBLIC_URL + path for name, path in PATHS.items()}
    for path in PATHS.values():
        statuses = {getattr(Client(), method)(path).status_code for method in ("get", "post")}
        assert 404 not in statuses, path


def test_it_tells_what_this_portal_speaks(found: dict[str, Any], settings: Any) -> None:
    form = policy_validator().schema["properties"]["v"]["const"]

    assert found["issuer"] == settings.PUBLIC_URL
    assert found["policy_formats"] == [form]
    assert found["wait_seconds"] == settings.POLICY_WAIT_SECONDS
    assert found["key_kinds"] == ["ed25519", "p-256"]
    assert Doors.parse(found, lambda url: url.startswith(settings.PUBLIC_URL))


def test_it_says_where_an_enrolled_agent_is_told_to_ask(found: dict[str, Any]) -> None:
    from portal.api.discovery import addresses_of_agents

    told = addresses_of_agents()

    assert set(told) == {
        *("policy_url", "ack_url", "batches_url", "jwks_url"),
        *("manifest_url", "token_url", "key_url"),
    }
    assert told.items() <= found.items()


def test_it_names_no_root_for_whom_to_believe_is_pinned_at_enrolment(
    found: dict[str, Any], database: Any
) -> None:
    from portal.policykeys import standing

    assert standing.ensure().root not in str(found)


def test_nobody_is_told_anything_else(database: Any, found: dict[str, Any]) -> None:
    """The same for everybody: no cookie, no token and no name changes a letter of it."""
    other = Client(headers={"authorization": "Bearer sat_x", "accept-language": "de"})

    assert other.get(DISCOVERY).json() == found
    assert Client().post(DISCOVERY).status_code == 405
