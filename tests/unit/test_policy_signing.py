"""A policy larger than any agent reads is said to whoever runs the portal."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent.jws import MAX_TOKEN

from consent.services.room import LARGEST
from portal.api.signing import sign_policy
from portal.policykeys.ring import Signs

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
BY = Signs("k1", Ed25519PrivateKey.generate(), LONG_AGO, LONG_AGO)
MOST = (MAX_TOKEN - len(sign_policy(b"", BY))) * 3 // 4
"""Bytes of a document that fit: base64 makes four of three."""


def test_the_bound_is_the_one_that_agents_have() -> None:
    assert LARGEST == MAX_TOKEN


@pytest.mark.parametrize("more", [0, 1])
def test_what_agents_refuse_for_its_size_is_in_the_log(
    caplog: pytest.LogCaptureFixture, more: int
) -> None:
    with caplog.at_level(logging.ERROR):
        signed = sign_policy(b"x" * (MOST + more), BY)

    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"policy_too_large bytes={len(signed)}"] if more else [])
    assert (len(signed) > MAX_TOKEN) == bool(more)
