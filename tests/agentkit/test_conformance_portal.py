"""The kit's portal does as a real one does, so that an agent made for that one is judged fairly."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from sayso_agent.conformance import changes
from sayso_agent.conformance.endings import forms_of
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.conformance.scenarios import SCENARIOS, Scenario
from sayso_agent.conformance.stage import Program, Stage, environment
from sayso_agent.conformance.wire import Seen

from tests.schema import policy_validator

POLICY = "/api/v1/policy"


def ask(portal: FakePortal) -> tuple[str, bytes]:
    """What an agent gets that names no policy: its version, and the document."""
    seen = Seen("GET", POLICY, {"authorization": f"Bearer {portal.token}"}, b"")
    _status, headers, body = portal.answer(seen)
    return headers.get("ETag", ""), body


def test_a_version_is_one_document_to_the_last_byte(portal: FakePortal) -> None:
    began = time.time()
    portal.now = lambda: began
    first = ask(portal)

    portal.now = lambda: began + portal.lease / 2 - 1
    assert ask(portal) == first

    portal.policy = {**portal.policy, "allow": []}
    changed = ask(portal)
    portal.now = lambda: began + portal.lease
    renewed = ask(portal)

    assert [etag for etag, _body in (first, changed, renewed)] == ['"1000"', '"1001"', '"1002"']
    assert len({body for _etag, body in (first, changed, renewed)}) == 3


@pytest.mark.parametrize("before", [b"", b"1", b"12", b'{"text": "'])
def test_a_text_is_found_in_base64_and_the_digits_of_a_time_are_not_taken_for_it(
    before: bytes,
) -> None:
    forms = forms_of(b"zq710001 words of nobody")

    assert any(form in base64.b64encode(before + b"zq710001 words of nobody.") for form in forms)
    times = b"".join(
        base64.b64encode(before + b'"iat":1795%06d' % n) for n in range(710000, 710101)
    )
    assert not any(form in times for form in forms)


class Absent(Program):
    """An agent that asks once and does nothing; nobody waits for it."""

    portal: FakePortal

    def start(self) -> None:
        ask(self.portal)

    def feed(self, line: bytes) -> None:
        pass

    def end(self) -> None:
        pass


class Watched(Stage):
    """Notes where something must arrive under a policy that an agent need not obey."""

    def event(self, what: str, *, allowed: bool | None, beside: Any = None, **fields: Any) -> None:
        if allowed:
            found = policy_validator().iter_errors(self.portal.payload())
            wrong = [f"{error.json_path}: {error.validator}" for error in found]
            self.fault(f"{what}: {wrong}", given=wrong)
        super().event(what, allowed=allowed, beside=beside, **fields)


TOLD_OTHERWISE = {"matcher_unknown"}
"""How far a mark of later times denies the documents say: its app, and nothing else."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_must_arrive_is_allowed_by_a_policy_that_follows_the_schema(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    for name in ("SOON", "PACE"):
        monkeypatch.setattr(changes, name, 0.0)
    (tmp_path / "state").mkdir()
    with FakePortal() as portal, (tmp_path / "log").open("wb") as log:
        program = Absent([], environment(portal, tmp_path / "state"), log)
        program.portal = portal
        stage = Watched(portal, program, patience=0.0)
        scenario.play(stage)

    beyond = [fault for fault in stage.faults if ": [" in fault]
    assert bool(beyond) == (scenario.name in TOLD_OTHERWISE), beyond
