"""The page of the ledger: there and back by pages, and what a filter that is wrong answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.pages.ledger import PAGE
from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)
LEDGER = "/audit/"


@pytest.fixture
def auditor(database: Any) -> Client:
    factories.make_world()
    for _ in range(PAGE):
        factories.make_subject("DE")
    return signed_in("auditor")


def test_one_comes_back_to_the_newest_from_every_page_of_a_filter(auditor: Client) -> None:
    first = auditor.get(f"{LEDGER}?type=subject.recorded")
    assert "newest_url" not in first.context["pager"]

    older = auditor.get(LEDGER + first.context["pager"]["older_url"])
    back = auditor.get(LEDGER + older.context["pager"]["newest_url"])

    assert len(first.context["rows"]) == PAGE
    assert 0 < len(older.context["rows"]) < PAGE
    assert "older_url" not in older.context["pager"]
    assert ">Newest<" in older.content.decode().replace("\n", "").replace(" ", "")
    assert back.context["rows"] == first.context["rows"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"subject": "nonsense"}, "Copy it whole."),
        ({"since": "2026-13-40"}, "Enter a valid date."),
        ({"type": "nothing"}, "nothing is not one of the available choices."),
    ],
)
def test_a_filter_that_is_wrong_finds_nothing_and_is_no_look(
    auditor: Client, database: Any, wrong: dict[str, str], words: str
) -> None:
    """All entries would look like the answer."""
    looks = "SELECT count(*) FROM audit_entry WHERE type = 'ledger.viewed'"
    before = database.sql(looks)

    page = auditor.post(LEDGER, wrong)

    assert page.status_code == 422
    assert words in page.content.decode()
    assert page.context["rows"] == []
    assert "Put right what is marked above." in page.content.decode()
    assert database.sql(looks) == before


def test_a_search_that_is_cut_off_says_so(auditor: Client) -> None:
    """What is posted has no older page: a reference must not stand in an address."""
    cut = auditor.post(LEDGER, {"type": "subject.recorded"}).content.decode()
    whole = auditor.post(LEDGER, {"type": "purpose.published"}).content.decode()

    assert "Only the newest are shown." in cut
    assert "Only the newest are shown." not in whole
