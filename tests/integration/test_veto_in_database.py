"""A veto that was cast stands: PostgreSQL itself lets nothing take effect against it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.test_proposals import (
    BERLIN,
    BOTH,
    LONGER,
    MUNICH,
    OTHER,
    council,  # noqa: F401  a fixture
    current,
    propose,
    vote,
    world,  # noqa: F401  a fixture
)


def test_a_veto_that_the_state_does_not_tell_of_stands_all_the_same(
    world: Any,  # noqa: F811
    council: None,  # noqa: F811
    database: Any,
) -> None:
    """Whoever writes the vote and not what follows from it: then all others say yes."""
    from django.db import transaction

    from audit import events, ledger
    from consent.exceptions import ProposalDecided
    from consent.models import ProposalVote

    proposal = propose("purpose.change", LONGER)
    with transaction.atomic():
        cast = ProposalVote.objects.create(
            proposal=proposal, voter=BOTH, unit="munich", vote="veto"
        )
        ledger.append(
            events.ProposalVetoed(
                kind=proposal.kind,
                digest=proposal.payload_sha256,
                proposal=proposal.uuid,
                unit="munich",
            ),
            actor=ledger.Actor.staff(BOTH),
            covers=[cast],
        )
    vote(proposal, MUNICH, unit="munich")
    vote(proposal, BERLIN, unit="berlin")

    with pytest.raises(ProposalDecided):
        vote(proposal, OTHER)

    assert current(database) == 60
