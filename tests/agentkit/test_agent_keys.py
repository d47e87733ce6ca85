"""Which keys the agent believes: those its root vouches for, and the root it enrolled with."""

import json
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import FakeClock, enrolled
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent import Agent, EnrolmentError, PolicyRefusedError, StateError
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.enrol import enrol, enrol_by_ticket
from sayso_agent.home import Home
from sayso_agent.keyring import MANIFEST_SECONDS
from sayso_agent.keys import KINDS
from sayso_agent.seen import KeptManifest, Seen

MANIFEST = "/.well-known/sayso-key-manifest.jwt"


def refused(agent: Agent) -> str:
    with pytest.raises(PolicyRefusedError) as why:
        agent.poll()
    assert agent.recordable() == []
    return why.value.code


# --- at enrolment --------------------------------------------------------------------------------


def test_the_root_is_pinned_at_enrolment_and_shown(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(tmp_path / "home")

    assert main(["enrol", "--portal", portal.url, "--home", home]) == 0
    said = capsys.readouterr().out
    main(["status", "--home", home])

    root = portal.addresses()["root"]
    assert Home(Path(home)).identity().root == root
    assert root in said
    assert root in capsys.readouterr().out


def test_an_answer_without_a_root_enrols_nobody(portal: FakePortal, tmp_path: Path) -> None:
    lacking = {name: value for name, value in portal.addresses().items() if name != "root"}
    portal.misbehave["/api/v1/agents"] = [
        (201, {}, json.dumps({"agent": "a", "token": "t", **lacking}).encode())
    ]

    with pytest.raises(Exception, match="lacks something"):
        enrol(Home(tmp_path / "home"), portal.url, name="x", show=lambda _: None)
    assert not Home(tmp_path / "home").enrolled()


def test_a_ticket_says_which_root_and_a_portal_of_another_is_refused(
    portal: FakePortal, tmp_path: Path
) -> None:
    portal.waits = {"code": "BBBB-CCCC-DDDD", "approve_url": f"{portal.url}/you?code=B"}
    root = portal.addresses()["root"]

    def by_ticket(ticket: str, folder: str) -> Any:
        home = Home(tmp_path / folder)
        return enrol_by_ticket(home, portal.url, ticket=ticket, serial="", name="x", kind=KINDS[0])

    identity, _ = by_ticket(f"at_secret.{root}", "right")
    with pytest.raises(EnrolmentError) as why:
        by_ticket("at_secret.another-root", "wrong")

    assert identity.root == root
    assert why.value.code == "root_differs"
    assert not Home(tmp_path / "wrong").enrolled()
    assert all(root.encode() not in seen.headers["authorization"].encode()
               for seen in portal.requests if "authorization" in seen.headers)  # fmt: skip


# --- which manifest is believed ------------------------------------------------------------------


def test_a_manifest_is_kept_and_an_older_one_refused_after_a_restart(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    portal.manifest = {"version": 5}
    agent.poll()
    agent.close()
    again = enrolled(portal, agent.home.folder, clock)
    portal.manifest = {"version": 4}
    portal.key, portal.kid = Ed25519PrivateKey.generate(), "k2"

    assert refused(again) == "manifest_version_old"
    assert again.home.manifest().version == 5
    portal.manifest = {"version": 5}
    assert again.poll() is not None
    again.close()


def test_a_kept_manifest_serves_while_the_portals_is_out_of_reach(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    agent.poll()
    agent.close()
    portal.always[MANIFEST] = problem(503, "not_now")

    again = enrolled(portal, agent.home.folder, clock)

    assert again.poll() is not None
    clock.pass_time(2 * 86_400)
    portal.version += 1
    assert refused(again) == "policy_key_unknown", "it has ended"
    again.close()


def test_a_lost_manifest_is_said_and_not_forgotten(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    (agent.home.folder / "manifest.json").unlink()

    again = Agent(agent.home.folder)
    with pytest.raises(StateError):
        again.poll()
    again.close()


def test_neither_version_nor_epoch_kept_ever_falls(agent: Agent) -> None:
    agent.home.keep_manifest(KeptManifest("b", 7, 3))
    agent.home.keep_manifest(KeptManifest("a", 6, 3))

    assert agent.home.manifest() == KeptManifest("b", 7, 3)


def test_a_revocation_is_heard_of_within_the_hour(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    """Although nothing in the policies tells of it: whoever stole the key signs on with it."""
    agent.poll()
    portal.manifest = {"version": 2, "revoked": ["k1"]}
    clock.pass_time(MANIFEST_SECONDS / 2)
    portal.version += 1
    agent.poll()
    assert agent.recordable(), "nobody looked yet"

    clock.pass_time(MANIFEST_SECONDS / 2)
    portal.version += 1

    assert refused(agent) == "policy_key_revoked"
    assert portal.paths("GET").count(MANIFEST) == 2


def test_a_look_that_brings_a_bad_manifest_changes_nothing(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    agent.poll()
    stranger = portal.vouched(root=Ed25519PrivateKey.generate(), version=9)
    portal.always[MANIFEST] = (200, {}, stranger.encode())
    clock.pass_time(MANIFEST_SECONDS)
    portal.version += 1

    agent.poll()

    assert agent.recordable()
    assert agent.home.manifest().version == 1


# --- versions count anew -------------------------------------------------------------------------


def test_a_new_epoch_lets_versions_count_anew_and_nothing_from_before_pass(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    """Somebody issued version 2**52; only the root can undo that."""
    portal.version = 2**52
    agent.poll()
    old = portal.signed(portal.payload(version=500))
    portal.version = 1000
    clock.pass_time(10)
    assert refused(agent) == "policy_version_old"

    portal.manifest = {"version": 2, "epoch": int(clock.wall)}
    assert agent.poll() is not None
    assert agent.home.seen() == Seen(1000, 1000, int(clock.wall))

    portal.document = lambda _portal: old
    portal.version = 400
    assert refused(agent) == "policy_version_old"
    portal.document = None
    portal.version = 999
    assert refused(agent) == "policy_version_old", "within the epoch it never falls"
