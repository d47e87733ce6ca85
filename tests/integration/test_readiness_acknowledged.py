"""Whether somebody may be asked does not wait for what comes with their own answer."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from consent.policy.rulebook import load_rulebook
from tests import factories


def test_who_has_yet_to_confirm_the_notice_may_be_asked(database: Any) -> None:
    """New York wants it confirmed: that is part of answering."""
    from consent import selectors

    assert load_rulebook().rows["US-NY"].own.acknowledgement_required
    factories.make_world("US-NY")

    (purpose,) = selectors.readiness(timezone.now()).purposes

    assert (purpose.may_be_asked, purpose.people) == (1, 1), purpose.groups
