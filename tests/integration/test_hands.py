"""Who stands for evidence: shown by role and reference wherever the evidence is, never by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import MUNICH, OTHER, agree, propose, seat, vote

AUTHOR = UUID("4f1c2d3e-0000-4000-8000-000000000011")
PAPER: dict[str, Any] = {
    "purpose": "train-agents", "gates": [["IE", "dpia"], ["EU", "dpia"]], "document_title": "DPIA",
    "document_sha256": "7" * 64, "not_applicable_reason": "", "valid_from": "2026-01-01",
    "valid_until": None,
}  # fmt: skip


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world("IE")
    world.say_yes()
    return world


def shown(world: factories.World, sha256: str) -> list[list[dict[str, str]]]:
    """Return who stands for the evidence with a digest, as an explanation has it."""
    from consent.selectors.explain import as_json, explain

    found = as_json(
        explain(
            world.subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL,
            at=datetime.now(UTC),
        )
    )  # fmt: skip
    stands = found["answers"][0]["stands"]
    return [one["hands"] for one in stands if one.get("sha256") == sha256]


def test_who_asked_and_who_agreed_stand_with_the_evidence(world: factories.World) -> None:
    agree(council_may_veto=True, council_units=["munich"])
    seat(MUNICH, "munich")
    made = propose("gate.close", PAPER, by=AUTHOR)
    vote(made, MUNICH, unit="munich")
    assert vote(made, OTHER).state == "applied"

    everybody = [
        {"did": "asked", "role": "privacy_officer", "ref": str(AUTHOR)},
        {"did": "approved", "role": "works_council", "ref": str(MUNICH), "unit": "munich"},
        {"did": "approved", "role": "privacy_officer", "ref": str(OTHER)},
    ]
    found = shown(world, "7" * 64)
    assert found
    assert all(hands == everybody for hands in found)


def test_evidence_without_a_proposal_names_who_recorded_it(world: factories.World) -> None:
    found = shown(world, "0" * 64)

    assert found
    for hands in found:
        assert hands == [{"did": "recorded", "role": "staff", "ref": factories.OFFICER.ref}]


def test_the_same_paper_brought_twice_keeps_each_ones_hands(world: factories.World) -> None:
    from consent.models import GateEvidence
    from consent.selectors.hands import hands_of

    first = vote(propose("gate.close", PAPER, by=AUTHOR), OTHER)
    propose("gate.reopen", {"evidence": GateEvidence.objects.filter(
        document_sha256="7" * 64, jurisdiction="IE").get().pk})  # fmt: skip
    again = vote(propose("gate.close", {**PAPER, "gates": [["IE", "dpia"]]}, by=MUNICH), OTHER)

    rows = list(GateEvidence.objects.filter(document_sha256="7" * 64, jurisdiction="IE"))
    asked = [hands_of(rows)[row.pk][0].ref for row in sorted(rows, key=lambda row: row.pk)]
    assert asked == [str(first.proposed_by), str(again.proposed_by)]


def test_the_page_of_required_steps_and_the_command_say_who(world: factories.World) -> None:
    import io

    from django.core.management import call_command

    vote(propose("gate.close", PAPER, by=AUTHOR), OTHER)
    page = signed_in("auditor").get("/privacy/gates/").content.decode()
    words = "asked for by privacy officer 4f1c2d3e, approved by privacy officer"
    assert words in page

    out = io.StringIO()
    ref = str(world.subject.ref)
    call_command("explain", "--subject", ref, "--app", "tracker", "--signal", "scroll", stdout=out)
    assert words in out.getvalue()


def test_votes_are_found_by_key_whatever_else_says_the_same(world: factories.World) -> None:
    """Another proposal brought the very same paper; and one recorded without any is nobody's."""
    from consent import services
    from consent.models import GateEvidence
    from consent.selectors.hands import hands_of

    made = vote(propose("gate.close", PAPER, by=AUTHOR), OTHER)
    without = services.close_gate(
        purpose=world.purpose, gates=[("IE", "dpia")], document_title=PAPER["document_title"],
        document_sha256=PAPER["document_sha256"],
        valid_from=GateEvidence.objects.filter(proposal=made).first().valid_from,
        valid_until=None, actor=factories.OFFICER,
    )  # fmt: skip
    again = vote(propose("gate.close", {**PAPER, "document_title": "DPIA 2"}, by=OTHER), AUTHOR)

    rows = list(GateEvidence.objects.filter(document_sha256="7" * 64))
    hands = hands_of(rows)
    assert {row.proposal_id for row in rows} == {made.pk, again.pk, None}
    assert hands[without[0].pk][0].did == "recorded"
    for row in rows:
        if row.proposal_id:
            asked, approved = hands[row.pk]
            people = (AUTHOR, OTHER) if row.proposal_id == made.pk else (OTHER, AUTHOR)
            assert (asked.ref, approved.ref) == tuple(map(str, people))
