"""What workers do when woken or on the tick: ask PostgreSQL what is owed, do one slice of it."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from audit import reports
from consent import services as consent
from portal.answers import publish_answers
from portal.counts import publish_counts
from portal.policykeys import rotate, standing
from portal.reporting import SOURCES
from retention import services as retention

logger = logging.getLogger(__name__)

COUNTED_EVERY: Final = timedelta(minutes=15)
"""Whom counts have changed for is looked for in all that was handed in: not at every slice."""


class Seldom:
    """A part of the work that this process does again only after a while."""

    def __init__(self, part: Callable[..., int], every: timedelta) -> None:
        self._part, self._every = part, every
        self._next: datetime | None = None

    def __call__(self, *, at: datetime) -> int:
        """Do it if it is time; return how much was done."""
        if self._next and at < self._next:
            return 0
        self._next = at + self._every
        return self._part(at=at)


_count = Seldom(publish_counts, COUNTED_EVERY)


def run_slice() -> bool:
    """Do a slice of everything owed; return whether something was done, so that more may be left.

    A part that fails does not keep the others from their work; it is logged and tried again.
    """
    done = 0
    for name, part in _parts().items():
        try:
            done += part()
        except Exception:
            logger.exception("work_failed part=%s", name)
    return done > 0


def _parts() -> dict[str, Callable[[], int]]:
    return {
        "proposals": consent.apply_due_proposals,
        "rules": lambda: _at_now(consent.adopt_first_rules, consent.follow_rules),
        "cohorts": lambda: _at_now(consent.place_turned, consent.refresh_turned),
        "conflicts": lambda: _at_now(consent.follow_conflicts),
        "departures": lambda: _at_now(consent.settle_departures),
        "keys": lambda: _at_now(standing.renew, rotate.erase_spent),
        "terms": retention.tighten_due,
        "expiry": lambda: int(retention.owe_expired(at=timezone.now()) is not None),
        "cases": retention.expand_cases,
        "deletions": retention.run_due_jobs,
        "uploads": retention.settle_uploads,
        "answers": lambda: _at_now(publish_answers, _count),
        "reports": lambda: reports.render_due(SOURCES),
    }


def _at_now(*parts: Callable[..., int]) -> int:
    now = timezone.now()
    return sum(part(at=now) for part in parts)
