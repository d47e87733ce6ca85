"""Every kind of change has a way back, or its page says why not and offers what narrows instead."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from consent.services.changes import KINDS
from tests import factories
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import AUTHOR, seat
from tests.integration.test_proposals_kinds import COUNCIL, SAMPLES, decide


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    seat(COUNCIL, "munich")
    return world


def made(kind: str, payload: dict[str, Any]) -> Any:
    from consent import services

    proposal = services.propose(kind=kind, payload=payload, proposed_by=AUTHOR)
    return proposal if proposal.applied_at else decide(proposal)


def first_notice(world: factories.World) -> Any:
    from consent import services

    purpose = services.publish_purpose(
        code="second",
        title="A second purpose",
        description="Nobody was told of it yet.",
        retention_days=30,
        position=2,
        actor=factories.OFFICER,
    )
    services.allow_in_purpose(
        purpose=purpose,
        app=world.apps["sheet"],
        signals=factories.OFFERED,
        actor=factories.OFFICER,
    )
    texts = {"en": {"title": "About it", "sections": factories.sections()}}
    return made("notice.publish", {"purpose": "second", "texts": texts})


def button(page: str) -> str:
    return page[page.index('id="no-way-back"') :].partition("</section>")[0]


def test_a_first_notice_is_answered_by_retiring_its_purpose(world: factories.World) -> None:
    from consent.models import Purpose

    proposal = first_notice(world)
    officer = signed_in("privacy_officer")
    page = f"/privacy/changes/{proposal.uuid}/"
    shown = officer.get(page).content.decode()

    assert "first notice: no earlier text leads back" in shown
    assert "Retire the purpose" in button(shown)
    assert "Go back to what stood before" not in shown
    refused = officer.post(page + "revert/", follow=True).content.decode()
    assert "no earlier text leads back" in refused
    assert Purpose.objects.get(code="second").published_at

    answer = officer.post(page + "revert/", {"instead": "yes"}, follow=True)

    assert "In effect, because it only narrows" in answer.content.decode()
    assert Purpose.objects.get(code="second").published_at is None
    again = officer.get(page).content.decode()
    assert "The proposal to go back" in again
    assert "no-way-back" not in again
    assert "no-way-back" not in signed_in("auditor").get(page).content.decode()


def test_where_its_purpose_is_retired_already_nothing_is_offered(world: factories.World) -> None:
    proposal = first_notice(world)
    made("purpose.retire", {"purpose": "second"})

    shown = signed_in("privacy_officer").get(f"/privacy/changes/{proposal.uuid}/").content.decode()

    assert "Nothing of it is left to narrow at once" in button(shown)
    assert "<form" not in button(shown)


def test_caps_that_an_agreement_lifted_come_on_top_again(world: factories.World) -> None:
    """It was replaced since, so nothing leads back to what stood; narrowing is still one click."""
    from consent import selectors, services

    def kept() -> dict[str, Any]:
        return selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allow()

    sample = {**SAMPLES["agreement.record"], "sites": [], "working_hours": None}
    made("agreement.record", {**sample, "retention_cap_days": 3})
    narrow = kept()
    lifts = made(
        "agreement.record",
        {**sample, "code": "BV-2", "retention_cap_days": 30, "replaces": "BV-1"},
    )
    made(
        "agreement.record",
        {**sample, "code": "BV-3", "retention_cap_days": 20, "replaces": "BV-2"},
    )
    assert kept() != narrow

    officer = signed_in("privacy_officer")
    page = f"/privacy/changes/{lifts.uuid}/"
    assert "Let the caps of before bind again" in button(officer.get(page).content.decode())
    officer.post(page + "revert/", {"instead": "yes"})

    assert kept() == narrow
    (back,) = lifts.reverted_by.all()
    assert (back.tightens, back.applied_at is not None, back.payload["code"]) == (
        True, True, "BV-1.again",
    )  # fmt: skip
    assert services.way_back(lifts).change is None, "the caps are there already"


def test_instead_never_widens_and_never_replaces_a_way_back(world: factories.World) -> None:
    """Asked for where a change leads back, it is that change, with the votes that it needs."""
    from consent import services

    shorter = made("purpose.change", {"purpose": "train-agents", "retention_days": 7})

    back = services.revert_proposal(proposal=shorter.uuid, by=AUTHOR, instead=True)

    assert (back.tightens, back.state) == (False, "open")
    assert back.payload["retention_days"] == 60


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_how_to_go_back_or_why_not(world: factories.World, kind: str) -> None:
    """Whatever a kind answers of itself, the page can show it."""
    from portal.pages.changes.words import INSTEAD

    change = KINDS[kind]
    overrides = {name for name in ("inverse", "instead") if name in vars(change)}

    assert "inverse" in overrides, "no kind is without a way back altogether"
    assert ("instead" in overrides) == (kind in INSTEAD)
