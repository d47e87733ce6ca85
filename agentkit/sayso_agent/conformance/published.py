"""What the kit's portal tells anybody who asks: where everything is. Pure."""

from typing import Any

from sayso_agent.policy import FORMAT
from sayso_agent.portal import CLIENT


def addresses(url: str) -> dict[str, str]:
    """Return what an agent is told when it enrols, and may find out before."""
    return {
        "issuer": url,
        "policy_url": f"{url}/api/v1/policy",
        "ack_url": f"{url}/api/v1/policy/ack",
        "batches_url": f"{url}/api/v1/batches",
        "jwks_url": f"{url}/.well-known/sayso-policy-keys.json",
        "manifest_url": f"{url}/.well-known/sayso-key-manifest.jwt",
        "token_url": f"{url}/api/v1/agents/token",
        "key_url": f"{url}/api/v1/agents/key",
    }


def discovery(url: str) -> dict[str, Any]:
    """Return the document of discovery; the schemas that it names are with real portals only."""
    return {
        **addresses(url),
        "policy_formats": [FORMAT],
        "wait_seconds": 0,
        "enrolment": ["device_code", "ticket"],
        "client_id": CLIENT,
        "pauses_url": f"{url}/api/v1/pauses",
        "strikes_url": f"{url}/api/v1/strikes",
        "agents_url": f"{url}/api/v1/agents",
        "device_code_url": f"{url}/identity/o/api/device/code",
        "device_token_url": f"{url}/identity/o/api/token",
        "policy_schema_url": f"{url}/.well-known/sayso-policy.schema.json",
        "batch_schema_url": f"{url}/.well-known/sayso-batch.schema.json",
    }
