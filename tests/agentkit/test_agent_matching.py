"""Window facts to apps: the golden vectors, and what holds for every window."""

import json
from typing import Any

import pytest
from agent_helpers import AGENTKIT
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent.marks import Matcher, host_fit, normal_host, signer_alone
from sayso_agent.matching import App, NoApp, WindowFacts, find_app

VECTORS = json.loads((AGENTKIT / "vectors" / "matching.json").read_text())
APPS = {
    code: App(code, app["name"], app["category"], tuple(Matcher(**m) for m in app["matchers"]))
    for code, app in VECTORS["apps"].items()
}
NEVER = tuple(Matcher(**m) for m in VECTORS["never"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_golden_vector(case: dict[str, Any]) -> None:
    facts = {**case["facts"], "aliases": tuple(case["facts"].get("aliases", ()))}

    found = find_app(WindowFacts(**facts), APPS, NEVER)

    assert (found.reason if isinstance(found, NoApp) else found.code) == case["expect"]


@pytest.mark.parametrize("case", VECTORS["unreadable"], ids=lambda case: case["name"])
def test_a_never_that_is_not_understood_denies_every_window(case: dict[str, Any]) -> None:
    never = (*NEVER, *(Matcher(**mark) for mark in case["never"]))

    for facts in [WindowFacts(platform="web", host="team.tracker.example"), CHAT]:
        assert isinstance(find_app(facts, APPS, NEVER), App)
        assert find_app(facts, APPS, never) == NoApp("policy_not_understood")


def test_a_closed_app_with_a_mark_that_is_not_understood_denies_every_window() -> None:
    marks = (Matcher("web", "domain", "pay.example"), Matcher("web", "title", "Payslip"))
    apps = {**APPS, "pay": App("pay", "Pay", "hr", marks)}

    assert find_app(CHAT, apps, NEVER) == NoApp("policy_not_understood")


def test_a_signer_of_never_closes_and_opens_nothing() -> None:
    without = tuple(mark for mark in NEVER if mark.kind != "signer")

    assert len(without) < len(NEVER)
    for case in VECTORS["cases"]:
        facts = WindowFacts(**{**case["facts"], "aliases": ()})
        assert find_app(facts, APPS, NEVER) == find_app(facts, APPS, without)


def test_a_signer_needs_its_own_apps_program_on_its_own_platform() -> None:
    signer = Matcher("windows", "signer", "Vault Makers Inc.", app="safe")

    assert signer_alone([signer])
    assert signer_alone([signer, Matcher("windows", "executable", "x.exe", app="other")])
    assert signer_alone([signer, Matcher("linux", "executable", "x", app="safe")])
    assert not signer_alone([signer, Matcher("windows", "executable", "x.exe", app="safe")])


CHAT = WindowFacts(platform="windows", executable="chat.exe", signer="Example Chat Ltd")
WORDS = st.sampled_from(
    ["", "chat.exe", "chat", "keepass.exe", "people.exe", "Example Chat Ltd", "Vault Makers Inc."]
)
HOSTS = st.sampled_from(
    ["", "team.tracker.example", "wiki.tracker.example", "a.bank.example", "people.tracker.example"]
)
SESSIONS = st.sampled_from(["", "own", "other", "OWN", "console"])
FACTS = st.builds(
    WindowFacts,
    platform=st.sampled_from(["web", "macos", "windows", "linux", ""]),
    bundle_id=st.sampled_from(["", "com.example.Tracker", "com.1password.1password"]),
    executable=WORDS,
    signer=WORDS,
    host=HOSTS,
    aliases=st.lists(HOSTS, max_size=2).map(tuple),
    hint=st.sampled_from(["", "tracker", "people"]),
    private=st.sampled_from([True, False, None]),
    session=SESSIONS,
)


@given(FACTS)
def test_one_fact_that_never_allows_beats_all_others(facts: WindowFacts) -> None:
    closed = (
        facts.private
        or facts.session not in {"", "own"}
        or "bank.example" in facts.host
        or any("bank.example" in alias for alias in facts.aliases)
        or facts.executable in {"keepass.exe", "people.exe"}
        or facts.bundle_id == "com.1password.1password"
        or "people." in facts.host
    )

    found = find_app(facts, APPS, NEVER)

    if closed:
        assert isinstance(found, NoApp)
    if isinstance(found, App):
        assert found.category not in {"hr", "astrology"}


@given(FACTS, st.sets(st.sampled_from(["tracker", "office", "communication", "knowledge"])))
def test_closing_more_categories_never_opens_a_window(facts: WindowFacts, more: set[str]) -> None:
    before = find_app(facts, APPS, NEVER)

    after = find_app(facts, APPS, NEVER, never_categories=frozenset(more))

    assert isinstance(after, NoApp) or after == before


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_host_comparison(pattern: str, host: str) -> None:
    fit = host_fit(pattern, normal_host(host))

    assert fit >= 0
    if fit:
        assert normal_host(host)


@given(st.text(max_size=80))
def test_a_normal_host_stays_as_it_is(text: str) -> None:
    assert normal_host(normal_host(text)) == normal_host(text)
