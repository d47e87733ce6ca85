"""What places are called in the reader's language, and in which order a page lists them."""

from babel import Locale
from django.conf import settings
from django.utils.translation import get_language, to_locale

from consent.policy.rows import Row
from consent.policy.rulebook import Rulebook


def name_of_place(code: str, rulebook: Rulebook) -> str:
    """Return a place by its name; a code that no rules are known for stands as it is.

    The pack names places in the language it is written in. For other readers the Unicode
    consortium's names of countries count; their parts, such as US-CA, keep the pack's own.
    """
    row = rulebook.rows.get(code)
    if row is None:
        return code
    language = get_language() or settings.LANGUAGE_CODE
    if language == settings.LANGUAGE_CODE:
        return row.name
    return str(Locale.parse(to_locale(language)).territories.get(code, row.name))


def places_to_choose(rulebook: Rulebook) -> list[tuple[str, str]]:
    """Return each place with its name and code, by name; parts of a country follow it."""

    def place_in_order(row: Row) -> tuple[str, bool, str]:
        country = rulebook.rows.get(row.code.partition("-")[0], row)
        return country.name, row is not country, row.name

    rows = sorted(rulebook.rows.values(), key=place_in_order)
    return [(row.code, f"{name_of_place(row.code, rulebook)} ({row.code})") for row in rows]
