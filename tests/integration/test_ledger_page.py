"""The page of the ledger: there and back by pages, and what a filter that is wrong answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from audit import events, ledger
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


def buttons(page: Any) -> dict[str, str]:
    """The words of the buttons that search once more, and from where on each goes."""
    html = page.content.decode()
    return {
        word: value
        for value, word in re.findall(
            r'<button[^>]* name="before" value="(\d*)">(\w+)</button>', html
        )
    }


def again(reader: Client, page: Any, word: str) -> Any:
    """Press a button of the pager: send what its form holds, and nothing else."""
    form = re.search(r'<nav class="pager".*?</nav>', page.content.decode(), re.DOTALL)
    assert form is not None
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0])
    return reader.post(LEDGER, {**dict(hidden), "before": buttons(page)[word]})


def test_a_posted_search_goes_on_to_older_entries_and_back(auditor: Client, database: Any) -> None:
    """A reference must not stand in an address, so each page of its search is posted."""
    subject = factories.make_subject("DE")
    with transaction.atomic():
        for _ in range(PAGE):
            ledger.append(
                events.LedgerViewed(view="entries", shown=0, filters=None),
                actor=factories.OFFICER,
                subject=subject.ref,
            )

    first = auditor.post(LEDGER, {"subject": str(subject.ref)})
    older = again(auditor, first, "Older")
    back = again(auditor, older, "Newest")

    assert [set(buttons(page)) for page in (first, older, back)] == [
        {"Older"},
        {"Newest"},
        {"Older"},
    ]
    numbers = [{int(row[0]["text"]) for row in page.context["rows"]} for page in (first, older)]
    assert len(numbers[0]) == PAGE
    assert max(numbers[1]) < min(numbers[0])
    about = database.sql(
        f"SELECT entry_id FROM audit_private WHERE subject_ref = '{subject.ref}'"
        f" AND entry_id <= {max(numbers[0])}"
    )
    assert numbers[0] | numbers[1] == {number for (number,) in about}
    assert older.context["filter_form"].cleaned_data["subject"] == subject.ref
    links = re.findall(r'href="([^"]+)"', first.content.decode() + older.content.decode())
    assert not any(str(subject.ref) in link for link in links)


@pytest.mark.parametrize("before", ["9" * 40, "0", "-1", "²", "nonsense"])
def test_an_odd_place_to_go_on_from_is_no_error(auditor: Client, before: str) -> None:
    assert auditor.post(LEDGER, {"before": before}).status_code == 200
    assert auditor.get(LEDGER, {"before": before}).status_code == 200
