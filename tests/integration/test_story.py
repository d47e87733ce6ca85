"""The thin path through the services: decision, policy, batch, withdrawal, erasure, certificate."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from tests import factories


def test_the_policy_allows_exactly_the_pairs_that_were_chosen(database: object) -> None:
    from consent import selectors
    from consent.policy.types import Signal

    world = factories.make_world()
    world.say_yes(("tracker", Signal.MOUSE_CLICK), ("sheet", Signal.SCROLL))

    verdicts = selectors.verdicts_for(world.subject, at=datetime.now(UTC))

    assert {(a["app"], tuple(a["signals"])) for a in verdicts.allowed()} == {
        ("tracker", ("mouse_click",)),
        ("sheet", ("scroll",)),
    }
    assert all(pair.decision.permitted or pair.decision.codes for pair in verdicts.pairs)


def test_withdrawing_owes_erases_and_certifies(database: object, store: Path) -> None:
    from consent import selectors, services
    from retention import services as retention
    from retention.models import Batch, Certificate, DeletionCase

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    marker = secrets.token_bytes(200)
    factories.hand_in(agent, policy, marker)
    assert any(marker in file.read_bytes() for file in store.rglob("*") if file.is_file())

    event = services.withdraw_consent(subject=world.subject, purpose="train-agents")

    assert event is not None
    assert selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allowed() == []
    assert DeletionCase.objects.get().state == "owed"
    retention.expand_cases()
    retention.run_due_jobs()
    assert not any(marker in file.read_bytes() for file in store.rglob("*") if file.is_file())
    assert Certificate.objects.get().evidence_level == "E3"
    assert DeletionCase.objects.get().state == "done"
    assert Batch.objects.get().state == "erased"


def test_a_batch_outside_the_policy_is_refused_with_reasons(database: object, store: Path) -> None:
    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)

    manifest = factories.manifest_for(policy, b"x", signals={"screenshot": 1})
    admission = retention.announce_batch(agent=agent, manifest=manifest)

    assert admission.state == "refused"
    assert "signal_not_allowed:screenshot" in admission.reasons
    assert not list(store.rglob("*"))


def test_evidence_of_one_country_closes_no_gate_of_another(database: object) -> None:
    from consent import selectors

    world = factories.make_world("DE")
    abroad = factories.World(
        world.purpose, world.notice, world.apps, world.another_subject("GB"), "GB"
    )
    world.say_yes()
    abroad.say_yes()

    at_home = selectors.verdicts_for(world.subject, at=datetime.now(UTC))
    elsewhere = selectors.verdicts_for(abroad.subject, at=datetime.now(UTC))

    assert at_home.allowed()
    assert elsewhere.allowed() == []
    codes = {code for pair in elsewhere.pairs for code in pair.decision.codes}
    assert "gates_open" in codes
