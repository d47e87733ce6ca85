"""The published schema: whole, and made without anything that could not be resolved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.urls import api_urls

AGENTS = {
    "/api/v1/policy",
    "/api/v1/policy/ack",
    "/api/v1/batches",
    "/api/v1/batches/{batch}/bytes",
    "/api/v1/batches/{batch}/received",
    "/api/v1/pauses",
    "/api/v1/strikes",
    "/api/v1/agents/token",
    "/api/v1/agents/key",
}


@pytest.fixture
def schema(database: Any) -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/schema/").json()
    return found


def operations(schema: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, verb): op for path, verbs in schema["paths"].items() for verb, op in verbs.items()
    }


def test_nothing_is_warned_of_while_it_is_made(
    database: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Anybody may ask for it, and each warning would name a folder of the server in its log."""
    assert Client().get("/api/schema/").status_code == 200

    assert capfd.readouterr() == ("", "")


def test_every_address_of_the_api_is_in_it(schema: dict[str, Any]) -> None:
    wanted = {f"/api/v1/{plain(str(url.pattern))}" for url in api_urls}

    assert set(schema["paths"]) == wanted


def plain(pattern: str) -> str:
    for kind in ("uuid", "int"):
        pattern = pattern.replace(f"<{kind}:", "{")
    return pattern.replace(">", "}")


def test_every_operation_says_how_its_caller_is_known(schema: dict[str, Any]) -> None:
    ways_in = set(schema["components"]["securitySchemes"])
    for (path, verb), operation in operations(schema).items():
        named = {name for way in operation["security"] for name in way}

        assert named, (path, verb)
        assert named <= ways_in, (path, verb)
        if path in AGENTS:
            assert named == {"agentToken"}, (path, verb)
    assert set(schema["paths"]) >= AGENTS
    assert schema["paths"]["/api/v1/agents"]["post"]["security"] == [{"approval": []}]


def test_every_operation_has_a_name_of_its_own(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(schema).values()]

    assert len(set(names)) == len(names)


def test_every_operation_says_what_a_refusal_looks_like(schema: dict[str, Any]) -> None:
    ref = {"$ref": "#/components/schemas/Problem"}
    for (path, verb), operation in operations(schema).items():
        answers = operation["responses"]
        refusals = [answer for status, answer in answers.items() if status >= "400"]

        assert answers["default"] in refusals, (path, verb)
        for answer in refusals:
            assert answer["content"]["application/problem+json"]["schema"] == ref, (path, verb)


def test_a_refusal_has_the_members_that_are_published(schema: dict[str, Any]) -> None:
    published = schema["components"]["schemas"]["Problem"]
    answer = Client().get("/api/v1/policy").json()

    assert set(answer) == set(published["required"])
    assert set(answer) <= set(published["properties"])


def test_it_says_what_a_proof_is_made_of(schema: dict[str, Any]) -> None:
    kinds = {
        "EnrolIn": "agent-proof+jwt",
        "RotateIn": "agent-rotation+jwt",
        "KeyIn": "agent-key+jwt",
    }
    for name, typ in kinds.items():
        told = str(schema["components"]["schemas"][name])

        assert typ in told, name
    for name in ("EnrolIn", "RotateIn"):
        told = schema["components"]["schemas"][name]["properties"]["proof"]["description"]
        assert all(f"`{claim}`" in told for claim in ("alg", "typ", "aud", "iat", "jti", "ath")), (
            name
        )
