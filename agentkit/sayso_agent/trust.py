"""The one gate between the network and a policy that is obeyed. Pure."""

from dataclasses import dataclass
from typing import Final

from sayso_agent.errors import PolicyRefusedError
from sayso_agent.jws import key_id, verify
from sayso_agent.manifest import Manifest
from sayso_agent.policy import Policy

TYPE: Final = "policy+jwt"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a policy must say to be ours and not older than the newest one we ever saw."""

    issuer: str
    audience: str
    highest_version: int


def accept(token: str, manifest: Manifest, expected: Expected, *, wall: float) -> Policy:
    """Return the policy in a signed document; PolicyRefusedError for any doubt at all."""
    kid = key_id(token, typ=TYPE)
    policy = Policy.parse(verify(token, manifest.keys_for(kid, wall), typ=TYPE))
    manifest.check_time(kid, policy.issued_at, wall)
    if policy.issuer != expected.issuer:
        raise PolicyRefusedError("policy_issuer_wrong", "the policy is from another portal")
    if policy.audience != expected.audience:
        raise PolicyRefusedError("policy_audience_wrong", "the policy is for another agent")
    if policy.version < expected.highest_version:
        raise PolicyRefusedError("policy_version_old", "an older policy than one seen before")
    if wall >= policy.lease_until:
        raise PolicyRefusedError("lease_ended", "the policy's lease had ended when it came")
    return policy
