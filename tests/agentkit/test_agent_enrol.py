"""Enrolment by the device flow, and every way it can end."""

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent import (
    AgentError,
    EnrolmentError,
    StateError,
    UnexpectedAnswerError,
    UnreachableError,
    UsageError,
)
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem, reply
from sayso_agent.conformance.published import discovery
from sayso_agent.enrol import Approval, enrol, enrol_by_ticket
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.keys import KINDS, public_bytes

TOKEN = "/identity/o/api/token"
DEVICE = "/identity/o/api/device/code"
AGENTS = "/api/v1/agents"
DISCOVERY = "/.well-known/sayso-portal.json"


def go(portal: FakePortal, folder: Path) -> tuple[Identity, list[Approval], list[float]]:
    shown: list[Approval] = []
    slept: list[float] = []
    identity = enrol(Home(folder), portal.url, name="test", show=shown.append, sleep=slept.append)
    return identity, shown, slept


def test_the_person_is_shown_where_to_approve_what(portal: FakePortal, tmp_path: Path) -> None:
    portal.pending = ["authorization_pending", "slow_down"]

    identity, shown, slept = go(portal, tmp_path / "home")

    assert shown == [
        Approval(f"{portal.url}/device", f"{portal.url}/device?code=ABCD-EFGH", "ABCD-EFGH", 60.0)
    ]
    assert slept == [0.1, 0.1, 5.1]
    assert identity.agent == portal.agent
    assert identity.token == portal.token


def test_the_key_is_made_here_proven_and_kept_to_ourselves(
    portal: FakePortal, tmp_path: Path
) -> None:
    go(portal, tmp_path / "home")
    home = Home(tmp_path / "home")

    key = home.key()
    assert public_bytes(key) == portal.agent_key
    assert isinstance(key, Ed25519PrivateKey)
    raw = key.private_bytes_raw()
    assert raw not in portal.wire()
    for path in [home.folder, *home.folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_what_is_sent_names_no_person_and_no_machine(portal: FakePortal, tmp_path: Path) -> None:
    go(portal, tmp_path / "home")

    body = json.loads(next(s.body for s in portal.requests if s.path == AGENTS))
    assert set(body) == {"name", "platform", "public_key", "key_kind", "proof"}
    assert body["platform"] in {"linux", "macos", "windows"}


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_no_is_a_no(portal: FakePortal, tmp_path: Path, error: str) -> None:
    portal.pending = ["authorization_pending", error]

    with pytest.raises(EnrolmentError) as ended:
        go(portal, tmp_path / "home")

    assert ended.value.code == error
    assert not Home(tmp_path / "home").enrolled()


def test_a_code_that_the_portal_forgot_has_run_out(portal: FakePortal, tmp_path: Path) -> None:
    """Ours keeps it no longer than it is good, and then says what it says of any unknown one."""
    portal.pending = ["authorization_pending", "invalid_grant"]

    with pytest.raises(EnrolmentError, match="nobody approved in time") as ended:
        go(portal, tmp_path / "home")

    assert ended.value.code == "expired_token"


@pytest.mark.parametrize("ticket", ["", " ", "-"])
def test_an_empty_ticket_is_no_wish_for_another_way_in(
    portal: FakePortal,
    tmp_path: Path,
    ticket: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As where a script's variable is not set: nobody stands there to type in a code."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    words = ["--portal", portal.url, "--ticket", ticket, "--json"]

    assert main(["enrol", "--home", str(tmp_path / "home"), *words]) == 2

    assert json.loads(capsys.readouterr().out)["code"] == "ticket_missing"
    assert portal.requests == []


def test_nobody_answering_ends_by_itself(portal: FakePortal, tmp_path: Path) -> None:
    portal.pending = ["slow_down"] * 50

    with pytest.raises(EnrolmentError) as ended:
        go(portal, tmp_path / "home")

    assert ended.value.code == "expired_token"


def test_an_error_we_do_not_know_ends_it(portal: FakePortal, tmp_path: Path) -> None:
    portal.pending = ["invalid_client"]

    with pytest.raises(EnrolmentError) as ended:
        go(portal, tmp_path / "home")

    assert ended.value.code == "enrolment_refused"


def test_a_portal_in_trouble_only_makes_us_wait(portal: FakePortal, tmp_path: Path) -> None:
    portal.misbehave[TOKEN] = [problem(503, "busy", retry_after=9), problem(500, "oops")]

    identity, _, slept = go(portal, tmp_path / "home")

    assert identity.agent
    assert slept[1] >= 9


@pytest.mark.parametrize(
    "answer",
    [
        {"user_code": "A", "device_code": "d"},
        {"verification_uri": "javascript:alert(1)", "user_code": "A", "device_code": "d"},
        {"verification_uri": "http://x", "user_code": 7, "device_code": "d"},
        {"verification_uri": "http://x", "user_code": "A"},
        [],
    ],
)
def test_a_start_that_makes_no_sense_is_refused(
    portal: FakePortal, tmp_path: Path, answer: Any
) -> None:
    portal.misbehave[DEVICE] = [reply(200, answer)]

    with pytest.raises(UnexpectedAnswerError):
        go(portal, tmp_path / "home")


def test_what_is_shown_cannot_steer_a_terminal(portal: FakePortal, tmp_path: Path) -> None:
    started = {
        "device_code": "device-secret",
        "user_code": "AB\x1b[2J\r\nCD",
        "verification_uri": "https://x.example/\x1b]0;boo\x07",
        "interval": 0.1,
    }
    portal.misbehave[DEVICE] = [reply(200, started)]

    _, shown, _ = go(portal, tmp_path / "home")

    assert shown[0].code == "AB[2JCD"
    assert shown[0].address.isprintable()


@pytest.mark.parametrize(
    ("differs", "code"),
    [
        ({"issuer": "https://portal.example"}, "portal_url_differs"),
        ({"agents_url": "https://collector.example/agents"}, "portal_url_differs"),
        ({"device_token_url": "https://collector.example/token"}, "portal_url_differs"),
        ({"policy_formats": [2, 3]}, "policy_format_unknown"),
        ({"policy_formats": [True]}, "policy_format_unknown"),
        ({"policy_formats": None}, "discovery_malformed"),
        ({"device_code_url": None}, "discovery_malformed"),
    ],
)
@pytest.mark.parametrize("way", ["attended", "ticket"])
def test_nobody_is_asked_for_what_could_not_end_well(
    portal: FakePortal, tmp_path: Path, differs: dict[str, Any], code: str, way: str
) -> None:
    portal.always[DISCOVERY] = reply(200, {**discovery(portal.url), **differs})
    start = {"attended": go, "ticket": by_ticket}[way]

    with pytest.raises(AgentError) as refused:
        start(portal, tmp_path / "home")

    assert refused.value.code == code
    assert portal.paths("POST") == []
    assert not Home(tmp_path / "home").enrolled()


def test_an_address_without_a_portal_is_called_so(portal: FakePortal, tmp_path: Path) -> None:
    portal.always[DISCOVERY] = (404, {}, b"nothing here")

    with pytest.raises(UnexpectedAnswerError) as refused:
        go(portal, tmp_path / "home")

    assert refused.value.code == "no_portal"


def test_a_portal_of_later_forms_is_enrolled_with_where_it_speaks_ours(
    portal: FakePortal, tmp_path: Path
) -> None:
    more = {**discovery(portal.url), "policy_formats": [2, 1], "unheard_of": {}}
    portal.always[DISCOVERY] = reply(200, more)

    assert go(portal, tmp_path / "home")[0].token == portal.token


def test_addresses_on_another_host_are_refused(portal: FakePortal, tmp_path: Path) -> None:
    elsewhere = {**portal.addresses(), "batches_url": "https://collector.example/batches"}
    portal.misbehave[AGENTS] = [reply(201, {"agent": "a", "token": "t", **elsewhere})]

    with pytest.raises(EnrolmentError) as refused:
        go(portal, tmp_path / "home")

    assert refused.value.code == "portal_url_differs"
    assert not Home(tmp_path / "home").enrolled()


def test_an_answer_that_lacks_something_is_refused(portal: FakePortal, tmp_path: Path) -> None:
    portal.misbehave[AGENTS] = [reply(201, {"agent": "a", **portal.addresses()})]

    with pytest.raises(UnexpectedAnswerError):
        go(portal, tmp_path / "home")


def test_a_refused_registration_says_why(portal: FakePortal, tmp_path: Path) -> None:
    portal.misbehave[AGENTS] = [problem(422, "proof_invalid")]

    with pytest.raises(EnrolmentError) as refused:
        go(portal, tmp_path / "home")

    assert refused.value.code == "proof_invalid"
    assert "clock" in str(refused.value)


def test_a_refusal_nobody_knows_cannot_steer_a_terminal(portal: FakePortal, tmp_path: Path) -> None:
    portal.misbehave[AGENTS] = [problem(422, "\x1b[2Jnew_reason" + "x" * 500)]

    with pytest.raises(EnrolmentError) as refused:
        go(portal, tmp_path / "home")

    assert str(refused.value).isprintable()
    assert "[2Jnew reason" in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_registration_is_not_repeated_by_itself(portal: FakePortal, tmp_path: Path) -> None:
    portal.misbehave[AGENTS] = [(201, {"X-Truncate": "1"}, b'{"agent": "a"}')]

    with pytest.raises(Exception, match="no answer"):
        go(portal, tmp_path / "home")

    assert portal.paths("POST").count(AGENTS) == 1


def test_enrolling_twice_needs_to_be_said(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["enrol", "--portal", portal.url, "--home", str(tmp_path / "home"), "--json"]
    assert main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["approve", "enrolled"]
    assert lines[0]["user_code"] == "ABCD-EFGH"

    assert main(command) == 2
    assert main([*command, "--again"]) == 0


def test_nobody_enrols_anew_beside_an_agent_that_runs(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would go on recording under the old name, to be handed in under the new one."""
    command = ["enrol", "--portal", portal.url, "--home", str(tmp_path / "home"), "--json"]
    assert main(command) == 0
    agent = Home(tmp_path / "home").identity().agent
    running = Home(tmp_path / "home").running
    assert running.try_hold()

    assert main([*command, "--again"]) == 2

    assert "already_running" in capsys.readouterr().out
    assert Home(tmp_path / "home").identity().agent == agent
    running.release()
    assert main([*command, "--again"]) == 0
    assert running.signed() == os.getpid()


def test_plain_http_to_another_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        enrol(Home(tmp_path / "home"), "http://portal.example", name="x", show=print)


def test_without_enrolment_there_is_nobody(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        Home(tmp_path / "home").identity()


# --- by a ticket ---------------------------------------------------------------------------------


def by_ticket(portal: FakePortal, folder: Path) -> tuple[Identity, Approval]:
    return enrol_by_ticket(
        Home(folder), portal.url, ticket="at_secret", serial="C02", name="test", kind=KINDS[0]
    )


def test_a_ticket_makes_a_machine_that_waits(portal: FakePortal, tmp_path: Path) -> None:
    portal.waits = {"code": "BBBB-CCCC-DDDD", "approve_url": f"{portal.url}/you?code=B"}

    identity, approval = by_ticket(portal, tmp_path / "home")

    assert identity.token == portal.token
    assert approval.code == "BBBB-CCCC-DDDD"
    assert Home(tmp_path / "home").waiting() == {
        "address": f"{portal.url}/you?code=B",
        "code": "BBBB-CCCC-DDDD",
    }
    body = json.loads(next(s.body for s in portal.requests if s.path == AGENTS))
    assert body["serial"] == "C02"


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    portal: FakePortal, tmp_path: Path
) -> None:
    portal.waits = {"code": "BBBB-CCCC-DDDD", "approve_url": f"{portal.url}/you?code=B"}
    portal.misbehave[AGENTS] = [(502, {}, b"")]
    with pytest.raises(UnreachableError):
        by_ticket(portal, tmp_path / "home")

    by_ticket(portal, tmp_path / "home")

    keys = [json.loads(s.body)["public_key"] for s in portal.requests if s.path == AGENTS]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert not (tmp_path / "home" / "enrol.key").exists()


def test_a_machine_waits_no_more_once_it_is_somebodys(portal: FakePortal, tmp_path: Path) -> None:
    portal.waits = {"code": "BBBB-CCCC-DDDD", "approve_url": f"{portal.url}/you?code=B"}
    by_ticket(portal, tmp_path / "home")
    home = Home(tmp_path / "home")

    home.saw(1_790_000_000)
    assert home.waiting()
    home.saw(1_790_000_000_000)

    assert home.waiting() is None
