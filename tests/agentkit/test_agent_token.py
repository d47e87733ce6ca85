"""The agent changes its token, and no answer that is lost loses it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sayso_agent.home
from agent_helpers import click, enrolled
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from sayso_agent import Agent, StandingError, StateError, UnreachableError
from sayso_agent.asking import Poller
from sayso_agent.bell import Bell
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.credentials import ask_token
from sayso_agent.errors import StorageError
from sayso_agent.home import Home
from sayso_agent.jws import b64url_decode
from sayso_agent.keys import KINDS, P256, from_pem, kind_of, new_key, prove, public_bytes, to_pem
from sayso_agent.run import Runner
from test_agent_run import Serving, until

TOKEN = "/api/v1/agents/token"
POLICY = "/api/v1/policy"


def make_stale(agent: Agent) -> None:
    """Let the token be older than it should get."""
    agent.identity = replace(agent.identity, token_at=1.0, rotate_after=60)


def test_a_stale_token_is_changed_before_the_next_poll(portal: FakePortal, agent: Agent) -> None:
    old = portal.token
    portal.rotate_after = 3600
    make_stale(agent)

    Runner(agent, say=lambda _: None).once()

    assert portal.token != old
    assert agent.home.identity().token == portal.token
    assert agent.home.identity().rotate_after == 3600
    assert portal.paths("POST").count(TOKEN) == 1
    assert all(
        seen.headers["authorization"] != f"Bearer {old}"
        for seen in portal.requests
        if seen.path == POLICY
    )


def test_a_token_that_is_not_stale_stays(portal: FakePortal, agent: Agent) -> None:
    Runner(agent, say=lambda _: None).once()

    assert TOKEN not in portal.paths("POST")


def test_a_lost_answer_leaves_the_old_token_which_works(portal: FakePortal, agent: Agent) -> None:
    make_stale(agent)
    portal.misbehave[TOKEN] = [(500, {}, b"")]
    old = portal.token

    Runner(agent, say=lambda _: None).once()

    assert agent.home.identity().token == old
    assert agent.policy is not None


def test_a_change_done_but_not_heard_of_is_asked_for_again(
    portal: FakePortal, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = agent.portal.transport.request

    def lost(method: str, url: str, **more: Any) -> Any:
        real(method, url, **more)
        raise UnreachableError("portal_unreachable", "the answer got lost")

    with monkeypatch.context() as away:
        away.setattr(type(agent.portal.transport), "request", lambda _self, *a, **k: lost(*a, **k))
        with pytest.raises(UnreachableError):
            agent.change_token()
    lost_token = portal.next_token
    assert agent.poll() is not None, "the old one works"

    agent.change_token()
    agent.poll()

    assert portal.token not in {"", lost_token}
    assert agent.identity.token == portal.token


def test_a_token_that_has_ended_is_changed_by_the_key(portal: FakePortal, agent: Agent) -> None:
    portal.ended, portal.token = portal.token, "sat_never_heard_of"

    Runner(agent, say=lambda _: None).once()

    assert agent.policy is not None
    assert agent.home.identity().token == portal.token


def test_an_agent_that_is_cut_off_does_not_ask_for_a_token(
    portal: FakePortal, agent: Agent
) -> None:
    portal.always[POLICY] = problem(403, "agent_quarantined")

    with pytest.raises(StandingError):
        Runner(agent, say=lambda _: None).once()

    assert TOKEN not in portal.paths("POST")


def test_a_running_agent_asks_with_the_new_token_only(portal: FakePortal, tmp_path: Path) -> None:
    """Whoever polls and whoever sends has a token of its own: both go over, at one moment."""
    serving = Serving(enrolled(portal, tmp_path / "home"), upload=0.2)
    make_stale(serving.agent)
    old = portal.token
    with serving.running():
        until(lambda: bool(portal.given_up))
        first = next(n for n, seen in enumerate(portal.requests) if bearer(seen) == portal.token)
        serving.events.put(click())
        until(lambda: len(portal.admitted) == 1)

    assert old in {bearer(seen) for seen in portal.requests[:first]}
    after = [seen for seen in portal.requests[first:] if "authorization" in seen.headers]
    assert {bearer(seen) for seen in after} == {portal.token}
    assert serving.error is None
    serving.agent.close()


def bearer(seen: Any) -> str:
    return str(seen.headers.get("authorization", "")).removeprefix("Bearer ")


def test_a_new_token_is_never_used_while_a_poll_is_under_way(
    portal: FakePortal, agent: Agent
) -> None:
    poller = Poller(agent.identity, agent.keyring, agent.clock, Bell())
    poller.close()
    poller.busy = True
    make_stale(agent)
    runner = Runner(agent, say=lambda _: None)
    runner.renewal.gained.append(ask_token(agent.home, agent.portal))

    runner._poll(poller)
    kept = agent.home.identity().token
    poller.busy = False
    runner._poll(poller)

    assert kept == portal.token
    assert agent.home.identity().token == portal.next_token != portal.token
    assert poller._portal.token == portal.next_token


def test_a_disk_that_takes_no_new_token_leaves_the_old_one(
    portal: FakePortal, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller = Poller(agent.identity, agent.keyring, agent.clock, Bell())
    poller.close()
    runner = Runner(agent, say=lambda _: None)
    runner.renewal.gained.append(ask_token(agent.home, agent.portal))

    def full(*_: Any) -> None:
        raise StorageError("disk_full", "no room")

    with monkeypatch.context() as disk:
        disk.setattr(sayso_agent.home, "write_json", full)
        runner._poll(poller)

    assert poller._portal.token == agent.identity.token == portal.token
    assert not runner.renewal.gained
    assert not runner.renewal.is_due(), "it is asked for again, and not at once"


def test_a_token_that_another_process_changed_is_taken_over(
    portal: FakePortal, agent: Agent
) -> None:
    agent.home.change_token("sat_of_another", wall=1.0, rotate_after=5)

    agent.change_token()

    assert agent.portal.token == "sat_of_another"
    assert TOKEN not in portal.paths("POST")


# --- a key of our own --------------------------------------------------------------------------

KEY = "/api/v1/agents/key"


def kept_key(agent: Agent) -> bytes:
    return public_bytes(agent.home.key())


def test_a_key_changes_proven_by_both_and_the_token_with_it(
    portal: FakePortal, agent: Agent
) -> None:
    old_key, old_token = portal.agent_key, portal.token
    portal.change_key_after = 86_400

    agent.change_key()
    agent.poll()

    assert portal.agent_key == kept_key(agent) != old_key
    assert portal.token == agent.identity.token != old_token
    assert agent.home.identity().change_key_after == 86_400
    assert agent.home.next_key() is None


def test_a_key_that_is_old_is_changed_by_itself(portal: FakePortal, agent: Agent) -> None:
    old = portal.agent_key
    agent.identity = replace(agent.identity, key_at=1.0, change_key_after=60)

    Runner(agent, say=lambda _: None).once()

    assert portal.agent_key == kept_key(agent) != old
    assert agent.policy is not None


@pytest.mark.parametrize("path", [KEY, TOKEN])
@pytest.mark.parametrize("done", [True, False])
def test_whatever_answer_gets_lost_the_next_try_finishes_it(
    portal: FakePortal, agent: Agent, path: str, done: bool
) -> None:
    """The answer to the new key, or to the first proof by it, after or before it was done."""
    real, lost = portal.answer, []

    def losing(seen: Any) -> Any:
        asked_before = [one for one in portal.requests if one.path == KEY]
        if seen.path == path and not lost and (path == KEY or asked_before):
            lost.append(seen)
            if done:
                real(seen)
            return 500, {}, b""
        return real(seen)

    portal.answer = losing  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        agent.change_key()
    assert agent.poll() is not None, "what we have works meanwhile"

    agent.change_token()
    agent.poll()

    assert lost
    assert portal.agent_key == kept_key(agent)
    assert agent.home.next_key() is None
    assert agent.policy is not None


def test_a_crash_before_it_was_kept_is_made_good(portal: FakePortal, agent: Agent) -> None:
    """The portal has seen the new key used, and our disk still has the old one in its place."""
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(Home, "adopt_next_key", lambda *_a, **_k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            agent.change_key()
    assert portal.agent_key != kept_key(agent)
    agent.close()

    again = Agent(agent.home.folder)
    again.change_token()

    assert portal.agent_key == kept_key(again)
    assert portal.paths("POST").count(KEY) == 1
    again.close()


def test_the_command_changes_the_key(
    portal: FakePortal, agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(agent.home.folder)

    assert main(["change-key", "--home", home, "--json"]) == 0

    assert '"kind": "ed25519"' in capsys.readouterr().out
    assert portal.agent_key == kept_key(agent)
    assert agent.home.running.try_hold()
    assert main(["change-key", "--home", home]) == 2


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_kept_and_read_back(kind: str) -> None:
    key = new_key(kind)

    again = from_pem(to_pem(key))

    assert kind_of(again) == kind
    assert public_bytes(again) == public_bytes(key)


def test_a_proof_by_p256_is_what_rfc_7518_asks_for() -> None:
    key = new_key(P256)
    signed, _, signature = prove(key, portal="p", secret="s", typ="t").rpartition(".")
    raw = b64url_decode(signature)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_bytes(key))
    numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")

    assert len(raw) == 64
    public.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(encode_dss_signature(*numbers), b"else", ec.ECDSA(SHA256()))


def test_no_two_proofs_are_the_same() -> None:
    key = new_key(KINDS[0])

    assert len({prove(key, portal="p", secret="s", typ="t") for _ in range(5)}) == 5


def test_a_damaged_key_says_so(agent: Agent, tmp_path: Path) -> None:
    (agent.home.folder / "agent.key").write_bytes(b"nothing")

    with pytest.raises(StateError):
        Home(agent.home.folder).key()
