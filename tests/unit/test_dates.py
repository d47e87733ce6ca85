"""Days and instants, in every language of the product, in a form that cannot be misread."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils.formats import get_format
from django.utils.translation import override

from portal.pages.dates import day_in_words, instant_in_words

INSTANT = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
SAID = (
    ("en", "1 Mar 2026", "1 Mar 2026, 14:05"),
    ("de", "1. März 2026", "1. März 2026 14:05"),
    ("fr", "1 mars 2026", "1 mars 2026 14:05"),
)


@pytest.mark.parametrize(("language", "day", "instant"), SAID)
def test_a_day_and_an_instant_are_written_as_the_reader_writes_them(
    language: str, day: str, instant: str
) -> None:
    with override(language):
        assert day_in_words(INSTANT.date()) == day
        assert day_in_words("2026-03-01") == day
        assert instant_in_words(INSTANT) == f"{instant}\N{NO-BREAK SPACE}UTC"


@pytest.mark.parametrize(("language", "day", "instant"), SAID)
def test_a_page_writes_them_alike(language: str, day: str, instant: str) -> None:
    with override(language):
        shown = render_to_string("components/time.html", {"at": INSTANT})
        short = render_to_string("components/time.html", {"at": INSTANT.date(), "day": True})

    assert f'<time datetime="2026-03-01T14:05:00Z">{instant}&nbsp;UTC</time>' in shown
    assert f'<time datetime="2026-03-01">{day}</time>' in short


def test_an_instant_is_told_by_the_clock_it_names() -> None:
    elsewhere = INSTANT.astimezone(timezone(timedelta(hours=11)))

    assert instant_in_words(elsewhere) == instant_in_words(INSTANT)


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
def test_no_language_writes_the_month_as_a_number(language: str) -> None:
    """1.3. and 3/1 are the same day to some readers and another to others."""
    for form in ("DATE_FORMAT", "DATETIME_FORMAT"):
        day, month, *_rest = (letter for letter in get_format(form, language) if letter.isalpha())

        assert (day, month) in {("j", "F"), ("j", "M")}
    with override(language):
        assert day_in_words(date(2026, 3, 4)) != day_in_words(date(2026, 4, 3))
