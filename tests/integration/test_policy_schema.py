"""The published form of a policy: one file for portal and agents, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from jsonschema import ValidationError
from sayso_agent.policy import Policy

from tests import factories
from tests.schema import PUBLISHED, SHIPPED, policy_validator

Document = dict[str, Any]


@pytest.fixture
def document(database: Any) -> Document:
    """A policy that allows something, names what is never captured, and tells of a strike."""
    from consent import services

    world = factories.make_world()
    world.say_yes()
    services.forget_last(subject=world.subject, minutes=10)
    issued: Document = services.issue_policy(agent=factories.make_agent(world.subject)).document
    assert issued["allow"]
    assert issued["strikes"]
    return issued


def test_portal_and_agents_have_the_very_same_file(document: Document) -> None:
    assert SHIPPED.read_bytes() == PUBLISHED.read_bytes()
    served = Client().get("/.well-known/sayso-policy.schema.json")

    assert served.content == PUBLISHED.read_bytes()
    assert served["Content-Type"] == "application/schema+json"


def test_what_is_issued_is_as_published_and_the_reference_agent_reads_all_of_it(
    document: Document,
) -> None:
    policy_validator().validate(document)
    policy = Policy.parse(document)

    assert policy.permits("train-agents", "tracker", "mouse_click")
    assert policy.strikes.intervals
    assert policy.profiles["window_title"] == "text-1"
    assert policy.every_visible_for == {"screenshot", "screen_video", "window_title"}
    assert (policy.embargo, policy.limits.spool_seconds) == (0, 259_200)


def test_the_closed_lists_are_those_of_the_portal() -> None:
    from consent.policy.types import MatcherKind, Platform, Signal

    schema = policy_validator().schema["$defs"]

    assert schema["signal"]["enum"] == [signal.value for signal in Signal]
    assert set(schema["matcher"]["properties"]["kind"]["enum"]) == {k.value for k in MatcherKind}
    assert set(schema["matcher"]["properties"]["platform"]["enum"]) == {p.value for p in Platform}


@pytest.mark.parametrize("name", policy_validator().schema["required"])
def test_no_part_may_be_missing(document: Document, name: str) -> None:
    del document[name]

    with pytest.raises(ValidationError):
        policy_validator().validate(document)


BREAKS: dict[str, Callable[[Document], Any]] = {
    "another format": lambda d: d.update(v=2),
    "allowed by default": lambda d: d["default"].update(decision="allow"),
    "a default without a reason": lambda d: d["default"].update(reasons=[]),
    "a denial without a reason": lambda d: d["deny"].append({"reasons": []}),
    "an unknown signal": lambda d: d["allow"][0]["signals"].append("webcam"),
    "no term of retention": lambda d: d["allow"][0].pop("retention_days"),
    "private windows": lambda d: d["windows"].update(private="allow"),
    "other people's sessions": lambda d: d["windows"].update(other_sessions="allow"),
    "any session": lambda d: d["sessions"].append("other"),
    "no session": lambda d: d["sessions"].clear(),
    "pictures in a call": lambda d: d["bystanders"]["call"].remove("screenshot"),
    "messages before a shared screen": lambda d: d["bystanders"]["screen_share"].remove(
        "comms_content"
    ),
    "nothing of calls": lambda d: d["bystanders"].pop("call"),
    "pictures whatever is beside": lambda d: d["windows"].update(every_visible_for=[]),
    "unmasked": lambda d: d["redaction"].update(without="allow"),
    "an embargo before time": lambda d: d.update(embargo_seconds=-1),
    "no bandwidth": lambda d: d["limits"].update(bytes_per_second=0),
    "a pause since nobody knows when": lambda d: d.update(paused=True, paused_since="noon"),
    "a strike without an end": lambda d: d["strikes"][0].pop("until"),
    "a pattern as a mark": lambda d: d["never"]["matchers"].append(
        {"platform": "web", "kind": "regex", "value": ".*"}
    ),
    "a mark without a value": lambda d: d["never"]["matchers"].append(
        {"platform": "web", "kind": "domain"}
    ),
    "a mark with both": lambda d: d["never"]["matchers"].append(
        {"platform": "web", "kind": "domain", "value": "a", "values": ["b"]}
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_opens_or_cannot_be_read_is_no_policy(document: Document, name: str) -> None:
    broken = copy.deepcopy(document)

    BREAKS[name](broken)

    with pytest.raises(ValidationError):
        policy_validator().validate(broken)


def test_what_a_waiting_machine_is_told_is_a_policy_too(database: Any) -> None:
    from django.utils import timezone

    from consent import services

    told = services.deny_everything(
        audience=uuid4(), at=timezone.now(), since=datetime(2000, 1, 1, tzinfo=UTC)
    )

    policy_validator().validate(told)
    assert not Policy.parse(told).permits_anything()


def test_members_of_later_versions_are_passed_over(document: Document) -> None:
    policy_validator().validate({**document, "later": {"x": 1}})


def test_more_embargo_acts_at_once_and_less_waits_for_a_second_person(database: Any) -> None:
    from uuid import UUID

    from consent import selectors, services
    from consent.models import Proposal

    author = UUID(int=7)
    agent = factories.make_agent(factories.make_world().subject)

    def propose(key: str, value: int) -> Proposal:
        return services.propose(
            kind="setting.change", payload={"key": key, "value": value}, proposed_by=author
        )

    propose("embargo_seconds", 600)
    propose("spool_seconds", 7200)
    propose("upload_bytes_per_second", 20_000)
    document = services.issue_policy(agent=agent).document
    assert document["embargo_seconds"] == 600
    assert document["limits"]["spool_seconds"] == 7200
    assert document["limits"]["bytes_per_second"] == 20_000

    assert propose("embargo_seconds", 60).state == "open"
    assert propose("spool_seconds", 7300).state == "open"
    assert selectors.setting("embargo_seconds") == 600
