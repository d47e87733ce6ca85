"""The person's own history: all of it can be reached, a page at a time, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent import services
from consent.policy.types import Signal
from portal.explaining import explain_to_others
from portal.pages import history
from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)
BEGAN, HOUR = datetime(2026, 1, 1, 9, tzinfo=UTC), timedelta(hours=1)


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def walk(me: Any) -> list[list[dict[str, Any]]]:
    """Follow the links to older events, and return what each page shows."""
    pages, address = [], "/you/history/"
    while address:
        answer = me.get(address)
        pages.append(answer.context["events"])
        link = answer.context["pager"].get("older_url", "")
        address = f"/you/history/{link}" if link else ""
        if address:
            assert f'href="{link}"' in answer.content.decode()
    return pages


def test_every_event_is_on_one_page(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of one instant, which the next page could not begin between."""
    monkeypatch.setattr(history, "PAGE", 2)
    for hour in range(4):
        services.pause_capture(subject=world.subject, at=BEGAN + hour * HOUR)
        services.resume_capture(subject=world.subject, at=BEGAN + (hour + 1) * HOUR)

    pages = walk(signed_in(subject=world.subject))

    told = [[(event["at"] - BEGAN) // HOUR for event in page] for page in pages]
    assert told == [[4, 3, 3], [2, 2], [1, 1], [0]]
    shown = {(event["at"], event["text"]) for page in pages for event in page}
    assert len(shown) == 8


def test_every_kind_of_event_has_its_turn(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 1)
    services.give_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
        language="en",
    )
    services.forget_last(subject=world.subject, minutes=5)
    explain_to_others(
        subject=world.subject,
        app="tracker",
        signal=Signal.SCROLL,
        at=datetime.now(UTC),
        purpose=None,
        actor=factories.OFFICER,
        channel="page",
    )
    services.pause_capture(subject=world.subject)

    pages = walk(signed_in(subject=world.subject))

    assert [page[0]["text"].partition(" ")[0] for page in pages] == [
        "You",
        "Asked",
        "You",
        "Train",
    ]


def test_a_pause_that_goes_on_over_the_end_of_a_page_is_told_once(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 1)
    services.pause_capture(subject=world.subject)
    services.resume_capture(subject=world.subject)

    pages = walk(signed_in(subject=world.subject))

    assert [[event["text"] for event in page] for page in pages] == [
        ["You resumed"],
        ["You paused everything"],
    ]


def test_an_older_page_leads_back_to_the_newest(world: factories.World) -> None:
    me = signed_in(subject=world.subject)

    page = me.get("/you/history/?before=2026-01-01T00:00:00Z").content.decode()

    assert 'href="/you/history/"' in page
    assert "Newest" in page
    assert "Newest" not in me.get("/you/history/").content.decode()


@pytest.mark.parametrize(
    "before",
    [
        "nonsense",
        "2026-13-45T00:00",
        "2026-01-01T00:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00+23:59",
    ],
)
def test_no_address_breaks_the_page(world: factories.World, before: str) -> None:
    answer = signed_in(subject=world.subject).get("/you/history/", {"before": before})

    assert answer.status_code == 200
