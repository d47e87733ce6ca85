"""Batches: within one policy and the limits, and harmless to hand in twice."""

import json
from typing import Any

import pytest
from agent_helpers import EXPENSES, TRACKER, FakeClock, click, spooled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sayso_agent import Agent, Event, StandingError, UnexpectedAnswerError, UnreachableError
from sayso_agent.conformance.portal import TRUNCATED, FakePortal, allow, problem, reply
from sayso_agent.home import Home
from sayso_agent.upload import TRIES, rfc3339

BATCHES = "/api/v1/batches"


def scroll(**data: Any) -> Event:
    return Event("scroll", TRACKER, data)


def test_a_batch_says_what_is_in_it(agent: Agent, portal: FakePortal, clock: FakeClock) -> None:
    agent.poll()
    begun = clock.wall
    agent.offer(click())
    clock.pass_time(2.5)
    agent.offer(scroll(x=1, y=2))

    agent.upload()

    (manifest,) = portal.manifests.values()
    data = portal.admitted[manifest["batch"]]
    assert manifest["policy_version"] == 1000
    assert manifest["purpose"] == "train-agents"
    assert manifest["app"] == "tracker"
    assert manifest["signals"] == {"mouse_click": 1, "scroll": 1}
    assert manifest["from"] == rfc3339(begun)
    assert manifest["until"] == rfc3339(begun + 2.501)
    assert manifest["bytes"] == len(data)
    assert manifest["redactor"] == "sayso-agent/0.1.0"
    assert [json.loads(line)["t"] for line in data.splitlines()] == [begun, begun + 2.5]
    assert agent.home.spool.count() == 0


def test_one_batch_never_spans_two_apps_or_policies_be_one_the_others_renewal(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy["allow"] = [allow("tracker", "scroll"), allow("expenses", "scroll")]
    for seconds, changes in ((30, 1), (portal.lease / 2, 0), (0, 0)):
        agent.poll()
        agent.offer(scroll())
        agent.offer(Event("scroll", EXPENSES))
        clock.pass_time(seconds)
        portal.version += changes

    agent.upload()

    assert len(portal.admitted) == 6
    assert {m["policy_version"] for m in portal.manifests.values()} == {1000, 1001, 1002}


def test_what_was_captured_under_an_older_policy_is_handed_in_under_it(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    agent.offer(scroll())
    portal.version += 1
    agent.poll()

    agent.upload()

    assert [m["policy_version"] for m in portal.manifests.values()] == [1000]


def test_limits_are_kept(agent: Agent, portal: FakePortal, clock: FakeClock) -> None:
    portal.policy["limits"] = {"batch_bytes": 300, "batch_seconds": 10}
    agent.poll()
    for _ in range(30):
        agent.offer(click())
        clock.pass_time(3)

    agent.upload()

    assert len(portal.events()) == 30
    assert len(portal.admitted) >= 8


def test_the_last_moment_of_a_lease_is_inside_it(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    clock.pass_time(899.9995)
    agent.offer(click())
    agent.settle()
    clock.pass_time(1)
    agent.poll()

    agent.upload()

    (manifest,) = portal.manifests.values()
    assert manifest["until"] == rfc3339(portal.issued[1000]["lease_until"])
    assert agent.uploaded.admitted == 1


@pytest.mark.parametrize("broken", ["manifest", "bytes"])
def test_a_lost_answer_is_made_up_for_by_the_same_request(
    agent: Agent, portal: FakePortal, broken: str
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    agent.home.spool.close()
    (batch,) = agent.home.spool.closed()
    path = BATCHES if broken == "manifest" else f"{BATCHES}/{batch}/bytes"
    taken = portal.answer

    def loses(seen: Any) -> Any:
        """Take what was sent and lose the answer, also that to the attempt after it."""
        answer = taken(seen)
        if seen.path == path and len(lost) < 2:
            lost.append(seen)
            return answer[0], {**answer[1], **TRUNCATED}, answer[2]
        return answer

    lost: list[Any] = []
    portal.answer = loses  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        agent.upload()
    assert agent.home.spool.count() == 1

    done = agent.upload()

    assert done.admitted == 1
    assert list(portal.admitted) == [batch]
    assert len(portal.events()) == 1


def test_a_portal_in_trouble_keeps_the_spool(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    portal.misbehave[BATCHES] = [problem(503, "not_now", retry_after=4)]

    with pytest.raises(UnreachableError) as trouble:
        agent.upload()

    assert trouble.value.retry_after == 4
    assert agent.home.spool.count() == 1
    assert agent.upload().admitted == 1


def test_what_the_portal_refuses_is_dropped_and_counted(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    portal.misbehave[BATCHES] = [problem(422, "batch_refused", reasons=["consent_withdrawn"])]

    done = agent.upload()

    assert done.refused == {"consent_withdrawn": 1}
    assert agent.home.spool.count() == 0


def test_a_batch_the_portal_already_judged_is_not_sent_again(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    agent.offer(click())
    portal.misbehave[BATCHES] = [reply(200, {"state": "quarantined"})]

    done = agent.upload()

    assert done.refused == {"quarantined": 1}
    assert portal.paths("PUT") == []
    assert agent.home.spool.count() == 0


def test_consent_that_ends_between_manifest_and_bytes_is_a_refusal(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    taken = portal._manifest

    def withdrawing(seen: Any) -> Any:
        answer = taken(seen)
        portal.withdraw()
        return answer

    portal._manifest = withdrawing  # type: ignore[method-assign]

    done = agent.upload()

    assert done.refused == {"signal_not_allowed": 1}
    assert portal.admitted == {}
    assert agent.home.spool.count() == 0


@pytest.mark.parametrize("how", ["pause", "forget"])
def test_second_thoughts_between_manifest_and_bytes_are_heeded(
    agent: Agent, portal: FakePortal, clock: FakeClock, how: str
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    taken = portal._manifest

    def thinking(seen: Any) -> Any:
        answer = taken(seen)
        if how == "pause":
            agent.home.pause()
        else:
            Home(agent.home.folder).forget(minutes=60)
        return answer

    portal._manifest = thinking  # type: ignore[method-assign]

    agent.upload()

    assert portal.paths("PUT") == []
    assert agent.home.spool.count() == (1 if how == "pause" else 0)


def test_bytes_damaged_on_the_way_are_sent_again_but_not_for_ever(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    agent.home.spool.close()
    (batch,) = agent.home.spool.closed()
    path = f"{BATCHES}/{batch}/bytes"
    portal.always[path] = problem(422, "bytes_do_not_match")

    rounds = [agent.upload().refused for _ in range(TRIES)]

    assert rounds == [{}] * (TRIES - 1) + [{"bytes_do_not_match": 1}]
    assert agent.home.spool.count() == 0


@pytest.mark.parametrize(("status", "left"), [(401, 1), (403, 0), (410, 0)])
def test_a_closed_door_ends_uploading_too(
    agent: Agent, portal: FakePortal, status: int, left: int
) -> None:
    agent.poll()
    agent.offer(click())
    portal.always[BATCHES] = problem(status, "away")

    with pytest.raises(StandingError):
        agent.upload()

    assert agent.home.spool.count() == left
    assert agent.recordable() == []


def test_bytes_are_never_sent_elsewhere(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    url = "https://collector.example/take"
    portal.always[BATCHES] = reply(201, {"state": "awaiting_bytes", "upload_url": url})

    with pytest.raises(UnexpectedAnswerError):
        agent.upload()

    assert portal.paths("PUT") == []


def test_nothing_is_handed_in_while_paused_or_without_a_lease(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    agent.offer(click())
    agent.home.pause()
    agent.upload()
    agent.home.pause_told(agent.home.untold_pause(), after_version=5)
    assert agent.home.resumed(version=6)
    clock.pass_time(900)
    agent.upload()

    assert portal.manifests == {}
    assert agent.home.spool.count() == 1


def test_what_waited_for_days_is_dropped(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    clock.pass_time(73 * 3600)
    agent.poll()

    assert agent.upload().admitted == 0
    assert spooled(agent.home) == []


SIGNALS = st.sampled_from(["mouse_click", "scroll", "mouse_move", "key_content", "webcam"])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("event"), SIGNALS),
            st.tuples(st.just("allow"), SIGNALS),
            st.tuples(st.sampled_from(["upload", "withdraw", "wait"]), st.none()),
        ),
        max_size=20,
    )
)
def test_nothing_that_is_not_allowed_ever_reaches_the_wire(
    agent: Agent, portal: FakePortal, clock: FakeClock, steps: list[tuple[str, Any]]
) -> None:
    """The portal judges every batch by the policy it issued; it never has to refuse one."""
    agent.poll()
    for step, signal in steps:
        match step:
            case "event":
                data = {"text": "SECRET", "x": 1}
                agent.offer(Event(signal, TRACKER, data, secure=False, settles=True))
            case "allow":
                portal.version += 1
                portal.policy = {**portal.policy, "allow": [allow("tracker", signal)], "deny": []}
                agent.poll()
            case "withdraw":
                portal.withdraw()
                agent.poll()
            case "upload":
                agent.settle()
                assert not agent.upload().refused
            case "wait":
                clock.pass_time(11)
    assert all(
        event["signal"] in {"mouse_click", "scroll", "mouse_move", "key_content"}
        for event in portal.events()
    )
    assert all("text" not in e or e["signal"] == "key_content" for e in portal.events())
