"""Marks: what an agent understands, and that no comparison takes longer than its input is long."""

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from agent_helpers import AGENTKIT
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent.marks import KINDS, Matcher, host_closed, host_fit, normal_host, understood
from sayso_agent.matching import App, WindowFacts, find_app

MARKS = json.loads((AGENTKIT / "vectors" / "marks.json").read_text())["marks"]


def ident(mark: dict[str, Any]) -> str:
    return f"{mark['platform']} {mark['kind']} {mark['value'][:40]!r}"


@pytest.mark.parametrize("mark", MARKS, ids=ident)
def test_golden_mark(mark: dict[str, Any]) -> None:
    found = understood(Matcher(mark["platform"], mark["kind"], mark["value"]))

    assert found is mark["understood"]


def test_whatever_a_portal_saves_is_understood() -> None:
    assert all(mark["understood"] for mark in MARKS if not mark["misfit"])


def test_the_kinds_are_the_portals() -> None:
    portal = pytest.importorskip("consent.policy.matching")

    assert {p.value: {k.value for k in kinds} for p, kinds in portal.KINDS.items()} == KINDS


LABELS = st.lists(st.sampled_from(["a", "b", "ab", "xn--bcher-kva", "c-d", "e_f"]), max_size=4)
HOSTS = LABELS.map(lambda labels: ".".join([*labels, "site", "example"]))


@given(HOSTS, HOSTS)
def test_a_star_fits_exactly_what_lies_below(host: str, base: str) -> None:
    below = host.split(".")[-len(base.split(".")) :] == base.split(".") and host != base

    assert bool(host_fit("*." + base, host)) is below
    assert bool(host_fit(base, host)) is (host == base)
    assert host_closed("*." + base, host) is (below or host == base)
    assert host_closed(base, host) is (below or host == base)


@given(st.text(max_size=60), HOSTS)
def test_whatever_is_not_understood_fits_no_host(value: str, host: str) -> None:
    mark = Matcher("web", "domain", value)

    if not understood(mark):
        assert not host_fit(value, host)
        assert not host_closed(value, host)


# --- linear by construction: steps of the interpreter are counted, no clock is asked -------------


def steps(work: Callable[[], object]) -> int:
    """Return how many bytecode instructions ran in our own code and in what it calls in Python."""
    counted = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return counted


HOSTILE = {
    "many labels": lambda size: "a." * (size // 2) + "example",
    "one long label": lambda size: "a" * size,
    "hyphens": lambda size: "-" * size,
    "dots": lambda size: "." * size,
    "almost the mark": lambda size: ("a.tracker.exampl" * size)[:size],
    "brackets": lambda size: "[" * size,
    "colons": lambda size: ":" * size,
    "digits": lambda size: "9" * size,
    "letters of another script": lambda size: "ü" * size,
    "spaces": lambda size: " " * size + "a",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_reading_a_host_takes_steps_in_proportion_to_its_length(make: Any) -> None:
    small, large, huge = (steps(lambda n=n: normal_host(make(n))) for n in (64, 128, 100_000))

    assert large <= 2 * small + 200
    assert huge <= 8 * max(small, large) + 2_000, "beyond the longest host nothing is read at all"


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_comparing_takes_steps_in_proportion_to_the_number_of_marks(make: Any) -> None:
    def compare(marks: int) -> int:
        apps = {
            f"a{n}": App(f"a{n}", "A", "office", (Matcher("web", "domain", f"*.h{n}.example"),))
            for n in range(marks)
        }
        never = [Matcher("web", "domain", f"*.n{n}.example") for n in range(marks)]
        facts = WindowFacts(platform="web", host=make(200), aliases=(make(100),))
        find_app(facts, apps, never)  # what is understood is worked out once
        return steps(lambda: find_app(facts, apps, never))

    few, many = compare(8), compare(64)

    assert many <= 8 * few + 2_000


def test_comparing_takes_steps_in_proportion_to_the_length_of_the_host() -> None:
    mark = Matcher("web", "domain", "*.z." + "a." * 20 + "tracker.example")  # almost fits
    app = App("a", "A", "office", (mark,))

    def compare(labels: int) -> int:
        facts = WindowFacts(platform="web", host="b" + ".a" * labels + ".tracker.example")
        find_app(facts, {"a": app}, [mark])
        return steps(lambda: find_app(facts, {"a": app}, [mark]))

    short, middle, long = compare(25), compare(50), compare(100)

    assert long - middle <= 3 * (middle - short)


@pytest.mark.parametrize("kind", ["executable", "aumid"])
def test_comparing_programs_does_not_depend_on_how_the_name_is_built(kind: str) -> None:
    mark = Matcher("windows", kind, "a" * 100)
    app = App("a", "A", "office", (mark,))

    def compare(name: str) -> int:
        facts = WindowFacts(platform="windows", **{kind: name})
        find_app(facts, {"a": app}, [mark])
        return steps(lambda: find_app(facts, {"a": app}, [mark]))

    plain = compare("b" * 1_000)
    for hostile in ("a" * 1_000, "a" * 999 + "b", "\\" * 1_000, ("a" * 100 + "/") * 10):
        assert compare(hostile) <= plain + 50
