"""No proposal leads to policies that are larger than machines read: they would record nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone
from sayso_agent.jws import MAX_TOKEN

from consent import services
from consent.exceptions import ChangeUnfit
from consent.policy.types import AppCategory, MatcherKind, Platform, Signal
from consent.selectors.outcomes import take_snapshot
from consent.services import room
from portal.api.signing import sign_policy
from portal.policykeys.ring import Signs
from tests import factories

AUTHOR = UUID(int=11)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
BY = Signs("0123456789abcdef", Ed25519PrivateKey.generate(), LONG_AGO, LONG_AGO)
MORE = {"purpose": "train-agents", "app": "drawing", "add": ["scroll", "key_meta"], "remove": []}
LESS = {"purpose": "train-agents", "app": "tracker", "add": [], "remove": ["scroll"]}


@pytest.fixture
def world(database: Any, monkeypatch: pytest.MonkeyPatch) -> factories.World:
    """A purpose about two apps, and a third that nobody asks for yet; every policy worked out."""
    monkeypatch.setattr(room, "FEW", 0)
    made = factories.make_world()
    factories.make_officer(AUTHOR)
    services.list_app(
        code="drawing",
        name="Drawing",
        category=AppCategory.DESIGN,
        data_of="own",
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, "drawing.example")],
        actor=factories.OFFICER,
    )
    return made


def longest_now() -> int:
    return room.longest_policy(take_snapshot(timezone.now()))


def sent(subject: Any) -> int:
    lease = services.issue_policy(agent=factories.make_agent(subject))
    return len(sign_policy(lease.payload, BY))


def propose(payload: dict[str, Any]) -> Any:
    return services.propose(kind="allowlist.change", payload=payload, proposed_by=AUTHOR)


def test_the_bound_is_the_one_that_agents_have() -> None:
    assert room.LARGEST == MAX_TOKEN


def test_what_is_worked_out_is_what_is_sent_and_a_little_more(world: factories.World) -> None:
    longest = longest_now()
    unanswered = sent(world.another_subject())
    world.say_yes(("tracker", Signal.SCROLL))
    some = sent(world.subject)
    world.say_yes()
    everything = sent(world.subject)

    for real in (unanswered, some, everything):
        assert real <= longest
    assert longest - max(unanswered, everything) <= room.sent(room.STRIKES) + 64


def test_a_proposal_beyond_it_is_refused_with_the_figure(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = longest_now()
    monkeypatch.setattr(room, "LARGEST", before)

    with pytest.raises(ChangeUnfit, match=r"payload: a policy would have \d+ bytes") as refused:
        propose(MORE)

    said = int(str(refused.value).split("would have ")[1].split(" ")[0])
    assert before < said < before + 2000
    assert propose(LESS).tightens  # nothing stands in the way of what only takes away


def test_a_proposal_that_just_fits_is_taken(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LARGEST", 1)
    monkeypatch.setattr(room, "FEW", 0)
    with pytest.raises(ChangeUnfit) as refused:
        propose(MORE)
    needed = int(str(refused.value).split("would have ")[1].split(" ")[0])

    monkeypatch.setattr(room, "LARGEST", needed - 1)
    with pytest.raises(ChangeUnfit):
        propose(MORE)
    monkeypatch.setattr(room, "LARGEST", needed)
    assert propose(MORE).pk


def test_what_was_too_long_before_is_no_reason_against_other_changes(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LARGEST", 1)

    longer = services.propose(
        kind="setting.change", payload={"key": "lease_seconds", "value": 1200}, proposed_by=AUTHOR
    )

    assert not longer.tightens


def test_of_few_apps_nothing_is_worked_out(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FEW", 3)  # two apps, and one more
    monkeypatch.setattr(room, "LARGEST", 1)

    assert longest_now() == 0
    assert propose(MORE).pk


# --- when a change takes effect, and where policies grew all the same ----------------------------

OTHER = UUID(int=12)
LISTS = [
    {"purpose": "train-agents", "app": app, "add": ["scroll", "key_meta"], "remove": []}
    for app in ("drawing", "second")
]


def two_that_fit(world: factories.World, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two proposals, and a bound within which either fits and both do not."""
    services.list_app(
        code="second",
        name="Second",
        category=AppCategory.DESIGN,
        data_of="own",
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, "second.example")],
        actor=factories.OFFICER,
    )
    factories.make_officer(OTHER)
    monkeypatch.setattr(room, "LARGEST", 1)
    needed = []
    for payload in LISTS:
        with pytest.raises(ChangeUnfit) as refused:
            propose(payload)
        needed.append(int(str(refused.value).split("would have ")[1].split(" ")[0]))
    monkeypatch.setattr(room, "LARGEST", max(needed) + 4)
    return [propose(payload) for payload in LISTS]


def test_the_second_of_two_that_fit_fails_when_it_would_take_effect(
    world: factories.World, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    first, second = two_that_fit(world, monkeypatch)

    assert services.vote(proposal=first.uuid, voter=OTHER, vote="approve").state == "applied"
    refused = services.vote(proposal=second.uuid, voter=OTHER, vote="approve")

    assert (refused.state, refused.applied_at) == ("failed", None)
    ((body,),) = database.sql("SELECT body FROM audit_entry WHERE type = 'proposal.failed'")
    assert b"policy_too_large" in bytes(body)
    assert longest_now() <= room.LARGEST
    assert room.crowding(timezone.now()) == []


def test_what_was_too_long_already_may_still_be_changed_when_it_takes_effect(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.make_officer(OTHER)
    monkeypatch.setattr(room, "LARGEST", 1)
    longer = services.propose(
        kind="setting.change", payload={"key": "lease_seconds", "value": 1200}, proposed_by=AUTHOR
    )

    assert services.vote(proposal=longer.uuid, voter=OTHER, vote="approve").state == "applied"


def test_the_privacy_team_is_told_where_policies_grew_all_the_same(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.attention import coming

    assert room.crowding(timezone.now()) == []

    monkeypatch.setattr(room, "LARGEST", longest_now() - 1)

    (told,) = room.crowding(timezone.now())
    assert (told.matter, told.severity, told.bytes) == ("room", "now", longest_now())
    line = coming(timezone.now())[0]
    assert line["text"].startswith("Policies have become longer than machines read (")
    assert (line["tone"], line["url"]) == ("bad", "/privacy/changes/new/allowlist.change/")
    assert all(line["tone"] != "bad" for line in coming(timezone.now(), ["works-council"]))


def test_of_cohorts_that_hold_nobody_nothing_is_said(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LARGEST", 1)
    assert room.crowding(timezone.now()) != []

    services.record_departure(
        subject=world.subject, left_at=timezone.now(), source="hr", actor=factories.OFFICER
    )

    assert room.crowding(timezone.now()) == []
