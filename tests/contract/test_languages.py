"""What employees read exists in every language of the product; the compiled files are current."""

from __future__ import annotations

import re
import string
from collections import Counter

import pytest
from django.template.loader import render_to_string
from django.utils.translation import override

from consent.policy.types import NEVER_CATEGORIES, NeverSignal
from portal.management import translations
from portal.templatetags.words import colon, plain, protected_name, signal_name

LANGUAGES = ("de", "fr")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def test_these_are_the_languages_of_the_product() -> None:
    assert translations.languages() == list(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_that_employees_read_lacks_a_translation(language: str) -> None:
    assert translations.untranslated(language) == []


def test_what_employees_read_is_found() -> None:
    """In a template, in a block, with a plural, in code, in a part of a module, in a refusal."""
    found = translations.said_to_employees()

    assert translations.Said("Skip to main content") in found
    assert translations.Said("No", context="answer") in found
    assert translations.Said("All apps and signals") in found
    days = "Kept for %(days)s day at most.", "Kept for %(days)s days at most."
    assert translations.Said(*days) in found
    assert translations.Said("You paused recording.") in found
    assert translations.Said("Report and block") in found
    assert translations.Said("Propose an app") not in found
    assert translations.Said("The notice changed while you were reading.") in found
    assert translations.Said("Data protection impact assessment") in found


def test_a_gate_is_named_in_the_readers_language() -> None:
    from consent.rules import shipped
    from portal.pages.rulewords import gate_title

    said = {}
    for language in ("en", *LANGUAGES):
        with override(language):
            said[language] = gate_title("separate_consent_if_sensitive_or_export", shipped())

    assert said == {
        "en": "Separate consent",
        "de": "Gesonderte Einwilligung",
        "fr": "Consentement séparé",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_names_the_same_values(language: str) -> None:
    for message in translations.catalogue(language):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = {name for text in ids for name in PLACEHOLDER.findall(text)}
        for text in words:
            assert set(PLACEHOLDER.findall(text)) == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_holds_nothing_that_is_said_no_more(language: str) -> None:
    said = {(one, context or None) for one, _many, context in translations.said_to_employees()}
    for message in translations.catalogue(language):
        one = message.id[0] if isinstance(message.id, tuple) else message.id
        if one:
            assert (one, message.context) in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_translations_are_current(language: str) -> None:
    compiled = translations.source(language).with_suffix(".mo").read_bytes()

    assert compiled == translations.compiled(language), "run manage.py translations"


def test_no_placeholder_is_of_the_other_kind() -> None:
    for said in translations.said_to_employees():
        assert not [name for _, name, _, _ in string.Formatter().parse(said.one) if name]


def test_french_sets_its_marks_off_by_a_narrow_space_that_does_not_break() -> None:
    said = [
        text
        for message in translations.catalogue("fr")
        if message.id
        for text in (message.string if isinstance(message.string, tuple) else (message.string,))
    ]
    wrong = re.compile(r"[^\u202f\d][:;?!»](?!//)|«[^\u202f]|\w'\w")

    assert [text for text in said if wrong.search(text)] == []


def test_no_page_that_employees_read_writes_a_colon_of_its_own_behind_a_word() -> None:
    """A label that is put in brings its colon by the filter, as the language writes it."""
    folder = translations.ROOT / "templates"
    found = {
        path.name
        for pattern in translations.TEMPLATES
        for path in folder.glob(pattern)
        if path.name not in translations.STAFF_ONLY
        and re.search(r"[}%]}(</\w+>)?:", path.read_text(encoding="utf-8"))
    }

    assert found == set()


@pytest.mark.parametrize(
    ("language", "label", "many"),
    [("en", "Code:", "2,707"), ("de", "Code:", "2.707"), ("fr", "Code\u202f:", "2\u202f707")],
)
def test_labels_and_counts_are_written_as_the_language_does(
    language: str, label: str, many: str
) -> None:
    with override(language):
        page = render_to_string("you/_held.html", {"held": {"batches": 2707}})

        assert colon("Code") == label
        assert f">{many}</dd>" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_never_recorded_has_a_name_in_every_language(language: str) -> None:
    """A key of the core, such as derived_emotion, is no word that an employee could choose."""
    with override(language):
        signals = {signal.value: str(signal_name(signal.value)) for signal in NeverSignal}
        kinds = {kind.value: str(protected_name(kind.value)) for kind in NEVER_CATEGORIES}

    assert [key for key, name in (signals | kinds).items() if name == plain(key)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_translated_twice(language: str) -> None:
    """Whichever stood last would count, and the other be mended in vain."""
    blocks = translations.source(language).read_text(encoding="utf-8").split("\n\n")
    texts = [re.split(r"\nmsg(?:id_plural|str)", block)[0] for block in blocks if "msgid" in block]
    bare = ["\n".join(line for line in text.splitlines() if line[:1] != "#") for text in texts]

    assert [text for text, number in Counter(bare).items() if number > 1] == []
