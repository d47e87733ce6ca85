"""Gates: closed by evidence from its first day until its last, open again at that very instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def close(purpose: Any, gate: str, place: str, since: date, until: date | None) -> Any:
    from consent import services

    return services.close_gate(
        purpose=purpose,
        gates=[(place, gate)],
        document_title="Evidence",
        document_sha256="1" * 64,
        valid_from=since,
        valid_until=until,
        actor=factories.OFFICER,
    )[0]


def an_open_gate(world: factories.World) -> tuple[str, str]:
    """Take all evidence for one gate back; return the gate and its place."""
    from consent import services
    from consent.models import GateEvidence

    evidence = GateEvidence.objects.exclude(gate="counsel_signoff").order_by("pk").first()
    assert evidence
    services.reopen_gate(evidence=evidence, actor=factories.OFFICER)
    return evidence.gate, evidence.jurisdiction


def allowed(world: factories.World, at: datetime) -> bool:
    from consent import selectors

    return bool(selectors.verdicts_for(world.subject, at=at).allowed())


def lease(agent: Any, at: datetime) -> Any:
    from consent import services

    return services.issue_policy(agent=agent, at=at).policy


def test_evidence_taken_back_opens_its_gate_at_once(database: Any) -> None:
    from consent import exceptions, selectors, services
    from consent.models import GateEvidence

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    now = datetime.now(UTC)
    assert allowed(world, now)

    gate, _ = an_open_gate(world)

    assert not allowed(world, now)
    verdicts = selectors.verdicts_for(world.subject, at=now)
    assert all("gates_open" in pair.decision.codes for pair in verdicts.pairs)
    assert services.policy_in_force(agent=agent, at=policy.issued_at) is None
    evidence = GateEvidence.objects.get(reopening__isnull=False)
    services.reopen_gate(evidence=evidence, actor=factories.OFFICER)
    assert database.sql("SELECT count(*) FROM consent_gatereopening") == [(1,)]
    with pytest.raises(exceptions.ApproverUnknown):
        services.reopen_gate(evidence=evidence, actor=factories.Actor.system("policy"))
    close(world.purpose, gate, evidence.jurisdiction, TODAY, None)
    assert allowed(world, now)


def test_evidence_counts_from_its_first_instant_until_its_last(database: Any) -> None:
    from consent.selectors import midnight

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    gate, place = an_open_gate(world)
    close(world.purpose, gate, place, TODAY + 2 * DAY, TODAY + 5 * DAY)
    begins, ends = midnight(TODAY + 2 * DAY), midnight(TODAY + 5 * DAY)

    assert not allowed(world, begins - SECOND)
    assert allowed(world, begins)
    assert allowed(world, ends - SECOND)
    assert not allowed(world, ends)
    assert lease(agent, begins - SECOND).lease_until == begins
    last = lease(agent, ends - 3 * SECOND)
    assert last.allow
    assert last.lease_until == ends
    assert lease(agent, ends).allow == {}


def test_evidence_renewed_in_time_closes_without_a_break(database: Any) -> None:
    """Quebec asks for 60 days after the declaration; a renewal is no new declaration."""
    from consent.rules import rulebook
    from consent.selectors import midnight

    lead = dict(rulebook().rows["CA-QC"].own.gate_lead_days)
    (gate, days), *_ = lead.items()
    world = factories.make_world("CA-QC")
    world.say_yes()
    from consent import services
    from consent.models import GateEvidence

    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    close(world.purpose, gate, "CA-QC", TODAY - timedelta(days=days), TODAY + 5 * DAY)
    assert "gates_open" not in codes(world, midnight(TODAY))
    close(world.purpose, gate, "CA-QC", TODAY + 5 * DAY, None)

    assert "gates_open" not in codes(world, midnight(TODAY + 5 * DAY))
    assert "gates_open" not in codes(world, midnight(TODAY + 50 * DAY))


def test_after_a_break_the_lead_time_runs_anew(database: Any) -> None:
    from consent import services
    from consent.models import GateEvidence
    from consent.rules import rulebook
    from consent.selectors import midnight

    (gate, days), *_ = dict(rulebook().rows["CA-QC"].own.gate_lead_days).items()
    world = factories.make_world("CA-QC")
    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    close(world.purpose, gate, "CA-QC", factories.LONG_AGO, TODAY)
    close(world.purpose, gate, "CA-QC", TODAY + DAY, None)

    over = TODAY + DAY + timedelta(days=days)
    assert "gates_open" in codes(world, midnight(over) - SECOND)
    assert "gates_open" not in codes(world, midnight(over))


def codes(world: factories.World, at: datetime) -> set[str]:
    from consent import selectors

    verdicts = selectors.verdicts_for(world.subject, at=at)
    return {code for pair in verdicts.pairs for code in pair.decision.codes}


DAYS = st.integers(0, 12)


@given(spans=st.lists(st.tuples(DAYS, st.integers(1, 6) | st.none()), max_size=5), today=DAYS)
def test_a_gate_is_closed_exactly_on_the_days_that_evidence_covers(
    spans: list[tuple[int, int | None]], today: int
) -> None:
    """Against the plainest of models: days one by one."""
    from consent.selectors.shared import covered_since

    def day(number: int) -> date:
        return date(2026, 1, 1) + timedelta(days=number)

    covered = {
        number
        for begin, length in spans
        for number in range(begin, 14 if length is None else begin + length)
    }
    expected = None
    if today in covered:
        first = today
        while first - 1 in covered:
            first -= 1
        expected = day(first)

    found = covered_since(
        [(day(begin), None if length is None else day(begin + length)) for begin, length in spans],
        day(today),
    )

    assert found == expected
