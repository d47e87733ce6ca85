"""What a policy says beyond allow and deny: strikes, embargo, bandwidth, masking, bystanders."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import AGENTKIT, EXPENSES, PEOPLE, TRACKER, FakeClock, click, spooled
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import Agent, Event, Instant, Lease, Policy, PolicyRefusedError, WindowFacts
from sayso_agent.capture import Capture, Rules
from sayso_agent.conformance.portal import FakePortal, allow, policy_document
from sayso_agent.home import Home
from sayso_agent.parts import Strikes
from sayso_agent.recorders.ndjson import read_line
from sayso_agent.segment import Record
from sayso_agent.upload import manifest

from tests.schema import batch_validator, policy_validator

EVERYTHING = [
    allow("tracker", "mouse_click", "window_title", "clipboard"),
    allow("expenses", "mouse_click", "window_title"),
]
NATIVE = WindowFacts(platform="linux", executable="tracker")
NATIVE_APP = {
    "name": "Tracker",
    "category": "tracker",
    "matchers": [
        {"platform": "web", "kind": "domain", "value": "tracker.example.com"},
        {"platform": "linux", "kind": "executable", "value": "tracker"},
    ],
}


def parsed(**changes: Any) -> Policy:
    moment = {"iss": "i", "aud": "a", "version": 1, "iat": 1000, "lease_until": 1900}
    return Policy.parse({**policy_document(), **moment, **changes})


def obey(agent: Agent, portal: FakePortal, **changes: Any) -> None:
    """Give the agent a newer policy that differs in this."""
    portal.version += 1
    portal.policy = {**portal.policy, **changes}
    agent.poll()


def xs(events: list[dict[str, Any]]) -> list[Any]:
    return sorted(event["x"] for event in events)


# --- strikes ---------------------------------------------------------------------------------


def test_a_strike_purges_what_was_captured_in_it_and_batches_do_not_reach_over_it(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    start = clock.wall
    for minute in range(10):
        agent.offer(click(x=minute))
        clock.pass_time(60)
    agent.capture.flush()

    obey(agent, portal, strikes=[{"from": int(start + 180), "until": int(start + 360)}])

    assert xs(spooled(agent.home)) == [0, 1, 2, 6, 7, 8, 9]
    assert portal.acknowledgements[-1]["purged"] is True
    agent.upload()
    spans = [
        [datetime.fromisoformat(m[end]).timestamp() for end in ("from", "until")]
        for m in portal.manifests.values()
    ]
    assert len(spans) == 2
    assert all(until <= start + 180 or since >= start + 360 for since, until in spans)


def test_a_strike_over_a_time_without_events_still_divides_the_batch(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    start = clock.wall
    agent.offer(click(x=1))
    clock.pass_time(300)
    agent.offer(click(x=2))
    agent.capture.flush()

    obey(agent, portal, strikes=[{"from": int(start + 60), "until": int(start + 120)}])
    agent.upload()

    assert len(portal.admitted) == 2
    assert xs(portal.events()) == [1, 2]


def test_what_still_comes_from_a_struck_moment_is_dropped(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy = policy_document(
        strikes=[{"from": int(clock.wall - 60), "until": int(clock.wall + 2)}]
    )
    agent.poll()
    agent.offer(click(x=1))
    clock.pass_time(2)
    agent.offer(click(x=2))
    agent.capture.flush()

    assert xs(spooled(agent.home)) == [2]
    assert agent.capture.dropped["struck"] == 1


def test_typed_text_that_waits_in_memory_is_struck_too(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy = policy_document(allow=[allow("tracker", "key_content")], deny=[])
    agent.poll()
    text = Event("key_content", TRACKER, {"text": "hello there "}, secure=False, field="f")
    agent.offer(text)
    clock.pass_time(5)

    strike = {"from": int(clock.wall - 10), "until": int(clock.wall)}
    obey(agent, portal, strikes=[strike])
    agent.settle()

    assert spooled(agent.home) == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=6),
    st.lists(st.integers(0, 80), max_size=10),
)
def test_no_part_between_two_strikes_reaches_over_one(
    drawn: list[tuple[int, int]], stamps: list[int]
) -> None:
    strikes = Strikes(tuple((since, since + length) for since, length in drawn if length))
    free = [stamp for stamp in stamps if not strikes.cover(stamp)]

    for one in free:
        for two in free:
            between = any(
                min(one, two) < until and since < max(one, two)
                for since, until in strikes.intervals
            )
            assert (strikes.side(one) != strikes.side(two)) is between


# --- when and how fast things leave -------------------------------------------------------------


def test_under_embargo_nothing_leaves_and_after_it_everything_does(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy = policy_document(embargo_seconds=600)
    agent.poll()
    agent.offer(click(x=1))
    clock.pass_time(599)
    agent.upload()
    assert portal.manifests == {}
    assert xs(spooled(agent.home)) == [1]

    clock.pass_time(2)
    agent.upload()

    assert xs(portal.events()) == [1]
    assert spooled(agent.home) == []


def test_the_newest_event_of_a_batch_decides_not_the_oldest(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy = policy_document(embargo_seconds=600)
    agent.poll()
    agent.offer(click(x=1))
    clock.pass_time(500)
    agent.offer(click(x=2))
    clock.pass_time(200)

    agent.upload()

    assert portal.manifests == {}


def test_no_more_leaves_than_the_bandwidth_allows(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    limits = {"batch_bytes": 1000, "batch_seconds": 900, "bytes_per_second": 100}
    portal.policy = policy_document(limits=limits)
    agent.poll()
    for number in range(120):
        agent.offer(click(x=number))
    agent.capture.flush()
    began, sent = clock.monotonic, []

    while spooled(agent.home):
        agent.upload()
        sent.append((clock.monotonic, sum(len(data) for data in portal.admitted.values())))
        assert clock.monotonic < began + 600
        clock.pass_time(max(agent.uploader.waits, 0.5))
        agent.poll()

    assert sent[-1][1] > 5000
    # Averaged over ten seconds, and the batch that is under way is finished.
    assert all(total <= (moment - began + 10) * 100 + 1000 for moment, total in sent)


def test_what_could_not_be_handed_in_for_too_long_is_dropped(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    limits = {"batch_bytes": 1000, "batch_seconds": 900, "spool_seconds": 100}
    portal.policy = policy_document(limits=limits, embargo_seconds=500)
    agent.poll()
    agent.offer(click(x=1))
    clock.pass_time(101)

    agent.upload()

    assert spooled(agent.home) == []
    assert agent.capture.dropped["outdated"] == 1


# --- masking -------------------------------------------------------------------------------------


def test_a_signal_whose_masking_we_lack_is_denied_and_others_go_on() -> None:
    policy = parsed(
        allow=EVERYTHING,
        deny=[],
        redaction={"profiles": {"window_title": "text-9"}, "without": "deny"},
    )

    assert policy.reasons("train-agents", "tracker", "window_title") == ("cannot_redact",)
    assert policy.permits("train-agents", "tracker", "clipboard")


@pytest.mark.parametrize(
    "redaction",
    [
        {"profiles": {}, "without": "allow"},
        {"profiles": {}},
        {"without": "deny"},
        {"profiles": {"clipboard": 1}, "without": "deny"},
        [],
    ],
)
def test_a_redaction_that_does_not_deny_or_cannot_be_read_refuses_the_policy(
    redaction: Any,
) -> None:
    with pytest.raises(PolicyRefusedError):
        parsed(redaction=redaction)


@pytest.mark.parametrize(
    "changes",
    [
        {"strikes": [{"from": 1}]},
        {"strikes": [{"from": "1", "until": 2}]},
        {"strikes": {}},
        {"windows": {"every_visible_for": "screenshot"}},
        {"windows": []},
        {"embargo_seconds": -1},
        {"embargo_seconds": True},
        {"limits": {"batch_bytes": 1, "batch_seconds": 1, "bytes_per_second": 0}},
        {"limits": {"batch_bytes": 1, "batch_seconds": 1, "spool_seconds": "long"}},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_read_refuses_the_policy(changes: dict[str, Any]) -> None:
    with pytest.raises(PolicyRefusedError):
        parsed(**changes)


# --- who is in sight ----------------------------------------------------------------------------


def title(window: WindowFacts, *visible: WindowFacts, told: bool = True) -> Event:
    return Event("window_title", window, {"text": "Plan"}, visible=visible if told else None)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (title(NATIVE, NATIVE, EXPENSES), ""),
        (title(NATIVE, NATIVE, PEOPLE), "visible_not_allowed"),
        (title(NATIVE, NATIVE, WindowFacts()), "visible_not_allowed"),
        (title(NATIVE, WindowFacts(platform="web", host="a.example")), "visible_not_allowed"),
        (title(TRACKER, WindowFacts(platform="web", host="tracker.example.com", private=True)),
         "visible_not_allowed"),
        (title(TRACKER, WindowFacts(platform="web", host="tracker.example.com")),
         "visible_not_allowed"),
        (title(NATIVE, told=False), "visible_unknown"),
        (title(TRACKER, told=False), ""),  # a page's recorder sees nothing beside its page
        (title(TRACKER, PEOPLE), "visible_not_allowed"),
    ],
)  # fmt: skip
def test_every_visible_window_counts_for_titles(
    agent: Agent, portal: FakePortal, event: Event, reason: str
) -> None:
    apps = {**portal.policy["apps"], "tracker": NATIVE_APP}
    portal.policy = policy_document(apps=apps, allow=EVERYTHING, deny=[])
    agent.poll()

    agent.offer(event)

    assert dict(agent.capture.dropped) == ({reason: 1} if reason else {})
    assert agent.capture.kept["window_title"] == (0 if reason else 1)


def test_a_window_in_sight_must_be_allowed_for_that_very_signal_and_purpose(
    agent: Agent, portal: FakePortal
) -> None:
    portal.policy = policy_document(
        allow=[
            allow("tracker", "window_title"),
            allow("tracker", "window_title", purpose="second"),
            allow("expenses", "window_title", purpose="second"),
            allow("expenses", "mouse_click"),
        ],
        deny=[],
    )
    agent.poll()

    agent.offer(title(TRACKER, EXPENSES))
    agent.capture.flush()

    assert [event["purpose"] for event in spooled(agent.home)] == ["second"]


def test_the_manifest_lists_the_apps_of_every_window_in_sight_and_nothing_else(
    agent: Agent, portal: FakePortal
) -> None:
    apps = {**portal.policy["apps"], "tracker": NATIVE_APP}
    portal.policy = policy_document(apps=apps, allow=EVERYTHING, deny=[])
    agent.poll()

    for event in (title(NATIVE), title(NATIVE, NATIVE, EXPENSES), click(NATIVE)):
        agent.offer(event)
    agent.settle()
    agent.upload()

    (said,) = portal.manifests.values()
    assert said["signals"] == {"mouse_click": 1, "window_title": 2}
    assert said["visible"] == {"window_title": ["expenses", "tracker"]}
    batch_validator().validate(said)
    assert b"Plan" not in json.dumps(said).encode()


@pytest.mark.parametrize("where", ["memory", "spool"])
def test_what_waits_goes_when_a_window_beside_it_may_no_longer_be_recorded(
    agent: Agent, portal: FakePortal, where: str
) -> None:
    portal.policy = policy_document(allow=EVERYTHING, deny=[])
    agent.poll()
    agent.offer(title(TRACKER))
    agent.offer(title(TRACKER, EXPENSES))
    if where == "spool":
        agent.settle()

    portal.version += 1
    portal.policy = policy_document(allow=[allow("tracker", "window_title")], deny=[])
    agent.poll()
    agent.settle()

    assert len(spooled(agent.home)) == 1
    assert portal.acknowledgements[-1]["purged"] is True
    agent.upload()
    (said,) = portal.manifests.values()
    assert said["visible"] == {"window_title": ["tracker"]}


def test_a_title_whose_windows_in_sight_nobody_wrote_down_never_leaves(
    agent: Agent, portal: FakePortal
) -> None:
    """As an agent of an earlier version left it in the spool."""
    portal.policy = policy_document(allow=EVERYTHING, deny=[])
    agent.poll()
    rules = agent.rules
    assert rules
    stamp = float(rules.policy.issued_at)
    record = Record(stamp, "window_title", b'{"text":"Plan"}', agent.clock.now().wall)
    agent.home.spool.append(rules.slot("train-agents", "tracker"), [record])

    portal.version += 1
    agent.poll()

    assert spooled(agent.home) == []


def test_a_policy_adds_signals_that_show_other_windows_and_takes_none_away(
    agent: Agent, portal: FakePortal
) -> None:
    windows = {"private": "deny", "other_sessions": "deny", "every_visible_for": ["mouse_click"]}
    portal.policy = policy_document(windows=windows)
    agent.poll()

    agent.offer(click())

    assert agent.capture.dropped == {"visible_unknown": 1}
    assert parsed(windows=windows).every_visible_for > {"screenshot", "window_title"}


# --- whose session, and who else is there --------------------------------------------------------


def test_without_a_word_on_sessions_only_the_enrolled_account_records(
    agent: Agent, portal: FakePortal
) -> None:
    """As a service for all accounts it sees everybody's: there each event must say whose it is."""
    identity = agent.home.identity()
    agent.home.save_identity(replace(identity, account="of-somebody-else"), agent.home.key())
    service = Agent(agent.home.folder, clock=agent.clock)
    service.poll()
    agent.poll()

    for one in (agent, service):
        one.offer(click())
        one.offer(click(replace(TRACKER, session="own")))

    assert agent.capture.kept == {"mouse_click": 2}
    assert service.capture.kept == {"mouse_click": 1}
    assert service.capture.dropped == {"session_unknown": 1}
    service.close()


def test_a_folder_that_does_not_say_which_account_enrolled_is_nobodys(agent: Agent) -> None:
    agent.home.save_identity(replace(agent.home.identity(), account=""), agent.home.key())
    unknown = Agent(agent.home.folder, clock=agent.clock)
    unknown.poll()

    unknown.offer(click())

    assert unknown.capture.dropped == {"session_unknown": 1}
    unknown.close()


@pytest.mark.parametrize(
    ("sessions", "permits"), [(["own"], True), (["own", "guests"], True), (["guests"], False),
                              ([], False)],
)  # fmt: skip
def test_a_policy_for_no_session_of_ours_permits_nothing(
    sessions: list[str], permits: bool
) -> None:
    policy = parsed(sessions=sessions)

    assert policy.permits_anything() is permits
    if not permits:
        assert policy.reasons("train-agents", "tracker", "mouse_click") == ("other_session",)


@pytest.mark.parametrize("odd", [None, "own", [1], {"own": True}])
def test_sessions_that_cannot_be_read_refuse_the_policy(odd: object) -> None:
    with pytest.raises(PolicyRefusedError):
        parsed(sessions=odd)


@pytest.mark.parametrize("odd", [None, [], {"call": "comms_content"}, {"visit": None}])
def test_bystanders_that_cannot_be_read_refuse_the_policy(odd: object) -> None:
    with pytest.raises(PolicyRefusedError):
        parsed(bystanders=odd)


YES_NO_UNKNOWN = st.sampled_from([True, False, None])


@given(
    said=st.dictionaries(
        st.sampled_from(["call", "screen_share", "visitors"]),
        st.lists(st.sampled_from(["mouse_click", "scroll", "comms_content"]), unique=True),
    ),
    signal=st.sampled_from(["mouse_click", "scroll", "comms_content", "screenshot"]),
    call=YES_NO_UNKNOWN,
    share=YES_NO_UNKNOWN,
)
def test_what_shows_bystanders_is_on_only_where_none_are_known_to_be_there(
    said: dict[str, list[str]], signal: str, call: bool | None, share: bool | None
) -> None:
    """A policy adds signals and situations; what is built in it never takes away."""
    always = signal in {"comms_content", "screenshot"}
    situations = {"call": call, "screen_share": share, "visitors": None}
    bound = [
        given
        for name, given in situations.items()
        if signal in said.get(name, []) or (always and name != "visitors")
    ]

    reason = parsed(bystanders=said).others_object(signal, {"call": call, "screen_share": share})

    assert (reason == "") is all(given is False for given in bound)


def test_the_line_form_names_the_windows_in_sight() -> None:
    line = {
        "signal": "window_title",
        "text": "x",
        "visible": [{"platform": "web", "host": "hr.example.com", "private": False}],
    }

    event = read_line(json.dumps(line).encode(), WindowFacts())

    assert isinstance(event, Event)
    assert event.visible == (PEOPLE,)
    assert "visible" not in event.data


@pytest.mark.parametrize("visible", ["all", [1], [None], [{"host": 1}], {}])
def test_a_line_whose_windows_in_sight_cannot_be_read_is_dropped(visible: Any) -> None:
    line = json.dumps({"signal": "window_title", "text": "x", "visible": visible}).encode()

    assert not isinstance(read_line(line, WindowFacts()), Event)


def test_a_purge_that_divides_keeps_every_record(agent: Agent, clock: FakeClock) -> None:
    agent.poll()
    for number in range(6):
        agent.offer(click(x=number))
        clock.pass_time(1)
    agent.capture.flush()

    def part(record: Record) -> int:
        return int(json.loads(record.line)["x"]) % 3

    assert agent.home.spool.purge(lambda _slot, _record: True, part=part) == 0

    assert len(list(agent.home.spool.segments())) == 3
    assert xs(spooled(agent.home)) == [0, 1, 2, 3, 4, 5]


def test_nothing_is_rewritten_where_nothing_goes(agent: Agent, tmp_path: Path) -> None:
    agent.poll()
    agent.offer(click())
    agent.capture.flush()
    before = [segment.batch for segment in agent.home.spool.segments()]

    agent.home.spool.purge(lambda _slot, _record: True)

    assert [segment.batch for segment in agent.home.spool.segments()] == before


# --- golden vectors -----------------------------------------------------------------------------

EVENTS = json.loads((AGENTKIT / "vectors" / "events.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", EVENTS["cases"], ids=lambda case: case["name"])
def test_the_golden_events(case: dict[str, Any], tmp_path: Path) -> None:
    policy = Policy.parse(EVENTS["policy"])
    lease = Lease.begin(policy, asked=0.0, received=0.0)
    began = Instant(0.0, float(policy.issued_at))
    moment = Instant(float(case["at"] - policy.issued_at), float(case["at"]))
    home = Home(tmp_path / "home")
    own = case.get("own_account", True)
    capture = Capture(home.spool, lambda: "", own_account=own)
    capture.change(Rules(policy, lease), began)

    capture.offer(read_line(json.dumps(case["event"]).encode(), WindowFacts()), moment, moment)
    capture.settle(moment)
    capture.flush()

    reason = case["dropped_as"]
    assert dict(capture.dropped) == ({reason: 1} if reason else {})
    assert len(spooled(home)) == (0 if reason else 1)
    listed = [manifest(segment).get("visible", {}) for segment in home.spool.segments()]
    told = {case["event"]["signal"]: case["visible"]} if "visible" in case else {}
    assert listed == ([] if reason else [told])


def test_the_golden_policy_follows_the_schema() -> None:
    policy_validator().validate(EVENTS["policy"])
