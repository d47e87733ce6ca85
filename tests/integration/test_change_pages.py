"""The pages of four eyes: proposing, deciding, stopping, reporting, by the roles that may."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)

BOTH_ROLES = "privacy_officer-works_council"
LONGER = {
    "purpose": "train-agents", "retention_days": "90", "language": "en",
    "section_retention": "Ninety days.",
}  # fmt: skip


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def days(database: Any) -> int:
    return int(database.sql("SELECT retention_days FROM consent_purpose")[0][0])


def state(database: Any) -> list[Any]:
    return database.sql("SELECT state, applied_at IS NOT NULL FROM consent_proposal ORDER BY id")


def propose(client: Client, kind: str, **fields: Any) -> Any:
    return client.post(f"/privacy/changes/new/{kind}/", fields)


def only(database: Any) -> str:
    return str(database.sql("SELECT uuid FROM consent_proposal ORDER BY id DESC LIMIT 1")[0][0])


def another_officer() -> Client:
    return signed_in("privacy_officer", "auditor")


def test_longer_waits_for_a_second_officer(world: Any, database: Any) -> None:
    author, second = signed_in("privacy_officer"), another_officer()
    answer = propose(author, "purpose.change", **LONGER)
    page = f"/privacy/changes/{only(database)}/"
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert days(database) == 60

    assert b"Your answer" not in author.get(page).content, "the author has no vote"
    author.post(page + "vote/", {"vote": "approve"})
    assert (days(database), state(database)) == (60, [("open", False)])

    shown = second.get(page).content.decode()
    assert "60" in shown
    assert "90" in shown
    assert "Ninety days." in shown
    assert "whoever said yes is asked anew" in shown
    second.post(page + "vote/", {"vote": "approve"})
    assert (days(database), state(database)) == (90, [("applied", True)])


def test_shorter_acts_at_once_and_is_reviewed_afterwards(world: Any, database: Any) -> None:
    author, second = signed_in("privacy_officer"), another_officer()
    propose(author, "purpose.change", purpose="train-agents", retention_days="30")
    assert (days(database), state(database)) == (30, [("open", True)])
    page = f"/privacy/changes/{only(database)}/"
    second.post(page + "vote/", {"vote": "approve"})
    assert state(database) == [("applied", True)]

    second.post(page + "revert/")
    assert days(database) == 30, "the way back widens, so it waits"
    author.post(f"/privacy/changes/{only(database)}/vote/", {"vote": "approve"})
    assert days(database) == 60


def test_what_was_not_approved_and_stands_says_so_and_leads_back(world: Any, database: Any) -> None:
    author, second = signed_in("privacy_officer"), another_officer()
    propose(author, "purpose.change", purpose="train-agents", retention_days="30")
    page = f"/privacy/changes/{only(database)}/"

    second.post(page + "vote/", {"vote": "reject"})

    shown, back = second.get(page).content.decode(), f"/privacy/changes/{only(database)}/"
    assert days(database) == 30
    assert "Not approved, still in effect" in shown
    assert "it stays in effect until going back is approved" in shown
    assert f'href="{back}"' in shown
    assert "Go back to what stood before" not in shown, "that is proposed"
    author.post(back + "vote/", {"vote": "reject"})
    shown = second.get(page).content.decode()
    assert "No proposal to go back is under way" in shown
    assert "Go back to what stood before" in shown
    second.post(page + "revert/")
    author.post(f"/privacy/changes/{only(database)}/vote/", {"vote": "approve"})
    assert days(database) == 60
    shown = second.get(page).content.decode()
    assert "Not approved, and led back" in shown
    assert "it stays in effect" not in shown


def test_what_is_refused_keeps_what_was_typed(world: Any, database: Any) -> None:
    author = signed_in("privacy_officer")
    answer = propose(author, "purpose.change", purpose="train-agents", description="", name="")
    assert answer.status_code == 422
    assert b"Fill in at least one field" in answer.content
    answer = propose(
        author,
        "app.list",
        code="x",
        name="My app",
        category="office",
        data_of="own",
        others="unknown",
        matchers="web domain\nnonsense here",
    )
    assert answer.status_code == 422
    assert b"Line 1 is not platform" in answer.content
    assert b"My app" in answer.content
    assert database.sql("SELECT count(*) FROM consent_proposal") == [(0,)]


def test_what_the_services_refuse_is_said_at_its_field(world: Any) -> None:
    author = signed_in("privacy_officer")
    taken = {"name": "My app", "category": "office", "data_of": "own", "others": "unknown"}

    answer = propose(author, "app.list", code="tracker", matchers="web domain x.example", **taken)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"code": ["Is taken by another app."]}
    assert 'href="#id_code"' in answer.content.decode()

    answer = propose(author, "purpose.change", purpose="train-agents", retention_days="60")
    (said,) = answer.context["form"].errors["__all__"]
    assert said.startswith("Nothing would change. Correct what is named")


def test_a_notice_may_have_paragraphs(world: Any, database: Any) -> None:
    """A browser sends a line break as two characters, of which the core takes one."""
    words = {"section_retention": "Ninety days.\r\n\r\nNot one more."}

    answer = propose(signed_in("privacy_officer"), "purpose.change", **{**LONGER, **words})

    assert answer.status_code == 302
    (payload,) = database.sql("SELECT payload::text FROM consent_proposal")[0]
    assert r"Ninety days.\n\nNot one more." in payload


def test_a_longer_time_without_words_leads_to_where_they_belong(world: Any) -> None:
    answer = propose(
        signed_in("privacy_officer"),
        "purpose.change",
        purpose="train-agents",
        retention_days="90",
        language="en",
    )

    assert answer.status_code == 422
    assert 'href="#id_section_summary"' in answer.content.decode()


def test_beyond_an_agreement_is_refused_by_its_name(world: Any, database: Any) -> None:
    author = signed_in("privacy_officer")
    answer = propose(
        author,
        "agreement.record",
        code="BV-1",
        name="Agreement",
        parties="A and B",
        document=upload(b"the signed text"),
        jurisdictions=["IE"],
        retention_cap_days="60",
        valid_from="2020-01-01",
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    answer = propose(author, "purpose.change", **LONGER)
    assert answer.status_code == 422
    assert b"BV-1" in answer.content
    assert days(database) == 60


@pytest.mark.parametrize(
    "terms", [{"retention_days": "90"}, {"name": "Rate people"}, {"description": "Rank staff."}]
)
def test_other_terms_without_words_for_the_notice_are_refused(
    world: Any, database: Any, terms: dict[str, str]
) -> None:
    author = signed_in("privacy_officer")
    answer = propose(author, "purpose.change", purpose="train-agents", language="en", **terms)

    assert answer.status_code == 422
    assert b"Write what the notice says of it" in answer.content
    assert database.sql("SELECT count(*) FROM consent_proposal") == [(0,)]


def upload(content: bytes) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("agreement.pdf", content)


def test_a_document_is_measured_and_not_kept(world: Any, database: Any) -> None:
    import hashlib

    author = signed_in("privacy_officer")
    propose(
        author,
        "gate.close",
        purpose="train-agents",
        jurisdiction="FR",
        gate="dpia",
        document_title="Assessment",
        document=upload(b"forty pages"),
        valid_from="2026-01-01",
    )
    payload = database.sql("SELECT payload FROM consent_proposal")[0][0]
    assert payload["document_sha256"] == hashlib.sha256(b"forty pages").hexdigest()
    assert "forty pages" not in str(payload)


def council_of_research(*, person: str = "works_council") -> Client:
    """Sign in somebody who speaks for the council that an agreement of Ireland gives a say."""
    from audit.ledger import Actor
    from consent import services
    from consent.models import Agreement
    from portal.models import User

    if not Agreement.objects.filter(code="BV-2").exists():
        services.record_agreement(
            agreement=Agreement(
                code="BV-2",
                title="t",
                parties="p",
                jurisdictions=["IE"],
                valid_from=factories.LONG_AGO,
                document_sha256="0" * 64,
                council_may_veto=True,
                council_units=["research"],
            ),
            actor=factories.OFFICER,
        )
    council = signed_in(*person.split("-"))
    member = User.objects.get(email=f"{person}@example.org")
    services.give_seat(
        person=member.ref,
        unit="research",
        valid_from=date(2020, 1, 1),
        actor=Actor.staff(member.ref),
    )
    return council


def test_a_council_sees_what_it_is_asked_and_its_veto_stands(world: Any, database: Any) -> None:
    author, second, council = signed_in("privacy_officer"), another_officer(), council_of_research()
    propose(author, "allowlist.change", purpose="train-agents", app="tracker", add=["key_timing"])
    page = f"/privacy/changes/{only(database)}/"
    home = council.get("/council/").content.decode()
    assert page in home
    assert "Nothing is waiting." not in home
    second.post(page + "vote/", {"vote": "approve"})
    assert state(database) == [("open", False)], "silence of the council never approves"

    author.post(page + "vote/", {"vote": "veto", "unit": "research"})
    assert state(database) == [("open", False)], "no seat, no veto"
    council.post(page + "vote/", {"vote": "veto", "unit": "research"})
    assert state(database) == [("vetoed", False)]
    assert page.encode() not in council.get("/council/").content
    assert "The works council of research vetoed" in author.get(page).content.decode()


@pytest.mark.parametrize("who", ["officer", "council"])
def test_until_its_hour_the_page_still_offers_a_no(world: Any, database: Any, who: str) -> None:
    author, second, member = signed_in("privacy_officer"), another_officer(), council_of_research()
    later = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    propose(author, "purpose.change", **LONGER, effective_at=later)
    page = f"/privacy/changes/{only(database)}/"
    second.post(page + "vote/", {"vote": "approve"})
    member.post(page + "vote/", {"vote": "approve", "unit": "research"})
    assert state(database) == [("approved", False)]
    for spoken in (author, second, member):
        assert b"a no still ends it" not in spoken.get(page).content, "who has spoken has"

    if who == "officer":
        third, answer = signed_in("privacy_officer", "manager"), {"vote": "reject"}
    else:
        third = council_of_research(person="works_council-manager")
        answer = {"vote": "veto", "unit": "research"}
    shown = third.get(page).content.decode()
    assert "Until then a no still ends it" in shown
    assert f'value="{answer["vote"]}"' in shown
    assert 'value="approve"' not in shown, "it has been agreed to already"
    third.post(page + "vote/", answer)

    assert state(database) == [("rejected" if who == "officer" else "vetoed", False)]


def test_who_spoke_for_a_council_is_offered_no_officers_answer(world: Any, database: Any) -> None:
    author, both = signed_in("privacy_officer"), council_of_research(person=BOTH_ROLES)
    propose(author, "allowlist.change", purpose="train-agents", app="tracker", add=["key_timing"])
    page = f"/privacy/changes/{only(database)}/"
    shown = both.get(page).content
    assert b"Do not approve" in shown
    assert b"The works council of research" in shown

    both.post(page + "vote/", {"vote": "approve", "unit": "research"})

    assert b"Do not approve" not in both.get(page).content


@pytest.mark.parametrize("role", ["privacy_officer", "operator", "works_council"])
def test_one_person_stops_everything_and_two_officers_release_it(
    world: factories.World, database: Any, role: str
) -> None:
    world.say_yes()
    agent = factories.make_agent(world.subject)
    assert factories.make_policy(agent).allow
    puller = signed_in(role)
    assert puller.get("/stop/").status_code == 200
    puller.post("/stop/pull/", {"scope": "", "reason": "incident"})
    assert not factories.make_policy(agent).allow

    switch = database.sql("SELECT uuid FROM consent_killswitch")[0][0]
    first = puller if role == "privacy_officer" else signed_in("privacy_officer", "manager")
    first.post(f"/stop/{switch}/release/")
    first.post(f"/stop/{switch}/release/")
    assert not factories.make_policy(agent).allow, "the same officer twice is one"
    assert b"second privacy officer" in first.get("/stop/").content
    another_officer().post(f"/stop/{switch}/release/")
    assert factories.make_policy(agent).allow


def test_nobody_else_stops_or_releases(world: Any, database: Any) -> None:
    for role in ("manager", "ml_steward", "auditor"):
        assert signed_in(role).post("/stop/pull/", {"scope": ""}).status_code == 403
    assert database.sql("SELECT count(*) FROM consent_killswitch") == [(0,)]


def test_anybody_reports_an_app_and_it_is_blocked_at_once(
    world: factories.World, database: Any
) -> None:
    world.say_yes()
    agent = factories.make_agent(world.subject)
    person = signed_in(subject=world.another_subject())
    answer = person.post("/you/apps/report/", {"app": "tracker", "suspected": "health"})
    assert answer.status_code == 302
    allowed = factories.make_policy(agent).allow["train-agents"]
    assert set(allowed) == {"sheet"}
    assert database.sql(
        "SELECT blocked_at IS NOT NULL FROM consent_app WHERE code = 'tracker'"
    ) == [(True,)]
    officer = signed_in("privacy_officer")
    page = officer.get("/privacy/apps/tracker/").content
    assert b"Blocked" in page
    assert str(world.subject.ref).encode() not in page


@pytest.mark.parametrize(
    "path", ["/privacy/apps/", "/privacy/gates/", "/privacy/agreements/", "/privacy/changes/"]
)
def test_council_and_auditors_read_the_registers_and_change_nothing(world: Any, path: str) -> None:
    for role in ("works_council", "auditor"):
        reader = signed_in(role)
        page = reader.get(path)
        assert page.status_code == 200
        assert b"changes/new" not in page.content
        assert reader.post("/privacy/changes/new/app.list/", {}).status_code == 403


def test_every_kind_of_change_has_a_form_that_opens(world: Any) -> None:
    from consent.services.changes import KINDS
    from portal.pages.changes.kinds import FORMS

    assert set(FORMS) == set(KINDS)
    officer = signed_in("privacy_officer")
    for kind in FORMS:
        assert officer.get(f"/privacy/changes/new/{kind}/").status_code == 200, kind
    assert officer.get("/privacy/changes/new/no.such/").status_code == 404
