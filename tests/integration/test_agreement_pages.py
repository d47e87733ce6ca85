"""An agreement has ended once it binds nobody; replaced for some alone, it binds the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import factories
from tests.integration.test_attention import agreement
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()
LATER = TODAY + timedelta(days=400)


def states(client: Any) -> dict[str, str]:
    """The state of each agreement as the list has it, and as its own page has it: they agree."""
    rows = client.get("/privacy/agreements/").context["rows"]
    found = {row[0]["text"].partition(":")[0]: row[3]["state"] for row in rows}
    for code, state in found.items():
        assert client.get(f"/privacy/agreements/{code}/").context["state"] == state
    return found


@pytest.mark.parametrize(
    ("replacing", "state", "words"),
    [
        ({"sites": ["Cork"]}, "in_force", "Replaced for some of its people by"),
        ({"jurisdictions": ["FR"]}, "in_force", "Replaced for some of its people by"),
        ({}, "ended", "Replaced by"),
        ({"since": TODAY + timedelta(days=9)}, "in_force", "Replaced by"),
        ({"since": TODAY + timedelta(days=9), "sites": ["Cork"]}, "in_force", "for some of its"),
    ],
)
def test_replaced_in_part_is_not_ended(
    database: Any, replacing: dict[str, Any], state: str, words: str
) -> None:
    factories.make_world("DE")
    auditor = signed_in("auditor")
    first = agreement("BV-1", LATER)
    assert states(auditor) == {"BV-1": "in_force"}

    agreement("BV-2", LATER, replaces=first, **{"since": TODAY, **replacing})

    assert states(auditor)["BV-1"] == state
    page = auditor.get("/privacy/agreements/BV-1/").content.decode()
    assert words in page
    assert 'href="/privacy/agreements/BV-2/"' in page


def test_what_replaces_its_replacement_for_all_ends_both(database: Any) -> None:
    factories.make_world("DE")
    auditor = signed_in("auditor")
    first = agreement("BV-1", LATER)
    part = agreement("BV-2", LATER, replaces=first, since=TODAY, sites=["Cork"])
    assert states(auditor)["BV-1"] == "in_force"

    agreement("BV-3", LATER, replaces=part, since=TODAY)

    assert states(auditor) == {"BV-1": "ended", "BV-2": "ended", "BV-3": "in_force"}


def test_over_is_ended_and_to_come_is_waiting(database: Any) -> None:
    factories.make_world("DE")
    agreement("BV-1", TODAY)
    agreement("BV-2", LATER, since=TODAY + timedelta(days=2))

    assert states(signed_in("auditor")) == {"BV-1": "ended", "BV-2": "waiting"}
