"""What no form expects: the answer says what is wrong, nothing breaks, nothing typed is lost."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests import factories
from tests.integration.test_change_pages import another_officer, propose
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(180)

ODD = (
    "",
    "\x00",
    "x" * 5000,
    "٣",
    "-1",
    "99999999999999999999",
    "2026-13-41",
    "0001-01-01",
    "9999-12-31",
    "' --",
)
NAMES = [
    "act",
    "answer",
    "app",
    "at",
    "before",
    "category",
    "code",
    "codes",
    "day",
    "days",
    "doubt",
    "evidence",
    "fact",
    "gate",
    "group",
    "jurisdiction",
    "key",
    "kind",
    "login",
    "machines",
    "minutes",
    "name",
    "note",
    "notice_version",
    "outcome",
    "person",
    "place",
    "purpose",
    "reason",
    "reference",
    "replaces",
    "scope",
    "serial",
    "signal",
    "since",
    "site",
    "source",
    "subject",
    "suspected",
    "unit",
    "until",
    "valid_from",
    "valid_until",
    "value",
    "vote",
]
OWN = (
    "/you/explain/",
    "/you/facts/",
    "/you/explain/share/",
    "/you/forget/",
    "/you/purposes/train-agents/",
    "/you/purposes/train-agents/received/",
    "/you/machines/approve/",
    "/you/apps/report/",
    "/identity/o/device",
)
STAFF = (
    "/privacy/people/",
    "/privacy/explain/",
    "/privacy/what-if/",
    "/privacy/reports/",
    "/privacy/tickets/",
    "/stop/pull/",
    "/audit/",
    "/council/seats/",
)
ASKED = (
    "/privacy/apps/",
    "/privacy/catalogue/",
    "/privacy/readiness/",
    "/privacy/rules/DE/",
    "/audit/",
)


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def odd(value: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, value)


@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_no_form_of_an_employee_breaks(world: factories.World, value: str) -> None:
    me = signed_in(subject=world.subject)
    for path in OWN:
        assert me.post(path, odd(value)).status_code < 500, path
        assert me.get(path, odd(value)).status_code < 500, path


@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_no_form_of_an_officer_breaks(world: factories.World, value: str) -> None:
    from portal.pages.changes.kinds import FORMS

    officer = signed_in("privacy_officer", "works_council")
    for path in STAFF:
        assert officer.post(path, odd(value)).status_code < 500, path
    for path in (*ASKED, *(f"/privacy/changes/new/{kind}/" for kind in FORMS)):
        assert officer.get(path, odd(value)).status_code < 500, path
    for kind in FORMS:
        assert officer.post(f"/privacy/changes/new/{kind}/", odd(value)).status_code in {
            302,
            422,
        }, kind


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_near_an_end_of_the_calendar_is_refused_where_it_stands(
    world: factories.World, day: str
) -> None:
    """The day after the last one cannot be told, nor any midnight before the first."""
    officer = signed_in("privacy_officer", "auditor")
    kind = officer.get("/privacy/reports/").context["form"].fields["kind"].choices[0][0]

    for page in (
        officer.post("/privacy/reports/", {"kind": kind, "since": day, "until": day}),
        officer.get("/audit/", {"since": day}),
        officer.get("/audit/", {"until": day}),
    ):
        assert page.status_code == 422
        assert "This day is too long ago, or too far away." in page.content.decode()


def test_what_is_wrong_stands_first_and_leads_to_its_field(world: factories.World) -> None:
    typed = {"purpose": "train-agents", "name": "Anything new", "retention_days": "9999"}

    page = propose(signed_in("privacy_officer"), "purpose.change", **typed)

    text = page.content.decode()
    assert page.status_code == 422
    assert text.index('id="errors"') < text.index('id="id_name"')
    assert 'role="alert" tabindex="-1" autofocus' in text
    assert '<a href="#id_retention_days">Kept at most, in days</a>' in text
    assert 'value="Anything new"' in text
    assert 'value="9999"' in text


def test_a_change_that_could_be_about_nothing_says_so(world: factories.World) -> None:
    officer = signed_in("privacy_officer")

    page = officer.get("/privacy/changes/new/app.unblock/").content.decode()

    assert "No app is blocked." in page
    assert 'name="effective_at"' not in page


def test_nothing_is_chosen_for_anybody_who_blocks_or_reports(world: factories.World) -> None:
    officer = signed_in("privacy_officer")

    for path in ("/you/apps/report/", "/privacy/changes/new/app.block/"):
        page = officer.post(path, {"app": "", "suspected": ""})
        assert page.status_code == 422, path
        assert page.content.decode().count('<option value="" selected>Choose …</option>') == 2


def test_an_app_is_chosen_before_what_is_known_of_it_is_changed(world: factories.World) -> None:
    officer = signed_in("privacy_officer")
    path = "/privacy/changes/new/app.change/"

    first = officer.get(path).content.decode()
    then = officer.get(path, {"app": "tracker"}).content.decode()

    assert 'method="get"' in first
    assert 'name="name"' not in first
    assert 'method="post"' in then
    assert f'value="{world.apps["tracker"].name}"' in then


def test_a_second_answer_and_one_that_comes_too_late_are_told_so(world: factories.World) -> None:
    author, other = signed_in("privacy_officer"), another_officer()
    added = {"purpose": "train-agents", "app": "tracker", "add": ["key_timing"]}
    sent = propose(author, "allowlist.change", **added)
    vote = f"{sent.url}vote/"
    other.post(vote, {"vote": "approve"})

    again = other.post(vote, {"vote": "approve"}, follow=True)
    late = author.post(f"{sent.url}withdraw/", follow=True)

    assert {str(m) for m in again.context["messages"]} == {"Your answer is recorded."}
    told = list(late.context["messages"])[-1]
    assert told.level_tag == "error"
    assert "is in effect already" in told.message


def test_a_form_sent_after_signing_out_leads_to_the_sign_in_and_back(world: Any) -> None:
    me = signed_in(subject=world.subject)
    me.logout()

    answer = me.post("/you/purposes/train-agents/", {"answer": "no", "notice_version": "1"})

    assert answer.status_code == 302
    assert answer.url == "/accounts/login/?next=/you/purposes/train-agents/"


def test_an_answer_to_an_old_notice_keeps_what_was_chosen(world: factories.World) -> None:
    me = signed_in(subject=world.subject)
    sent = {"answer": "yes", "notice_version": "0", "scope": "tracker:navigation"}

    page = me.post("/you/purposes/train-agents/", sent)

    text = page.content.decode()
    assert page.status_code == 422
    box = text[text.index('value="tracker:navigation"') :]
    assert "checked" in box[: box.index(">")]


def test_a_ticket_that_is_not_there_leads_nowhere(world: factories.World) -> None:
    officer = signed_in("privacy_officer")

    assert officer.post(f"/privacy/tickets/{uuid4()}/end/").status_code == 404
    assert officer.post(f"/stop/{uuid4()}/release/").status_code == 404
