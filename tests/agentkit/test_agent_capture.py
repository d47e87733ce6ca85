"""The promise: what the policy does not allow never reaches the spool, whatever events come."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import EXPENSES, PEOPLE, TRACKER, FakeClock, click, spooled, typed
from hypothesis import given, settings
from hypothesis import strategies as st
from sayso_agent import Event, Instant, Lease, Policy, Skipped, Typing, WindowFacts
from sayso_agent.capture import Capture, Rules
from sayso_agent.conformance.portal import allow, policy_document
from sayso_agent.fields import SHAPES
from sayso_agent.home import Home
from sayso_agent.words import NEVER_SIGNALS, SIGNALS

START = 1_800_000_000


def rules(clock: FakeClock, *, received: float | None = None, **changes: Any) -> Rules:
    """A policy that was fetched now."""
    moment = {"iss": "i", "aud": "a", "version": 1, "iat": START, "lease_until": START + 900}
    policy = Policy.parse({**policy_document(), **moment, **changes})
    at = clock.monotonic if received is None else received
    return Rules(policy, Lease.begin(policy, asked=at, received=at))


class Bench:
    """A capture pipeline on a folder of its own."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.clock = FakeClock()
        self.clock.wall = START + 1.0
        self.home = Home(folder)
        self.capture = Capture(self.home.spool, lambda: "paused_here" if self.home.paused() else "")
        self.capture.change(rules(self.clock, **changes), self.clock.now())

    def offer(self, *items: Event | Skipped) -> None:
        for item in items:
            self.capture.offer(item, self.clock.now(), self.clock.now())

    def kept(self) -> list[dict[str, Any]]:
        self.capture.flush()
        return spooled(self.home)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    everything = [allow("tracker", *SIGNALS), allow("expenses", *SIGNALS)]
    return Bench(tmp_path / "home", allow=everything, deny=[])


def test_what_is_allowed_is_kept_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home")

    bench.offer(
        click(),
        click(EXPENSES),
        click(PEOPLE),
        Event("mouse_move", TRACKER, {"x": 1, "y": 1}),
        typed("hello"),
        Event("screenshot", TRACKER, {"data": "x"}),
        Event("webcam", TRACKER),
        Event("thoughts", TRACKER),
        Skipped("not_a_signal"),
    )

    (kept,) = bench.kept()
    assert kept["signal"] == "mouse_click"
    assert bench.capture.dropped == {
        "not_allowed": 2,
        "never": 1,
        "signal_not_consented": 1,
        "cannot_redact": 1,
        "never_signal": 1,
        "unknown_signal": 1,
        "not_a_signal": 1,
    }


def test_a_click_carries_no_text(bench: Bench) -> None:
    bench.offer(click(text="hunter2", element="my-secret-tag", button="x" * 99, note={"a": "b"}))

    (kept,) = bench.kept()
    assert kept == {
        "purpose": "train-agents",
        "app": "tracker",
        "t": START,
        "signal": "mouse_click",
        "x": 1,
        "y": 2,
        "action": "click",
        "element": "other",
    }


def test_a_key_is_kept_as_its_kind_and_never_as_its_letter(bench: Bench) -> None:
    for key in ("a", "A", "7", "Enter", "ArrowLeft", "F5", "ß", "keycode_50", 7, None):
        bench.offer(Event("key_meta", TRACKER, {"key": key, "action": "press"}, secure=False))

    kinds = [event.get("key") for event in bench.kept()]
    assert kinds == [
        "character",
        "character",
        "character",
        "enter",
        "arrow",
        "function",
        "character",
        "other",
        "other",
        "other",
    ]


def test_numbers_that_are_none_are_left_out(bench: Bench) -> None:
    bench.offer(Event("scroll", TRACKER, {"x": float("nan"), "y": float("inf"), "dx": True}))

    (kept,) = bench.kept()
    assert set(kept) == {"purpose", "app", "t", "signal"}


def test_secure_input_is_dropped_whatever_signal_shows_it(bench: Bench) -> None:
    bench.offer(
        Event("key_content", TRACKER, {"text": "x"}, secure=True),
        Event("key_meta", TRACKER, {"key": "a"}, secure=True),
        Event("key_timing", TRACKER, {"ms": 3}, secure=True),
        Event("clipboard", TRACKER, {"text": "x"}, secure=True),
        Event("dom_text", TRACKER, {"text": "x"}, secure=True),
        Event("key_content", TRACKER, {"text": "x"}),
        Event("key_meta", TRACKER, {"key": "a"}),
        Event("key_timing", TRACKER, {"ms": 3}),
    )

    assert bench.kept() == []
    assert bench.capture.dropped == {"secure_input": 5, "field_unknown": 3}


def test_typed_text_waits_until_its_field_is_left(bench: Bench) -> None:
    for char in "4111 1111 1111 1111":
        bench.offer(typed(char))
        assert bench.kept() == []

    bench.offer(Skipped("not_a_signal", settles=True))

    (kept,) = bench.kept()
    assert kept["text"] == "[card]"


def test_typed_text_is_settled_by_another_field_or_app(bench: Bench) -> None:
    bench.offer(typed("one", field="a"), typed("two", field="b"), typed("three", EXPENSES))
    bench.capture.settle(bench.clock.now())

    assert [(e["app"], e["text"]) for e in bench.kept()] == [
        ("tracker", "one"),
        ("tracker", "two"),
    ]


def test_text_cut_off_by_the_end_of_input_loses_its_last_word(bench: Bench) -> None:
    bench.offer(typed("please call 0171"))
    bench.capture.settle(bench.clock.now())

    (kept,) = bench.kept()
    assert kept["text"] == "please call"


def test_a_field_value_replaces_the_one_before(bench: Bench) -> None:
    for text in ("h", "hi", "hi t", "hi there"):
        bench.offer(typed(text, typing=Typing.VALUE))
    bench.offer(Event("ui_event", TRACKER, {"kind": "blur"}, settles=True))

    assert [e["text"] for e in bench.kept() if e["signal"] == "key_content"] == ["hi there"]


def test_backspace_erases(bench: Bench) -> None:
    bench.offer(typed("cat"), typed("\b\b"), typed("ow"), Skipped("x", settles=True))

    assert [e["text"] for e in bench.kept()] == ["cow"]


def test_a_number_typed_across_a_change_of_policy_is_masked_on_both_sides(bench: Bench) -> None:
    bench.offer(*(typed(char) for char in "card 4111 1111"))
    bench.clock.pass_time(1)
    new = rules(bench.clock, version=2, allow=[allow("tracker", *SIGNALS)], deny=[])
    bench.capture.change(new, bench.clock.now())
    bench.offer(*(typed(char) for char in " 1111 1111 ok"), Skipped("x", settles=True))

    texts = {e["text"] for e in bench.kept()}
    assert texts == {"card 4111", "[digits] ok"}


def test_very_long_typing_is_cut_and_stays_safe(bench: Bench) -> None:
    number = "4111111111111111 " * 500
    bench.offer(*(typed(char) for char in number), Skipped("x", settles=True))

    assert all("4111" not in e["text"] for e in bench.kept())


def test_nothing_waits_in_memory_across_a_denial(bench: Bench) -> None:
    bench.offer(click(), typed("secret plan"))
    bench.capture.change(None, bench.clock.now())
    bench.capture.change(rules(bench.clock, allow=[allow("tracker", *SIGNALS)]), bench.clock.now())
    bench.offer(Skipped("x", settles=True))

    assert bench.kept() == []


def test_a_change_keeps_only_what_old_and_new_policy_both_permit(bench: Bench) -> None:
    bench.offer(click(), Event("scroll", TRACKER, {"x": 1}), typed("words of mine"))
    new = rules(bench.clock, version=2, allow=[allow("tracker", "scroll")], deny=[])
    bench.capture.change(new, bench.clock.now())

    assert [e["signal"] for e in bench.kept()] == ["scroll"]


def test_an_app_is_looked_up_anew_under_a_new_policy(bench: Bench) -> None:
    bench.offer(click())
    closed = {"platform": "web", "kind": "domain", "value": "tracker.example.com"}
    never = {"categories": [], "signals": [], "matchers": [closed]}
    everything = [allow("tracker", *SIGNALS)]
    new = rules(bench.clock, version=2, allow=everything, deny=[], never=never)
    bench.capture.change(new, bench.clock.now())

    bench.offer(click())

    assert len(bench.kept()) == 1
    assert bench.capture.dropped == {"never": 1}


def test_what_happened_before_the_policy_came_is_not_captured_by_it(bench: Bench) -> None:
    earlier = bench.clock.now()
    bench.clock.pass_time(5)
    wider = rules(bench.clock, version=2, allow=[allow("tracker", *SIGNALS)], deny=[])
    bench.capture.change(wider, bench.clock.now())

    bench.capture.offer(click(), earlier, bench.clock.now())

    assert bench.kept() == []
    assert bench.capture.dropped["outside_lease"] == 1


def test_a_recorders_own_time_moves_an_event_back_and_never_forward(bench: Bench) -> None:
    bench.clock.pass_time(10)
    wall = bench.clock.wall
    bench.offer(
        Event("scroll", TRACKER, at=wall - 3),
        Event("scroll", TRACKER, at=wall - 600),
        Event("scroll", TRACKER, at=wall + 60),
        Event("scroll", TRACKER, at=float("nan")),
        Event("scroll", TRACKER, at=float("-inf")),
    )

    assert [e["t"] for e in bench.kept()] == [START + 7]
    assert bench.capture.dropped["outside_lease"] == 4


def test_the_lease_ends_by_itself(bench: Bench) -> None:
    bench.clock.pass_time(898)
    bench.offer(click())
    bench.clock.pass_time(2)
    bench.offer(click())

    assert len(bench.kept()) == 1
    assert bench.capture.dropped["lease_ended"] == 1


def test_a_pause_on_this_machine_stops_at_once(bench: Bench) -> None:
    bench.offer(typed("before"))
    bench.home.pause()
    bench.offer(click(), Skipped("x", settles=True))
    assert bench.kept() == []

    bench.home.pause_told(bench.home.untold_pause(), after_version=5)
    assert bench.home.resumed(version=6)
    bench.offer(click())

    assert len(bench.kept()) == 1
    assert bench.capture.dropped["paused_here"] == 2


def hours(since: int, until: int, purpose: str = "train-agents") -> dict[str, Any]:
    return {"purpose": purpose, "from": START + since, "until": START + until}


def test_what_happens_outside_working_hours_is_not_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", schedule=[hours(10, 20)])

    for seconds in (9, 1, 9, 1):  # at 9, 10, 19 and 20 seconds of the lease
        bench.clock.pass_time(seconds)
        bench.offer(click())

    assert [line["t"] for line in bench.kept()] == [START + 10, START + 19]
    assert bench.capture.dropped["outside_work_hours"] == 2


def test_a_wall_clock_set_back_does_not_make_hours_longer(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", schedule=[hours(0, 20)])

    bench.clock.pass_time(30)
    bench.clock.wall -= 3600
    bench.offer(click())

    assert bench.kept() == []


def test_typed_text_is_kept_by_when_it_was_typed(tmp_path: Path) -> None:
    everything = [allow("tracker", *SIGNALS)]
    bench = Bench(tmp_path / "home", allow=everything, deny=[], schedule=[hours(0, 20)])

    bench.offer(typed("inside"))
    bench.clock.pass_time(25)
    bench.offer(typed("outside"))
    bench.capture.settle(bench.clock.now())

    assert "outside" not in json.dumps(bench.kept())
    assert bench.capture.dropped["outside_work_hours"] == 1


def test_hours_of_one_purpose_leave_another_alone(tmp_path: Path) -> None:
    both = [allow("tracker", "mouse_click"), allow("tracker", "mouse_click", purpose="other")]
    bench = Bench(tmp_path / "home", allow=both, deny=[], schedule=[hours(100, 200)])

    bench.offer(click())

    bench.capture.flush()
    assert len(bench.kept()) == 1


def test_an_event_goes_to_every_purpose_that_allows_it(tmp_path: Path) -> None:
    both = [allow("tracker", "scroll"), allow("tracker", "scroll", purpose="improve-tools")]
    bench = Bench(tmp_path / "home", allow=both)

    bench.offer(Event("scroll", TRACKER))

    assert {e["purpose"] for e in bench.kept()} == {"train-agents", "improve-tools"}


def test_text_that_is_too_long_is_dropped_whole(bench: Bench) -> None:
    bench.offer(Event("dom_text", TRACKER, {"text": "x" * 30_000}))

    assert bench.kept() == []
    assert bench.capture.dropped == {"bad_event": 1}


def test_text_that_is_no_text_does_no_harm(bench: Bench) -> None:
    bench.offer(Event("window_title", TRACKER, {"text": "odd \ud800 surrogate"}))

    (kept,) = bench.kept()
    assert kept["text"] == "odd ? surrogate"


# --- properties ----------------------------------------------------------------------------------

ANY_SIGNAL = st.sampled_from([*sorted(SIGNALS), *sorted(NEVER_SIGNALS), "thoughts", ""])
WINDOWS = st.sampled_from(
    [
        TRACKER,
        EXPENSES,
        PEOPLE,
        WindowFacts(),
        WindowFacts(platform="web", host="elsewhere.example"),
        WindowFacts(platform="web", host="tracker.example.com", private=True),
        WindowFacts(platform="web", host="tracker.example.com"),
        WindowFacts(platform="macos", bundle_id="com.1password.1password"),
        WindowFacts(platform="linux", hint="tracker"),
        WindowFacts(platform="linux", hint="people"),
    ]
)
MARK = "MARK-"
DATA = st.dictionaries(
    st.sampled_from(["x", "y", "text", "key", "action", "kind", "element", "button", "note"]),
    st.one_of(
        st.integers(-9, 9),
        st.sampled_from(["click", "press", "snapshot", "div", "Enter", f"{MARK}secret", "a"]),
        st.lists(st.just(f"{MARK}listed"), max_size=1),
    ),
)
EVENTS = st.builds(
    Event,
    signal=ANY_SIGNAL,
    window=WINDOWS,
    data=DATA,
    at=st.one_of(st.none(), st.floats(START - 50, START + 1000)),
    secure=st.sampled_from([True, False, None]),
    field=st.sampled_from(["", "a", "b"]),
    typing=st.sampled_from(Typing),
    settles=st.booleans(),
)
SIGNAL_SETS = st.sets(st.sampled_from([*sorted(SIGNALS), *sorted(NEVER_SIGNALS)]), max_size=6)
POLICIES = st.fixed_dictionaries(
    {
        "allow": st.lists(
            st.builds(
                lambda app, signals, purpose: allow(app, *signals, purpose=purpose),
                st.sampled_from(["tracker", "expenses", "people", "unlisted"]),
                SIGNAL_SETS,
                st.sampled_from(["train-agents", "improve-tools"]),
            ),
            max_size=4,
        ),
        "deny": st.lists(
            st.builds(
                lambda apps, signals: {
                    "purpose": "train-agents",
                    "apps": sorted(apps),
                    "signals": sorted(signals),
                    "reasons": ["signal_not_consented"],
                },
                st.sets(st.sampled_from(["tracker", "expenses"]), min_size=1),
                SIGNAL_SETS.filter(bool),
            ),
            max_size=2,
        ),
        "paused": st.booleans(),
    }
)
STEPS = st.lists(
    st.one_of(
        EVENTS,
        POLICIES,
        st.sampled_from(["deny", "pause", "resume", "wait", "flush", "settle", "lapse"]),
    ),
    max_size=25,
)


def permitted(policy: dict[str, Any] | None, event: dict[str, Any]) -> bool:
    """Whether a policy document allows a spooled event, written without the agent's own code."""
    if policy is None or policy["paused"]:
        return False
    purpose, app, signal = event["purpose"], event["app"], event["signal"]
    if app not in {"tracker", "expenses"} or signal not in SIGNALS:
        return False
    denied = any(
        entry["purpose"] == purpose and app in entry["apps"] and signal in entry["signals"]
        for entry in policy["deny"]
    )
    return not denied and any(
        entry["purpose"] == purpose and entry["app"] == app and signal in entry["signals"]
        for entry in policy["allow"]
    )


@settings(max_examples=120, deadline=None)
@given(POLICIES, STEPS)
def test_nothing_that_is_not_allowed_ever_reaches_the_spool(
    first: dict[str, Any], steps: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "home", **first)
        policies: dict[int, dict[str, Any]] = {1: first}
        known: set[str] = set()
        version = 1
        for step in steps:
            before_paused = bench.home.paused()
            match step:
                case Event():
                    bench.offer(step)
                case dict():
                    version += 1
                    policies[version] = step
                    bench.capture.change(
                        rules(bench.clock, version=version, **step), bench.clock.now()
                    )
                case "deny":
                    bench.capture.change(None, bench.clock.now())
                case "pause":
                    bench.home.pause()
                case "resume":
                    bench.home.pause_told(bench.home.untold_pause(), after_version=5)
                    bench.home.resumed(version=6)
                case "wait":
                    bench.clock.pass_time(7)
                case "lapse":
                    bench.clock.pass_time(901)
                case "settle":
                    bench.capture.settle(bench.clock.now())
            bench.capture.flush()
            for segment in bench.home.spool.segments():
                for record in segment.records:
                    line = json.loads(record.line)
                    event = {"purpose": segment.slot.purpose, "app": segment.slot.app, **line}
                    assert permitted(policies[segment.slot.version], event), event
                    assert START <= line["t"] < START + 900
                    assert line["signal"] in SHAPES
                    if line["signal"] not in {
                        "key_content",
                        "clipboard",
                        "window_title",
                        "dom_text",
                        "comms_content",
                    }:
                        assert MARK not in record.line.decode()
                    fresh = segment.batch + record.line.decode() not in known
                    assert not (fresh and before_paused and step != "resume")
                    known.add(segment.batch + record.line.decode())


@settings(max_examples=80, deadline=None)
@given(
    st.text(alphabet=" abc", max_size=12),
    st.sampled_from(["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"]),
    st.integers(0, 40),
    st.sampled_from(["change", "deny", "none"]),
)
def test_a_card_number_never_passes_key_by_key(noise: str, card: str, cut: int, how: str) -> None:
    """Typed in any text and cut anywhere, fewer of its digits are left than a receipt shows."""
    text = f"{noise} {card} {noise}"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "home", allow=[allow("tracker", "key_content")], deny=[])
        for i, char in enumerate(text):
            if i == cut and how != "none":
                if how == "deny":
                    bench.capture.change(None, bench.clock.now())
                same = rules(bench.clock, allow=[allow("tracker", "key_content")], deny=[])
                bench.capture.change(same, bench.clock.now())
            bench.offer(typed(char))
        bench.offer(Skipped("x", settles=True))
        written = " ".join(event["text"] for event in bench.kept())

    assert sum(c.isdigit() for c in written) <= (4 if how == "deny" else 8)


def test_an_instant_of_another_boot_has_no_time(bench: Bench) -> None:
    bench.capture.offer(click(), Instant(3.0, bench.clock.wall), bench.clock.now())

    assert bench.kept() == []
