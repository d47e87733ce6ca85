"""Every page: the right person sees it, a stranger is sent to sign in, another role is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests import factories

OWN = (
    "/you/",
    "/you/why/",
    "/you/explain/",
    "/you/facts/",
    "/you/history/",
    "/you/data/",
    "/you/machines/",
)
AREAS = {
    "/privacy/": {"privacy_officer"},
    "/privacy/reports/": {"privacy_officer"},
    "/privacy/incidents/": {"privacy_officer"},
    "/privacy/explain/": {"privacy_officer", "auditor"},
    "/privacy/what-if/": {"privacy_officer", "works_council"},
    "/privacy/readiness/": {"privacy_officer", "works_council"},
    "/privacy/rules/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/rules/DE/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/people/": {"privacy_officer"},
    "/council/seats/": {"works_council", "privacy_officer"},
    "/privacy/changes/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/changes/new/purpose.publish/": {"privacy_officer"},
    "/privacy/apps/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/catalogue/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/gates/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/agreements/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/hours/": {"privacy_officer", "works_council", "auditor"},
    "/privacy/tickets/": {"privacy_officer", "operator"},
    "/stop/": {"privacy_officer", "operator", "works_council"},
    "/audit/": {"privacy_officer", "auditor"},
    "/audit/export/": {"auditor"},
    "/council/": {"works_council", "privacy_officer"},
    "/releases/": {"ml_steward", "privacy_officer"},
    "/manager/": {"manager"},
}
ROLES = ("manager", "privacy_officer", "works_council", "ml_steward", "auditor", "operator")
PUBLIC = ("/", "/status", "/docs/", "/api/schema/", "/.well-known/sayso-policy-keys.json")


def signed_in(*roles: str, subject: Any = None) -> Client:
    """A browser of somebody with these roles."""
    from django.db import transaction

    from audit import events, ledger
    from portal.models import RoleGrant, User

    user = User.objects.create_user(
        f"{'-'.join(roles) or 'employee'}@example.org", None, name="X", subject=subject
    )
    for role in roles:
        with transaction.atomic():
            grant = RoleGrant.objects.create(user=user, role=role)
            ledger.append(
                events.RoleGranted(role=role, to=user.ref),
                actor=factories.OFFICER,
                covers=[grant],
            )
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def test_a_stranger_sees_what_is_public_and_is_sent_to_sign_in_elsewhere(world: Any) -> None:
    stranger = Client()

    for path in PUBLIC:
        assert stranger.get(path).status_code == 200, path
    for path in (*OWN, *AREAS):
        answer = stranger.get(path)
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (
            302,
            "/accounts/login/",
        ), path


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_own_areas_and_no_other(world: Any, role: str) -> None:
    person = signed_in(role)

    for path, roles in AREAS.items():
        expected = 200 if role in roles else 403
        assert person.get(path).status_code == expected, (role, path)
    for path in OWN:
        assert person.get(path).status_code == 403, "no subject, no page of one's own"


@pytest.mark.parametrize("role", ROLES)
def test_links_lead_to_every_area_that_a_role_opens(world: Any, role: str) -> None:
    """Whoever has a role finds its rooms without knowing an address by heart."""
    client, seen, waiting = signed_in(role), set[str](), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("/docs/", "/accounts/", "/static/")):
            continue
        answer = client.get(path, follow=True)
        seen |= {path, answer.request["PATH_INFO"]}
        if answer["Content-Type"].startswith("text/html"):
            found = re.findall(r'href="(/[^"?#]*)', answer.content.decode())
            waiting += [link for link in found if link not in seen]

    opened = {area for area, roles in AREAS.items() if role in roles}
    assert opened - seen == set()


def test_an_employee_sees_their_own_pages_and_no_area(world: factories.World) -> None:
    world.say_yes()
    person = signed_in(subject=world.subject)

    for path in (*OWN, "/you/purposes/train-agents/"):
        assert person.get(path).status_code == 200, path
    for path in AREAS:
        assert person.get(path).status_code == 403, path


def test_nobody_reads_anothers_receipt_notice_or_certificate(world: factories.World) -> None:
    from consent.models import ConsentEvent

    world.say_yes()
    event = ConsentEvent.objects.get()
    other = signed_in(subject=world.another_subject())

    for path in (
        f"/you/receipts/{event.uuid}/",
        f"/you/receipts/{event.uuid}/json/",
        f"/you/receipts/{event.uuid}/proof/",
    ):
        assert other.get(path).status_code == 404, path


def test_nobody_removes_anothers_machine(world: factories.World) -> None:
    agent = factories.make_agent(world.subject)
    other = signed_in(subject=world.another_subject())

    other.post(f"/you/machines/{agent.ref}/remove/")

    agent.refresh_from_db()
    assert agent.standing == "active"


@pytest.mark.parametrize("answer", ["no", "later"])
def test_no_and_not_now_are_stored_and_allow_nothing(
    world: factories.World, answer: str, database: Any
) -> None:
    person = signed_in(subject=world.subject)

    page = person.post(
        "/you/purposes/train-agents/",
        {"answer": answer, "notice_version": "1", "scope": ["tracker:navigation"]},
        follow=True,
    )

    assert page.status_code == 200
    state = {"no": "refused", "later": "deferred"}[answer]
    assert database.sql("SELECT state FROM consent_consentevent") == [(state,)]
    assert database.sql("SELECT count(*) FROM consent_consentscope") == [(0,)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"answer": "yes", "notice_version": "1"}, "at least one app"),
        ({"answer": "yes", "notice_version": "7", "scope": "tracker:navigation"}, "notice changed"),
        ({"answer": "yes", "notice_version": "1", "scope": "nowhere:navigation"}, "not part of"),
        ({"answer": "yes", "notice_version": "1", "scope": "tracker:everything"}, "not part of"),
        ({"answer": "perhaps", "notice_version": "1"}, "neither yes, no nor not now"),
        ({}, "notice changed"),
    ],
)
def test_an_answer_that_cannot_be_stored_says_why_and_stores_nothing(
    world: factories.World, fields: dict[str, str], words: str, database: Any
) -> None:
    person = signed_in(subject=world.subject)

    page = person.post("/you/purposes/train-agents/", fields)

    assert page.status_code == 422
    assert words in page.content.decode()
    assert database.sql("SELECT count(*) FROM consent_consentevent") == [(0,)]


def test_stopping_twice_leaves_one_withdrawal(world: factories.World, database: Any) -> None:
    world.say_yes()
    person = signed_in(subject=world.subject)

    for _ in range(2):
        assert person.post("/you/stop/", follow=True).status_code == 200

    assert database.sql("SELECT count(*) FROM consent_consentevent WHERE state='withdrawn'") == [
        (1,)
    ]
    assert database.sql("SELECT count(*) FROM retention_deletioncase") == [(1,)]


def test_opening_and_leaving_pages_writes_no_decision(
    world: factories.World, database: Any
) -> None:
    person = signed_in(subject=world.subject)

    for path in (*OWN, "/you/purposes/train-agents/"):
        person.get(path)
        person.head(path)

    assert database.sql("SELECT count(*) FROM consent_consentevent") == [(0,)]


def test_a_managers_page_is_the_same_whatever_one_person_decides(world: factories.World) -> None:
    manager = signed_in("manager")
    before = manager.get("/manager/").content

    world.say_yes()

    assert manager.get("/manager/").content == before


def test_reading_the_ledger_is_recorded(world: Any, database: Any) -> None:
    auditor = signed_in("auditor")

    auditor.get("/audit/")
    auditor.get("/audit/entries/1/")

    assert database.sql("SELECT count(*) FROM audit_entry WHERE type='ledger.viewed'") == [(2,)]


def test_the_ledger_page_filters_by_a_posted_reference(world: factories.World) -> None:
    world.say_yes()
    auditor = signed_in("auditor")

    page = auditor.post("/audit/", {"subject": str(world.subject.ref), "type": "subject.recorded"})

    assert page.status_code == 200
    assert page.content.decode().count("Person recorded") == 2  # as a choice, and as an entry
    assert auditor.post("/audit/", {"subject": "nonsense"}).status_code == 422


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/policy", "/nowhere"])
def test_every_answer_carries_the_security_headers(world: Any, path: str) -> None:
    answer = Client().get(path)

    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert "no-store" in answer["Cache-Control"] or "no-cache" in answer["Cache-Control"]


def test_approving_a_machine_needs_the_forms_own_token(world: factories.World) -> None:
    from portal.models import User

    user = User.objects.create_user("e@example.org", None, name="E", subject=world.subject)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")

    assert strict.post("/identity/o/device?code=x", {"action": "confirm"}).status_code == 403


def test_the_help_text_of_a_password_field_is_shown_as_a_list(world: factories.World) -> None:
    person = signed_in(subject=world.subject)

    page = person.get("/accounts/password/set/", follow=True).content.decode()

    assert "12 characters" in page
    assert "&lt;li&gt;" not in page


@pytest.mark.parametrize("path", ["/you/stop/", "/you/pause/", "/you/forget/"])
def test_a_button_pressed_while_signed_out_is_said_to_be_undone(
    world: factories.World, path: str
) -> None:
    """Signing in leads back to where the button leads: words must stand there."""
    world.say_yes()
    stranger = Client()

    asked = stranger.post(path)
    sign_in = stranger.get(asked["Location"])
    person = signed_in(subject=world.subject)
    back = person.get(path)

    assert asked["Location"] == f"/accounts/login/?next={path}"
    assert "You are not signed in, so nothing was changed." in sign_in.content.decode()
    assert (back.status_code, back["Allow"]) == (405, "POST")
    assert "it was not done: you were signed out then" in back.content.decode()
    assert 'action="/you/stop/"' in back.content.decode(), "stopping is one click away"


def test_who_opens_the_sign_in_page_by_themselves_is_told_of_no_change(world: Any) -> None:
    for path in ("/accounts/login/", "/accounts/login/?next=/"):
        assert "nothing was changed" not in Client().get(path).content.decode()


def test_whoever_signs_in_too_often_reads_when_to_try_again(world: Any) -> None:
    """In words and in our look, with the way to stop that needs no sign-in."""
    browser = Client(headers={"Accept-Language": "de"})
    said = {"login": "nobody@example.org", "password": "wrong"}

    answers = [browser.post("/accounts/login/", said) for _ in range(40)]

    page = answers[-1].content.decode()
    assert answers[-1].status_code == 429
    assert "Warten Sie einige Minuten" in page
    assert "sayso" in page


def test_a_page_of_the_documentation_says_what_it_is_before_it_lists_the_others(world: Any) -> None:
    """On a phone the list of all pages stands behind a button, which needs no script."""
    page = Client().get("/docs/glossary").content.decode()

    assert page.count("<h1>Glossary</h1>") == 1
    assert page.index("<h1>") < page.index('id="pages" popover')
    assert 'popovertarget="pages"' in page


def test_the_bundle_of_the_ledger_is_refused_in_words_while_nothing_is_signed(world: Any) -> None:
    auditor = signed_in("auditor")

    refused = auditor.post("/audit/export/")

    assert refused.status_code == 409
    assert "Nothing is signed yet" in refused.content.decode()
    assert "Nothing is signed yet" not in auditor.get("/audit/export/").content.decode()


def test_copies_and_entries_lead_back_to_their_list(world: factories.World) -> None:
    world.say_yes()
    own, auditor = signed_in(subject=world.subject), signed_in("auditor")
    history = own.get("/you/history/").content.decode()
    (receipt,) = re.findall(r'href="(/you/receipts/[^"]*)"', history)

    assert 'class="crumbs"' in (page := own.get(receipt).content.decode())
    assert 'href="/you/history/">Your history</a>' in page
    assert 'href="/audit/">Ledger</a></li>' in auditor.get("/audit/entries/1/").content.decode()
