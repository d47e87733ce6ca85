"""Days and instants in words, in the form of the reader's language."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from consent.policy.factsfile import YEARS


def day_in_words(day: date | str) -> str:
    """Return a day in words; a text such as 2026-12-10 is one, too."""
    return date_format(date.fromisoformat(day) if isinstance(day, str) else day, "DATE_FORMAT")


def instant_in_words(at: datetime) -> str:
    """Return an instant in words, by the clock of the ledger, which it names."""
    return f"{date_format(at.astimezone(UTC), 'DATETIME_FORMAT')}\N{NO-BREAK SPACE}UTC"


def refuse_odd_days(form: forms.Form, names: Iterable[str]) -> None:
    """Refuse days of another age: near the ends of the calendar no other day can be told."""
    for name in names:
        day = form.cleaned_data.get(name)
        if day and day.year not in YEARS:
            form.add_error(name, _("This day is too long ago, or too far away."))
