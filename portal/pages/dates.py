"""Days and instants in words, in the form of the reader's language."""

from datetime import UTC, date, datetime

from django.utils.formats import date_format


def day_in_words(day: date | str) -> str:
    """Return a day in words; a text such as 2026-12-10 is one, too."""
    return date_format(date.fromisoformat(day) if isinstance(day, str) else day, "DATE_FORMAT")


def instant_in_words(at: datetime) -> str:
    """Return an instant in words, by the clock of the ledger, which it names."""
    return f"{date_format(at.astimezone(UTC), 'DATETIME_FORMAT')}\N{NO-BREAK SPACE}UTC"
