"""Employees read their pages in their language; staff, documents and the API stay in one."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import override

from portal.pages.changes.values import place_name
from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)
GERMAN, FRENCH = {"Accept-Language": "de-AT,de"}, {"Accept-Language": "fr-CH"}


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.mark.parametrize(
    ("asked", "lang", "sentence"),
    [
        (GERMAN, "de", "Wird etwas von Ihnen aufgezeichnet?"),
        (FRENCH, "fr", "Quelque chose de vous est-il capturé"),
        ({}, "en", "Is anything of yours recorded?"),
    ],
)
def test_an_employee_reads_their_language(
    world: factories.World, asked: dict[str, str], lang: str, sentence: str
) -> None:
    page = signed_in(subject=world.subject).get("/you/", headers=asked).content.decode()

    assert f'<html lang="{lang}"' in page
    assert sentence in page
    assert page.count(f'value="{lang}"') == 1


def test_a_language_once_chosen_stays(world: factories.World) -> None:
    me = signed_in(subject=world.subject)

    sent = me.post("/language/", {"language": "fr", "next": "/you/history/"}, headers=GERMAN)

    assert (sent.status_code, sent.url) == (302, "/you/history/")
    assert "Votre historique" in me.get(sent.url, headers=GERMAN).content.decode()


@pytest.mark.parametrize("path", ["/privacy/", "/audit/", "/stop/", "/status", "/docs/"])
def test_pages_of_staff_say_that_they_are_english(world: factories.World, path: str) -> None:
    page = signed_in("privacy_officer").get(path, headers=GERMAN).content.decode()

    assert '<html lang="en"' in page
    assert 'action="/language/"' not in page


@pytest.mark.parametrize(
    ("asked", "lang", "words"),
    [
        (GERMAN, "de", "Nicht für Ihre Rolle"),
        (FRENCH, "fr", "Pas pour votre rôle"),
        ({}, "en", "Not for your role"),
    ],
)
@pytest.mark.parametrize("path", ["/privacy/", "/audit/", "/stop/"])
def test_who_is_turned_away_reads_it_in_their_language(
    world: factories.World, asked: dict[str, str], lang: str, words: str, path: str
) -> None:
    """The page behind it is English; who may not see it need not read English."""
    refused = signed_in(subject=world.subject).get(path, headers=asked)

    page = refused.content.decode()
    assert (refused.status_code, refused["Content-Language"]) == (403, lang)
    assert words in page
    assert f'<html lang="{lang}"' in page


def test_a_refusal_is_told_in_the_language_of_the_page(world: factories.World) -> None:
    me = signed_in(subject=world.subject)
    sent = {"answer": "yes", "notice_version": world.notice.version}

    page = me.post("/you/purposes/train-agents/", sent, headers=GERMAN)

    assert page.status_code == 422
    assert "Ein Ja braucht mindestens eine App" in page.content.decode()
    assert "oder antworten Sie Nein" in page.content.decode()


def test_the_language_changes_no_answer(world: factories.World, database: Any) -> None:
    me = signed_in(subject=world.subject)
    sent = {"answer": "no", "notice_version": world.notice.version}

    page = me.post("/you/purposes/train-agents/", sent, headers=FRENCH, follow=True)

    assert "Conservé. Voici votre copie." in page.content.decode()
    assert database.sql("SELECT state FROM consent_consentevent") == [("refused",)]


@pytest.mark.parametrize(
    ("asked", "place"),
    [(GERMAN, "Irland (IE)"), (FRENCH, "Irlande (IE)"), ({}, "Ireland (IE)")],
)
def test_places_are_named_in_the_language_of_the_page(
    world: factories.World, asked: dict[str, str], place: str
) -> None:
    page = signed_in(subject=world.subject).get("/you/facts/", headers=asked).content.decode()

    assert place in page


def test_parts_of_a_country_keep_the_name_of_the_rules(database: Any) -> None:
    with override("de"):
        assert place_name("US-CA") == "California (US-CA)"
        assert place_name("US") == "Vereinigte Staaten (US)"
        assert place_name("XX") == "XX"


def test_a_purpose_is_called_as_its_notice_calls_it_in_their_language(
    world: factories.World,
) -> None:
    """The organisation names a purpose in one language; nobody need read that one to find it."""
    from consent import services

    german = ("Lernen aus Klicks", {**factories.sections(), "summary": "Worum es in Kürze geht."})
    texts = {"en": ("About clicks", factories.sections()), "de": german}
    services.publish_notice(purpose=world.purpose, texts=texts, actor=factories.OFFICER)
    world.say_yes_again()
    me = signed_in(subject=world.subject)
    title = world.purpose.title

    for path in ("/you/", "/you/history/", "/you/explain/", "/you/purposes/train-agents/"):
        in_german = me.get(path, headers=GERMAN).content.decode()
        in_french = me.get(path, headers=FRENCH).content.decode()
        assert "Lernen aus Klicks" in in_german, path
        assert title not in in_german, path
        assert title in in_french, f"{path}: there is no French notice"
        assert title in me.get(path).content.decode(), path
    assert "Worum es in Kürze geht." in me.get("/you/", headers=GERMAN).content.decode()


@pytest.mark.parametrize(
    ("path", "asked", "words"),
    [
        ("/you/facts/", FRENCH, ("noté le <time", "Les règles en vigueur : Irlande (IE)")),
        ("/you/facts/", GERMAN, ("festgehalten am <time", "Die Regeln von Irland (IE)")),
        ("/you/machines/", FRENCH, ("elle depuis le <time",)),
    ],
)
def test_a_day_and_a_place_stand_in_a_sentence_as_they_are_said(
    world: factories.World, path: str, asked: dict[str, str], words: tuple[str, ...]
) -> None:
    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))
    me = signed_in(subject=world.subject)
    me.post("/you/pause/")

    page = " ".join(me.get(path, headers=asked).content.decode().split())

    for said in words:
        assert said in page
