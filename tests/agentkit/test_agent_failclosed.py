"""A portal that misbehaves: nothing is captured that a good policy did not allow."""

from collections.abc import Callable
from pathlib import Path

import pytest
from agent_helpers import FakeClock, click, enrolled, spooled
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent import (
    Agent,
    AgentError,
    PolicyRefusedError,
    StandingError,
    StateError,
    UnexpectedAnswerError,
    UnreachableError,
)
from sayso_agent.conformance.portal import TRUNCATED, Answer, FakePortal, allow, problem
from sayso_agent.jws import sign

POLICY = "/api/v1/policy"
ACK = "/api/v1/policy/ack"
KEYS = "/.well-known/sayso-key-manifest.jwt"


def signed(portal: FakePortal, key: Ed25519PrivateKey | None = None, **changes: object) -> Answer:
    payload = portal.payload(**changes)
    token = sign(payload, key or portal.key, kid=portal.kid, typ="policy+jwt")
    return 200, {"Content-Type": "application/policy+jwt", "ETag": '"x"'}, token.encode()


BAD: dict[str, Callable[[FakePortal], Answer]] = {
    "policy_version_old": lambda p: signed(p, version=p.version - 1),
    "policy_signature_bad": lambda p: signed(p, Ed25519PrivateKey.generate()),
    "lease_ended": lambda p: signed(p, iat=1000, lease_until=int(p.now())),
    "policy_audience_wrong": lambda p: signed(p, aud="somebody-else"),
    "policy_issuer_wrong": lambda p: signed(p, iss="http://127.0.0.1:1"),
    "policy_format_unknown": lambda p: signed(p, v=2),
    "policy_not_understood": lambda p: signed(p, default={"decision": "allow", "reasons": []}),
    "policy_malformed": lambda _: (200, {}, b"<html>login</html>"),
    "policy_key_unknown": lambda p: (200, {}, p.signed(p.payload(), kid="k9")),
    "policy_algorithm_bad": lambda p: (200, {}, p.signed(p.payload(), typ="JWT")),
    "portal_answer_unexpected": lambda _: (302, {"Location": "http://evil.test/"}, b""),
}


@pytest.mark.parametrize("code", sorted(BAD))
def test_a_bad_answer_ends_capture_at_once(agent: Agent, portal: FakePortal, code: str) -> None:
    agent.poll()
    agent.offer(click())
    portal.misbehave[POLICY] = [BAD[code](portal)]

    with pytest.raises((PolicyRefusedError, UnexpectedAnswerError)) as refused:
        agent.poll()

    assert refused.value.code == code
    agent.offer(click())
    agent.settle()
    assert agent.recordable() == []
    assert agent.why_not() == code
    assert agent.capture.dropped["no_policy"] == 1
    assert agent.upload().admitted == 0


@pytest.mark.parametrize("code", sorted(BAD))
def test_a_bad_answer_at_the_start_allows_nothing(
    agent: Agent, portal: FakePortal, code: str
) -> None:
    agent.home.saw(portal.version)
    portal.misbehave[POLICY] = [BAD[code](portal)]

    with pytest.raises(AgentError):
        agent.poll()

    agent.offer(click())
    agent.settle()
    assert spooled(agent.home) == []
    assert portal.acknowledgements == []


def test_a_good_answer_after_a_bad_one_is_obeyed_again(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    portal.misbehave[POLICY] = [BAD["policy_signature_bad"](portal)]
    with pytest.raises(PolicyRefusedError):
        agent.poll()

    agent.poll()

    assert agent.recordable()


def test_an_older_version_is_refused_even_after_a_restart(
    portal: FakePortal, clock: FakeClock, tmp_path: Path
) -> None:
    portal.version = 2000
    before = enrolled(portal, tmp_path / "home", clock)
    before.poll()
    before.close()
    portal.version = 1999
    clock.pass_time(5000)

    again = enrolled(portal, tmp_path / "home", clock)

    with pytest.raises(PolicyRefusedError) as refused:
        again.poll()
    assert refused.value.code == "policy_version_old"
    again.offer(click())
    again.settle()
    assert spooled(again.home) == []
    again.close()


def test_the_newest_version_is_remembered_before_it_is_obeyed(
    agent: Agent, portal: FakePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashes(*_: object) -> None:
        raise KeyboardInterrupt

    portal.version = 3000
    monkeypatch.setattr(agent.capture, "change", crashes)
    with pytest.raises(KeyboardInterrupt):
        agent.poll()

    assert agent.home.seen().version == 3000


def test_the_newest_version_seen_never_goes_down(agent: Agent) -> None:
    agent.home.saw(5)
    agent.home.saw(4)
    agent.home.acknowledged(3)
    agent.home.acknowledged(2)

    assert (agent.home.seen().version, agent.home.seen().acknowledged) == (5, 3)


def test_versions_lost_or_damaged_allow_nothing(agent: Agent, portal: FakePortal) -> None:
    (agent.home.folder / "seen.json").unlink()
    with pytest.raises(StateError):
        agent.poll()
    assert agent.recordable() == []

    (agent.home.folder / "seen.json").touch(mode=0o600)
    with pytest.raises(StateError):
        agent.poll()
    assert agent.recordable() == []


@pytest.mark.parametrize(
    "answer",
    [
        problem(500, "oops"),
        problem(502, "oops"),
        problem(503, "not_now", retry_after=5),
        problem(429, "too_many", retry_after=5),
        (200, TRUNCATED, b"eyJhbGciOiJFZERTQSJ9.e30.c2ln"),
    ],
)
def test_a_portal_in_trouble_leaves_the_lease_to_end_by_itself(
    agent: Agent, portal: FakePortal, clock: FakeClock, answer: Answer
) -> None:
    agent.poll()
    portal.always[POLICY] = answer
    clock.pass_time(800)

    with pytest.raises(UnreachableError):
        agent.poll()
    assert agent.recordable()

    clock.pass_time(100)
    agent.offer(click())
    assert agent.recordable() == []
    assert agent.why_not() == "lease_ended"
    assert agent.capture.kept == {}


def test_the_lease_ends_without_any_network(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    asked = len(portal.requests)
    clock.pass_time(899)
    agent.offer(click())
    clock.pass_time(1)
    agent.offer(click())
    agent.settle()

    assert len(spooled(agent.home)) == 1
    assert len(portal.requests) == asked


def test_a_clock_set_back_gives_no_time(agent: Agent, clock: FakeClock) -> None:
    agent.poll()
    clock.pass_time(900)
    clock.wall -= 100_000

    agent.offer(click())

    assert agent.recordable() == []


def test_the_same_document_again_gives_no_time(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    frozen = portal.signed(portal.payload())
    portal.always[POLICY] = (200, {"ETag": '"f"'}, frozen)
    agent.poll()
    clock.pass_time(890)
    clock.wall -= 890
    agent.poll()
    assert agent.recordable()

    clock.monotonic += 10

    assert agent.recordable() == []
    with pytest.raises(PolicyRefusedError):
        agent.poll()


def test_a_304_does_not_prolong_a_lease(agent: Agent, portal: FakePortal, clock: FakeClock) -> None:
    portal.etags = True
    agent.poll()
    clock.pass_time(500)
    agent.poll()
    assert portal.requests[-1].headers["if-none-match"] == '"1000"'
    assert agent.recordable()

    clock.pass_time(400)
    assert agent.recordable() == []

    agent.poll()
    assert "if-none-match" not in portal.requests[-1].headers
    assert agent.recordable()


def test_a_304_that_nobody_asked_for_allows_nothing(agent: Agent, portal: FakePortal) -> None:
    portal.always[POLICY] = (304, {}, b"")

    with pytest.raises(UnexpectedAnswerError):
        agent.poll()

    assert agent.recordable() == []


@pytest.mark.parametrize(("status", "exit_code"), [(401, 4), (403, 5), (410, 6)])
def test_being_turned_away_ends_capture_at_once(
    agent: Agent, portal: FakePortal, status: int, exit_code: int
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    portal.always[POLICY] = problem(status, "away")

    with pytest.raises(StandingError) as away:
        agent.poll()

    assert away.value.exit_code == exit_code
    agent.offer(click())
    agent.settle()
    assert agent.recordable() == []
    assert agent.upload().admitted == 0
    assert len(spooled(agent.home)) == (1 if status == 401 else 0)
    assert (agent.home.folder / "spool.key").exists() == (status == 401)


def test_a_new_key_is_fetched_once_and_an_unknown_one_refused(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    agent.poll()
    assert portal.paths("GET").count(KEYS) == 1

    portal.key, portal.kid = Ed25519PrivateKey.generate(), "k2"
    agent.poll()

    assert agent.recordable()
    assert portal.paths("GET").count(KEYS) == 2


def test_a_key_out_of_reach_verifies_nothing(agent: Agent, portal: FakePortal) -> None:
    portal.always[KEYS] = problem(503, "not_now")

    with pytest.raises(PolicyRefusedError) as refused:
        agent.poll()

    assert refused.value.code == "policy_key_unknown"
    assert agent.recordable() == []


def test_the_clocks_of_portal_and_machine_may_differ(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.now = lambda: clock.wall + 120
    agent.poll()
    clock.pass_time(3)
    agent.offer(click())
    agent.settle()

    (event,) = spooled(agent.home)
    assert event["t"] == clock.wall + 120


# --- tightening ----------------------------------------------------------------------------------


def test_a_withdrawal_stops_purges_and_is_acknowledged(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    portal.withdraw()

    agent.poll()

    assert spooled(agent.home) == []
    assert agent.why_not() == "consent_withdrawn"
    assert [(a["version"], a["purged"]) for a in portal.acknowledgements] == [
        (1000, True),
        (1001, True),
    ]
    agent.offer(click())
    agent.settle()
    agent.upload()
    assert portal.manifests == {}


def test_a_tightening_purges_only_what_it_no_longer_allows(
    agent: Agent, portal: FakePortal
) -> None:
    portal.policy["allow"] = [
        allow("tracker", "mouse_click", "scroll"),
        allow("expenses", "scroll"),
    ]
    agent.poll()
    from agent_helpers import EXPENSES, TRACKER
    from sayso_agent import Event

    for item in (click(), Event("scroll", TRACKER), Event("scroll", EXPENSES)):
        agent.offer(item)
    agent.settle()
    portal.version += 1
    portal.policy["allow"] = [allow("tracker", "scroll")]

    agent.poll()

    assert [(e["app"], e["signal"]) for e in spooled(agent.home)] == [("tracker", "scroll")]
    assert agent.upload().admitted == 1


def test_a_failed_acknowledgement_is_made_up_for(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.misbehave[ACK] = [problem(503, "not_now"), problem(404, "odd")]

    for _ in range(4):
        agent.poll()
        clock.pass_time(10)

    assert [a["version"] for a in portal.acknowledgements] == [1000]
    assert agent.home.seen().acknowledged == 1000


def test_an_acknowledgement_that_meets_a_closed_door_ends_capture(
    agent: Agent, portal: FakePortal
) -> None:
    portal.misbehave[ACK] = [problem(403, "blocked")]

    with pytest.raises(StandingError):
        agent.poll()

    assert agent.recordable() == []


def test_a_policy_kept_on_disk_is_never_captured_by(
    portal: FakePortal, clock: FakeClock, tmp_path: Path
) -> None:
    before = enrolled(portal, tmp_path / "home", clock)
    before.poll()
    before.close()
    portal.always[POLICY] = problem(503, "not_now")

    again = enrolled(portal, tmp_path / "home", clock)
    with pytest.raises(UnreachableError):
        again.poll()
    again.offer(click())
    again.settle()

    assert spooled(again.home) == []
    assert again.why_not() == "no_policy"
    again.close()
