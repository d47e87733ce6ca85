"""Apps that a policy leaves out change no answer: whatever may take a window away is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sayso_agent.marks import Matcher
from sayso_agent.matching import App, NoApp, WindowFacts, find_app

HOSTS = ["a.example", "b.a.example", "d.example"]
PATTERNS = [*HOSTS, *("*." + host for host in HOSTS)]
PROGRAMS = {
    ("macos", "bundle_id"): ["com.a", "com.b"],
    ("macos", "executable"): ["a", "b"],
    ("windows", "executable"): ["a.exe", "b.exe"],
    ("windows", "aumid"): ["a!App", "b!App"],
}
SIGNERS = ["A Ltd", "B Ltd"]
CODES = ["one", "two", "three"]
PLATFORMS = ["macos", "windows"]

Mark = tuple[str, str, str]
MARKS: list[Mark] = [
    *(("web", "domain", pattern) for pattern in PATTERNS),
    *((platform, kind, value) for (platform, kind), known in PROGRAMS.items() for value in known),
]
SIGNED: list[Mark] = [(p, "signer", name) for p in ("macos", "windows") for name in SIGNERS]


@st.composite
def registries(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """No program's mark and no host belongs to two apps: the database sees to that."""
    free = draw(st.permutations(MARKS))
    found = {}
    for code in CODES:
        number = draw(st.integers(2, 4))
        marks, free = free[:number], free[number:]
        signers = draw(st.lists(st.sampled_from(SIGNED), max_size=2, unique=True))
        named = {platform for platform, _, _ in marks}
        found[code] = {
            "name": code.title(),
            "category": draw(st.sampled_from(["office"] * 5 + ["browser", "hr"])),
            "blocked": draw(st.integers(0, 9)) == 9,
            "matchers": [
                {"platform": platform, "kind": kind, "value": value}
                for platform, kind, value in [*marks, *(s for s in signers if s[0] in named)]
            ],
        }
    return found


@st.composite
def seen(draw: st.DrawFn, platform: str) -> WindowFacts:
    """A window on this platform, as a recorder sees one: perhaps with more facts than fit."""
    if draw(st.booleans()):
        host = draw(st.sampled_from(["", "x."])) + draw(st.sampled_from(HOSTS))
        return WindowFacts(platform=platform, host=host)
    facts: dict[str, Any] = {
        kind: draw(st.sampled_from(["", *known]))
        for (where, kind), known in PROGRAMS.items()
        if where == platform
    }
    return WindowFacts(platform=platform, signer=draw(st.sampled_from(["", *SIGNERS])), **facts)


def as_read(apps: dict[str, dict[str, Any]]) -> dict[str, App]:
    return {
        code: App(
            code, app["name"], app["category"], tuple(Matcher(**mark) for mark in app["matchers"])
        )
        for code, app in apps.items()
    }


@settings(max_examples=300, deadline=None)
@given(
    registries(),
    st.sampled_from([{"one"}, {"one"}, {"two", "three"}, set[str]()]),
    st.lists(st.sampled_from(PLATFORMS).flatmap(seen), min_size=8, max_size=8),
)
def test_an_agent_finds_what_is_asked_for_as_if_it_knew_all_apps(
    apps: dict[str, dict[str, Any]],
    asked: set[str],
    windows: list[WindowFacts],
) -> None:
    from consent.selectors.never import is_closed
    from consent.selectors.recognised import recognised

    every = as_read({code: app for code, app in apps.items() if not is_closed(app)})

    told = as_read(recognised(apps, asked=asked))

    assert asked & every.keys() <= told.keys() <= every.keys()
    for window in windows:
        by_all, by_told = (find_app(window, known, ()) for known in (every, told))
        # Of an app that nobody asked for nothing is allowed: who finds one records nothing.
        assert asked_of(by_all, asked) == asked_of(by_told, asked), window


def asked_of(found: App | NoApp, asked: set[str]) -> str | None:
    return found.code if isinstance(found, App) and found.code in asked else None


def app(*marks: Mark, category: str = "office") -> dict[str, Any]:
    matchers = [{"platform": p, "kind": k, "value": v} for p, k, v in marks]
    return {"name": "An app", "category": category, "blocked": False, "matchers": matchers}


@pytest.mark.parametrize(
    ("other", "is_told"),
    [
        (app(("web", "domain", "pay.a.example.org")), True),
        (app(("web", "domain", "*.pay.a.example.org")), True),
        (app(("web", "domain", "*.example.org")), False),
        (app(("web", "domain", "example.org")), False),
        (app(("web", "domain", "pay.d.example.org")), False),
        (app(("windows", "aumid", "b!App")), True),
        (app(("windows", "executable", "b.exe")), False),
        (app(("windows", "aumid", "b!App"), ("windows", "signer", "B Ltd")), False),
        (app(("windows", "aumid", "b!App"), ("windows", "signer", "a ltd")), True),
        (app(("macos", "executable", "a")), False),
        (app(("web", "domain", "pay.a.example.org"), category="hr"), False),
    ],
)
def test_what_may_be_mistaken_for_an_app_is_told_beside_it(
    other: dict[str, Any], is_told: bool
) -> None:
    from consent.selectors.recognised import recognised

    signed = (("windows", "executable", "a.exe"), ("windows", "signer", "A Ltd"))
    apps = {"asked": app(("web", "domain", "*.a.example.org"), *signed), "other": other}

    told = recognised(apps, asked={"asked"})

    assert ("other" in told) is is_told
