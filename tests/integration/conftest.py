"""Every policy that the portal issues in these tests is held against the published schema.

And what several files ask for: a running policy endpoint, a rule pack to change, one S3 server for
all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.seaweed import Seaweed, seaweed
from tests.integration.shipped import Shipped
from tests.schema import policy_validator

if TYPE_CHECKING:
    from tests.integration.polling import Portal

EMPTY: dict[str, Any] = {
    "apps": {},
    "never": {"categories": [], "signals": [], "matchers": []},
    "deny": [],
}


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """A page asked for in another language leaves that language to the test that follows."""
    from django.utils import translation

    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _policies_follow_the_schema() -> Iterator[None]:
    """Look at each document on its way out; the large shared parts once per content."""
    from consent.services import policies

    made = policies.assembled

    def looked_at(members: Mapping[str, Any]) -> bytes:
        payload = made(members)
        document = json.loads(payload)
        _check_large(json.dumps({name: document[name] for name in EMPTY}, sort_keys=True))
        policy_validator().validate({**document, **EMPTY})
        return payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policies, "assembled", looked_at)
        yield


@lru_cache(maxsize=4096)
def _check_large(text: str) -> None:
    whole = policy_validator()
    properties = whole.schema["properties"]
    for name, part in json.loads(text).items():
        whole.evolve(schema={**properties[name], "$defs": whole.schema["$defs"]}).validate(part)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A real S3 server, started when the first test wants it."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def portal(request: pytest.FixtureRequest, database: Any) -> Iterator[Portal]:
    """A policy endpoint that runs, and answers polls from Redis; begun when the world is there."""
    from tests.integration.polling import Portal  # needs Django, which is not set up yet above

    if "world" in request.fixturenames:
        request.getfixturevalue("world")
    running = Portal()
    running.wait_for_fence()
    yield running
    running.close()


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shipped]:
    """A copy of the rule pack that a test may change."""
    from consent import rules

    folder = tmp_path / "rules"
    shutil.copytree(rules.folder, folder)
    monkeypatch.setattr(rules, "folder", folder)
    rules.forget()
    yield Shipped(folder)
    monkeypatch.undo()
    rules.forget()
