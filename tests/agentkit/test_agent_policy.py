"""Reading a policy: what it permits, why not, and that an odd one is refused whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import Policy, PolicyRefusedError, WindowFacts
from sayso_agent.conformance.portal import allow, policy_document
from sayso_agent.matching import NoApp
from sayso_agent.words import CATEGORIES, NEVER_CATEGORIES, NEVER_SIGNALS, PLAIN, SIGNALS

HOURS = {"purpose": "train-agents", "from": 1200, "until": 1500}
MOMENT = {"iss": "i", "aud": "a", "version": 7, "iat": 1000, "lease_until": 1900}


def document(**changes: Any) -> dict[str, Any]:
    return {**policy_document(), **MOMENT, **changes}


def test_only_what_is_named_is_permitted() -> None:
    policy = Policy.parse(document())

    assert policy.permits("train-agents", "tracker", "mouse_click")
    assert not policy.permits("train-agents", "tracker", "key_content")
    assert not policy.permits("train-agents", "expenses", "mouse_click")
    assert not policy.permits("other-purpose", "tracker", "mouse_click")
    assert policy.reasons("train-agents", "tracker", "mouse_move") == ("signal_not_consented",)
    assert policy.reasons("train-agents", "elsewhere", "scroll") == ("app_not_allowlisted",)


def test_never_beats_allow_even_where_the_policy_forgets_it() -> None:
    everything = [allow("people", *SIGNALS), allow("tracker", *SIGNALS, *NEVER_SIGNALS)]
    nothing_closed = {"categories": [], "signals": [], "matchers": []}

    policy = Policy.parse(document(allow=everything, never=nothing_closed, deny=[]))

    assert policy.reasons("train-agents", "people", "mouse_click") == ("never",)
    assert policy.reasons("train-agents", "tracker", "webcam") == ("never_signal",)
    assert policy.permits("train-agents", "tracker", "clipboard")


def test_a_policy_may_close_a_signal_and_a_category_of_its_own() -> None:
    never = {"categories": ["tracker"], "signals": ["scroll"], "matchers": []}

    policy = Policy.parse(document(never=never))

    assert policy.reasons("train-agents", "tracker", "mouse_click") == ("never",)
    assert policy.reasons("train-agents", "tracker", "scroll") == ("never_signal",)


def test_deny_beats_allow_and_what_it_leaves_out_it_means_for_all() -> None:
    policy = Policy.parse(document(deny=[{"reasons": ["consent_withdrawn"]}]))

    assert policy.reasons("train-agents", "tracker", "scroll") == ("consent_withdrawn",)
    assert not policy.permits_anything()
    assert policy.main_reason() == "consent_withdrawn"


def test_the_one_reason_shown_is_the_one_that_denies_most() -> None:
    many = {"signals": ["scroll", "clipboard", "key_meta"], "reasons": ["no_consent"]}
    few = {"signals": ["screenshot"], "reasons": ["signal_prohibited", "no_consent"]}

    policy = Policy.parse(document(allow=[], deny=[few, few, many]))

    assert policy.main_reason() == "no_consent"


def test_paused_permits_nothing() -> None:
    policy = Policy.parse(document(paused=True))

    assert policy.reasons("train-agents", "tracker", "scroll") == ("paused",)
    assert policy.main_reason() == "paused"


def test_unknown_signals_permit_nothing_and_unknown_fields_are_passed_over() -> None:
    policy = Policy.parse(
        document(allow=[allow("tracker", "thoughts", "scroll")], novelty={"a": 1})
    )

    assert policy.reasons("train-agents", "tracker", "thoughts") == ("unknown_signal",)
    assert policy.permits("train-agents", "tracker", "scroll")


def test_an_app_of_a_category_we_do_not_know_is_not_captured() -> None:
    apps = {"tracker": {"name": "T", "category": "astrology", "matchers": []}}

    policy = Policy.parse(document(apps=apps))

    assert policy.reasons("train-agents", "tracker", "scroll") == ("unknown_category",)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"v": 2}, "policy_format_unknown"),
        ({"v": True}, "policy_format_unknown"),
        ({"v": "1"}, "policy_format_unknown"),
        ({"default": {"decision": "allow", "reasons": []}}, "policy_not_understood"),
        ({"default": {"decision": "maybe", "reasons": []}}, "policy_not_understood"),
        ({"default": None}, "policy_malformed"),
        ({"version": "7"}, "policy_malformed"),
        ({"version": True}, "policy_malformed"),
        ({"version": -1}, "policy_malformed"),
        ({"version": 2**70}, "policy_malformed"),
        ({"iat": 1000.5}, "policy_malformed"),
        ({"lease_until": 1000}, "policy_malformed"),
        ({"lease_until": None}, "policy_malformed"),
        ({"aud": ""}, "policy_malformed"),
        ({"iss": None}, "policy_malformed"),
        ({"paused": None}, "policy_malformed"),
        ({"paused": 0}, "policy_malformed"),
        ({"allow": {}}, "policy_malformed"),
        ({"allow": ["all"]}, "policy_malformed"),
        ({"allow": [{"purpose": "p", "app": "tracker"}]}, "policy_malformed"),
        ({"allow": [allow("../etc", "scroll")]}, "policy_malformed"),
        ({"allow": [allow("tracker", "scroll", purpose="a/b")]}, "policy_malformed"),
        ({"deny": None}, "policy_malformed"),
        ({"deny": [{"purpose": "p"}]}, "policy_malformed"),
        ({"apps": []}, "policy_malformed"),
        ({"apps": {"a": {"name": "A", "category": "office"}}}, "policy_malformed"),
        ({"never": None}, "policy_malformed"),
        ({"never": {"categories": [], "signals": []}}, "policy_malformed"),
        (
            {
                "never": {
                    "categories": [],
                    "signals": [],
                    "matchers": [{"platform": "macos", "kind": "smell", "value": "x"}],
                }
            },
            "policy_not_understood",
        ),
        ({"limits": {"batch_bytes": 0, "batch_seconds": 1}}, "policy_malformed"),
        ({"limits": []}, "policy_malformed"),
        ({"schedule": None}, "policy_malformed"),
        ({"schedule": {}}, "policy_malformed"),
        ({"schedule": ["always"]}, "policy_malformed"),
        ({"schedule": [{}]}, "policy_not_understood"),
        ({"schedule": [{**HOURS, "except": "holidays"}]}, "policy_not_understood"),
        ({"schedule": [{"purpose": "p", "from": 1}]}, "policy_not_understood"),
        ({"schedule": [{**HOURS, "purpose": "a/b"}]}, "policy_malformed"),
        ({"schedule": [{**HOURS, "until": 10.5}]}, "policy_malformed"),
        ({"schedule": [{**HOURS, "from": "08:00"}]}, "policy_malformed"),
    ],
)
def test_an_odd_policy_is_refused_whole(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(PolicyRefusedError) as refused:
        Policy.parse(document(**changes))

    assert refused.value.code == code


PAIR = {"platform": "web", "kind": "domain"}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({**PAIR, "value": "*.example"}, "policy_not_understood"),
        ({**PAIR, "value": "Bank.example"}, "policy_not_understood"),
        ({**PAIR, "values": ["bank.example", "*bank.example"]}, "policy_not_understood"),
        ({**PAIR, "kind": "title", "value": "Payslip"}, "policy_not_understood"),
        ({"platform": "windows", "kind": "signer", "value": "V Ltd"}, "policy_not_understood"),
        ({**PAIR}, "policy_malformed"),
        ({**PAIR, "value": ""}, "policy_malformed"),
        ({**PAIR, "values": []}, "policy_malformed"),
        ({**PAIR, "values": ["a.example", ""]}, "policy_malformed"),
        ({**PAIR, "values": ["a.example", 7]}, "policy_malformed"),
        ({**PAIR, "values": "a.example"}, "policy_malformed"),
        ({**PAIR, "value": "a.example", "values": ["b.example"]}, "policy_malformed"),
        ({**PAIR, "value": "a.example", "app": "../x"}, "policy_malformed"),
    ],
)
def test_a_never_that_cannot_be_read_refuses_the_policy(entry: dict[str, Any], code: str) -> None:
    never = {"categories": [], "signals": [], "matchers": [entry]}

    with pytest.raises(PolicyRefusedError) as refused:
        Policy.parse(document(never=never))

    assert refused.value.code == code


def test_marks_that_differ_in_nothing_else_may_share_an_entry() -> None:
    values = ["*.bank.example", "tracker.example.com"]
    never = {"categories": [], "signals": [], "matchers": [{**PAIR, "values": values}]}

    policy = Policy.parse(document(never=never))

    for host in ("my.bank.example", "bank.example", "tracker.example.com"):
        assert policy.find_app(WindowFacts(platform="web", host=host)) == NoApp("never")


def test_a_policy_of_before_marks_had_apps_is_still_understood() -> None:
    marks = [
        {"platform": "windows", "kind": "executable", "value": "safe.exe"},
        {"platform": "windows", "kind": "signer", "value": "Vault Makers Inc."},
    ]

    policy = Policy.parse(document(never={"categories": [], "signals": [], "matchers": marks}))

    safe = WindowFacts(platform="windows", executable="safe.exe")
    assert policy.find_app(safe) == NoApp("never")
    other = WindowFacts(platform="windows", executable="x.exe", signer="Vault Makers Inc.")
    assert policy.find_app(other) == NoApp("app_not_allowlisted")


def test_hours_are_half_open_and_bind_their_own_purpose_only() -> None:
    policy = Policy.parse(document(schedule=[HOURS]))

    on = [policy.in_hours("train-agents", at) for at in (1199.999, 1200, 1499.999, 1500)]
    assert on == [False, True, True, False]
    assert policy.in_hours("other-purpose", 0)
    assert Policy.parse(document()).in_hours("train-agents", 0)


def test_of_several_hours_all_must_be_on() -> None:
    later = {**HOURS, "from": 1400, "until": 1600}
    policy = Policy.parse(document(schedule=[HOURS, later]))

    assert [policy.in_hours("train-agents", at) for at in (1300, 1450, 1550)] == [
        False,
        True,
        False,
    ]


def test_hours_that_never_come_are_never_on() -> None:
    policy = Policy.parse(document(schedule=[{**HOURS, "from": 0, "until": 0}]))

    assert not policy.in_hours("train-agents", 0)


@pytest.mark.parametrize("name", [key for key in document() if key not in {"limits", "schedule"}])
def test_a_policy_that_lacks_a_part_is_refused(name: str) -> None:
    whole = document()
    del whole[name]

    with pytest.raises(PolicyRefusedError):
        Policy.parse(whole)


def test_a_lease_is_never_longer_than_a_day() -> None:
    policy = Policy.parse(document(lease_until=10**12))

    assert policy.lease_until == 1000 + 24 * 3600


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(document())), JSON)
def test_any_value_anywhere_is_read_or_refused(name: str, value: Any) -> None:
    try:
        policy = Policy.parse(document(**{name: value}))
    except PolicyRefusedError:
        return

    assert all(policy.permits(p, a, s) for p, a, signals in policy.permitted() for s in signals)


ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "purpose": st.sampled_from(["train-agents", "other"]),
        "apps": st.lists(st.sampled_from(["tracker", "expenses"]), max_size=2),
        "signals": st.lists(st.sampled_from(sorted(SIGNALS)), max_size=3),
    },
)


@given(st.lists(ENTRY, max_size=4), st.sets(st.sampled_from(sorted(SIGNALS))))
def test_another_denial_never_permits_more(entries: list[dict[str, Any]], some: set[str]) -> None:
    before = Policy.parse(document(allow=[allow("tracker", *some)], deny=[]))

    denials = [{**entry, "reasons": ["x"]} for entry in entries]
    after = Policy.parse(document(allow=[allow("tracker", *some)], deny=denials))

    assert set(_pairs(after)) <= set(_pairs(before))


def _pairs(policy: Policy) -> list[tuple[str, str, str]]:
    return [(p, a, s) for p, a, signals in policy.permitted() for s in signals]


def test_every_reason_of_the_portal_has_plain_words() -> None:
    reasons = pytest.importorskip("consent.policy.reasons")

    assert set(reasons.ReasonCode) <= set(PLAIN)


def test_the_closed_lists_are_the_portals() -> None:
    types = pytest.importorskip("consent.policy.types")

    assert set(types.Signal) == SIGNALS
    assert set(types.NeverSignal) == NEVER_SIGNALS
    assert set(types.NEVER_CATEGORIES) == NEVER_CATEGORIES
    assert set(types.AppCategory) == CATEGORIES
