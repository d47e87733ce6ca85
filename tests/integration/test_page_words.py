"""Codes of the core become words on pages: the ledger, the receipt, an agreement, the home page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import factories
from tests.integration.test_change_pages import propose
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)
DIGEST = "9f" * 32


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def test_an_entry_of_the_ledger_is_told_in_words(world: factories.World) -> None:
    from portal.pages.ledgerwords import Telling, actor_words

    telling = Telling()
    data = {"purpose": "train-agents", "jurisdiction": "CA-QC", "signals": ["key_meta"]}

    line = telling.line({**data, "evidence_digest": DIGEST})

    assert line == (
        "Purpose: Train computer-use agents · Jurisdiction: Quebec (CA-QC)"
        " · Signals: Special keys and shortcuts · Evidence digest: 9f9f9f9f9f9f…"
    )
    assert telling.facts({"evidence_digest": DIGEST}) == [
        {"label": "Evidence digest", "code": DIGEST}
    ]
    assert str(actor_words("system")) == "The portal by itself"
    assert telling.text("purpose", "long-gone") == "long-gone"


def test_the_page_of_the_ledger_shows_no_codes_of_purposes(world: factories.World) -> None:
    page = signed_in("auditor").get("/audit/").content.decode()

    assert "Train computer-use agents" in page
    assert "train-agents" not in page
    assert "Somebody for the organisation" in page


def test_a_receipt_names_law_and_language(world: factories.World) -> None:
    me = signed_in(subject=world.subject)
    sent = {"answer": "no", "notice_version": world.notice.version}

    page = me.post("/you/purposes/train-agents/", sent, follow=True).content.decode()

    assert "Ireland (IE)" in page
    assert "version 1, English" in page


def test_what_one_app_is_said_of_stands_in_the_singular(world: factories.World) -> None:
    from portal.pages.you import _yes_reason

    assert _yes_reason([{"app": "tracker"}])["text"].endswith("in 1 app.")
    assert _yes_reason([{"app": "tracker"}, {"app": "sheet"}])["text"].endswith("in 2 apps.")


def test_an_agreement_is_written_and_shown_by_names(world: factories.World) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    officer = signed_in("privacy_officer")
    asked = officer.get("/privacy/changes/new/agreement.record/").content.decode()
    sent = propose(
        officer,
        "agreement.record",
        code="BV-9",
        name="On recording",
        parties="All",
        document=SimpleUploadedFile("a.pdf", b"signed"),
        jurisdictions=["IE"],
        purposes=["train-agents"],
        apps=["tracker"],
        valid_from="2026-01-01",
    )
    assert sent.status_code == 302

    shown = officer.get("/privacy/agreements/BV-9/").content.decode()

    assert world.apps["tracker"].name in asked
    for text in (asked, shown):
        assert "Train computer-use agents" in text
        assert "Ireland (IE)" in text
    assert ">Record</button>" in asked
    assert world.apps["tracker"].name in shown


def test_the_ledger_names_kinds_of_change_and_of_fact(world: factories.World) -> None:
    from portal.pages.ledgerwords import Telling

    telling = Telling()

    assert telling.text("kind", "allowlist.change") == "Change what a purpose may ask for"
    assert telling.text("kind", "work_location") == "Works in"
    assert telling.text("kind", "of_no_catalogue") == "of_no_catalogue"


def test_the_sources_of_a_rule_stand_folded_under_their_reason(database: Any) -> None:
    """A reader of the page of reasons is not met by case numbers; who wants them opens them."""
    german = factories.make_world("DE")
    german.say_yes()

    page = signed_in(subject=german.subject).get("/you/why/").content.decode()

    assert '<summary class="small">' in page
    folded = page.partition('<summary class="small">')[2].partition("</details>")[0]
    told = re.findall(r'<span lang="en">(.*?)</span>', folded)
    assert told
    assert all(said.strip() for said in told)
    assert len(told) == folded.count("<li>")
