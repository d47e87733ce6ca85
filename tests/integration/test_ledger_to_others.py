"""What somebody else finds in the ledger about a person: nothing that tells what they chose or did.

Refused, paused, taken back, not enrolled and idle look alike in every search and on every page.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import others
from audit.events import CATALOGUE
from tests import factories
from tests.integration.test_explain_to_others import STATES, Does, shape
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)

READERS = ["privacy_officer", "auditor"]


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def forgets(world: factories.World) -> None:
    from consent import services

    services.forget_last(subject=world.subject, minutes=10)


def says_yes_and_leaves(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.record_departure(
        subject=world.subject, left_at=timezone.now(), source="hr", actor=factories.OFFICER
    )


def takes_a_receipt(world: factories.World) -> None:
    from consent.models import ConsentEvent

    world.say_yes()
    [event] = ConsentEvent.objects.filter(subject=world.subject)
    answer = signed_in(subject=world.subject).get(f"/you/receipts/{event.uuid}/json/")
    assert answer.status_code == 200


DOES: list[Does] = [*STATES, forgets, takes_a_receipt]


def plain(answer: Any, *, ref: str = "") -> str:
    """The page without what differs for everybody: the reference, tokens, numbers, times."""
    # The reference first: one of many digits in a row would be taken for a time.
    text = answer.content.decode().replace(ref, "REF") if ref else answer.content.decode()
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|nonce="[^"]+"', "", text)
    return re.sub(r"\d+ \w{3} \d{4}, [\d:]+|[\dTZ:-]{20}|\d+", "#", text)


def asked_about(reader: Client, world: factories.World, **more: str) -> tuple[str, list[str]]:
    ref = str(world.subject.ref)
    with CaptureQueriesContext(connection) as caught:
        answer = reader.post("/audit/", {"subject": ref, **more})
    assert answer.status_code == 200
    return plain(answer, ref=ref), shape(caught)


def own_entries(database: Any, after: int = 0) -> list[tuple[int, str]]:
    told = ", ".join(f"'{code}'" for code in others.TOLD)
    found: list[tuple[int, str]] = database.sql(
        f"SELECT id, type FROM audit_entry WHERE id > {after} AND type NOT IN ({told}) ORDER BY id"
    )
    return found


@pytest.mark.parametrize("role", READERS)
def test_a_search_for_a_person_is_alike_whatever_they_did(
    world: factories.World, role: str
) -> None:
    """The same page, as long, by the same queries, for each filter beside the reference."""
    people = {}
    for does in DOES:
        people[does.__name__] = world.subject = world.another_subject()
        does(world)
    reader = signed_in(role)
    filters: list[dict[str, str]] = [{}, {"actor": "subject"}, {"type": others.OWN}]
    for more in filters:
        # Twice: what is remembered from page to page is warm, and each look is found by the next.
        for _ in range(2):
            found = {}
            for name, world.subject in people.items():
                found[name] = asked_about(reader, world, **more)

        for name, told in found.items():
            assert told == found["says_nothing"], (name, more)


def test_the_search_for_a_person_still_finds_what_others_did(world: factories.World) -> None:
    world.say_yes()
    reader = signed_in("privacy_officer")

    found = reader.post("/audit/", {"subject": str(world.subject.ref)}).content.decode()

    assert re.search(r"<td[^>]*><span>\s*Person recorded\s*</span>", found)
    assert "Consent given" not in found


@pytest.mark.parametrize("does", [*DOES, says_yes_and_leaves])
def test_no_type_that_others_are_told_tells_a_choice(
    world: factories.World, database: Any, does: Does
) -> None:
    """Whatever is entered because of a person's own act is theirs; that somebody left is not."""
    before = database.sql("SELECT max(id) FROM audit_entry")[0][0]

    does(world)

    entered = {row[0] for row in database.sql(f"SELECT type FROM audit_entry WHERE id > {before}")}
    assert entered & others.TOLD <= {"subject.departed"}
    assert entered or does.__name__ == "says_nothing"


@pytest.mark.parametrize("role", READERS)
def test_the_list_leaves_out_what_is_somebodys_own(
    world: factories.World, database: Any, role: str
) -> None:
    pauses_and_more(world)
    page = signed_in(role).get("/audit/").content.decode()

    shown = {int(number) for number in re.findall(r"/audit/entries/(\d+)/", page)}
    assert shown
    assert not shown & {number for number, _ in own_entries(database)}
    for code in set(CATALOGUE) - others.TOLD:
        assert CATALOGUE[code].title not in page
        assert code not in page


def test_own_entries_are_listed_by_number_and_hour_and_nothing_else(
    world: factories.World, database: Any
) -> None:
    pauses_and_more(world)
    auditor = signed_in("auditor")

    page = auditor.get("/audit/", {"type": others.OWN}).content.decode()

    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)[1:]
    numbers = {int(number) for number in re.findall(r"/audit/entries/(\d+)/", page)}
    assert numbers == {number for number, _ in own_entries(database)}
    assert len({plain_row(row) for row in rows}) == 1
    assert all(":00&nbsp;UTC" in row and ":00:00Z" in row for row in rows)


def plain_row(row: str) -> str:
    return re.sub(r"\d+", "#", row)


@pytest.mark.parametrize("role", READERS)
def test_every_own_entry_has_the_same_page(
    world: factories.World, database: Any, role: str
) -> None:
    pauses_and_more(world)
    reader = signed_in(role)
    entries = own_entries(database)
    assert len({kind for _, kind in entries}) >= 6

    pages = {plain(reader.get(f"/audit/entries/{number}/")) for number, _ in entries}

    assert len(pages) == 1
    assert str(world.subject.ref) not in str(pages)


def test_erasing_somebodys_details_changes_no_page_of_their_own_entries(
    world: factories.World, database: Any
) -> None:
    """Else whoever has one person erased finds which entries were theirs."""
    from django.db import transaction

    from audit import ledger

    pauses_and_more(world)
    [(number, _), *_rest] = own_entries(database)
    auditor = signed_in("auditor")
    before = plain(auditor.get(f"/audit/entries/{number}/"))

    with transaction.atomic():
        ledger.destroy_detail(world.subject.ref, reason="term_over", actor=factories.OFFICER)

    assert plain(auditor.get(f"/audit/entries/{number}/")) == before
    assert "ledger.detail_destroyed" not in others.TOLD


def test_an_own_type_cannot_be_asked_for(world: factories.World) -> None:
    answer = signed_in("auditor").get("/audit/", {"type": "consent.given"})

    assert answer.status_code == 422


def test_every_search_is_recorded_whatever_it_finds(world: factories.World, database: Any) -> None:
    auditor = signed_in("auditor")

    auditor.post("/audit/", {"subject": str(world.subject.ref), "type": others.OWN})

    assert database.sql("SELECT count(*) FROM audit_entry WHERE type='ledger.viewed'") == [(1,)]


def pauses_and_more(world: factories.World) -> None:
    """A yes with a machine and its policy, a pause, ten minutes forgotten, all taken back."""
    from consent import services

    factories.make_policy(factories.make_agent(world.subject))
    world.say_yes()
    services.pause_capture(subject=world.subject)
    services.forget_last(subject=world.subject, minutes=10)
    services.withdraw_consent(subject=world.subject, purpose="train-agents")
