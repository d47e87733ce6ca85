"""Working hours in words: on which days, from when until when, and by which clock."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import selectors
from consent.policy.hours import Schedule, Window, WorkingHours
from portal.pages.dates import instant_in_words

DAYS: Final[tuple[str | Promise, ...]] = (
    gettext_lazy("Mon"),
    gettext_lazy("Tue"),
    gettext_lazy("Wed"),
    gettext_lazy("Thu"),
    gettext_lazy("Fri"),
    gettext_lazy("Sat"),
    gettext_lazy("Sun"),
)

TO: Final = "\N{EN DASH}"


def hours_of(verdicts: selectors.Verdicts) -> list[str]:
    """Return the hours that bind somebody's recording, a sentence each; none where nothing does."""
    schedules = {one for found in verdicts.schedules.values() for one in found}
    return sorted(outside(schedule) for schedule in schedules)


def outside(schedule: Schedule) -> str:
    """Return the sentence that says when nothing is recorded."""
    if schedule.zone is None:
        return _("Nothing is recorded: it is not known by which clock your working hours go.")
    words = {"hours": in_words(schedule.windows), "zone": schedule.zone}
    if schedule.holidays:
        return (
            _("Nothing is recorded outside %(hours)s (%(zone)s time), nor on public holidays.")
            % words
        )
    return _("Nothing is recorded outside %(hours)s (%(zone)s time).") % words


def decided(hours: WorkingHours) -> str:
    """Return hours as they were decided."""
    clock = hours.zone or _("the clock of where each person works")
    words = {"hours": in_words(hours.windows), "clock": clock}
    if hours.closed_on_holidays:
        return _("%(hours)s by %(clock)s, not on public holidays") % words
    return _("%(hours)s by %(clock)s") % words


def opens(at: datetime) -> str:
    """Return the instant at which hours begin again."""
    utc = at.astimezone(UTC)
    return f"{DAYS[utc.weekday()]}, {instant_in_words(utc)}"


def in_words(windows: Iterable[Window]) -> str:
    """Return windows such as "Mon-Fri 08:00-18:00", days with equal hours together."""
    by_day: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for day, start, end in sorted(windows):
        by_day[day].append((start, end))
    runs: list[tuple[int, int, list[tuple[int, int]]]] = []
    for day in sorted(by_day):
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == by_day[day]:
            runs[-1] = (runs[-1][0], day, by_day[day])
        else:
            runs.append((day, day, by_day[day]))
    return "; ".join(_run(first, last, times) for first, last, times in runs) or _("never")


def _run(first: int, last: int, times: list[tuple[int, int]]) -> str:
    days = str(DAYS[first]) if first == last else f"{DAYS[first]}{TO}{DAYS[last]}"
    return f"{days} {', '.join(_clock(start) + TO + _clock(end) for start, end in times)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
