"""What the rule pack itself calls for: reviews that come due, and shipped rules not yet adopted."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from consent.policy.adoption import differing, loosened
from consent.rules import adopted_rulebook, rulebook, shipped

WARNINGS: Final = (7, 30, 60)
"""So many days ahead of a review the privacy team hears of it, the nearest first."""


@dataclass(frozen=True)
class Review:
    """A jurisdiction whose rules must be looked at again."""

    code: str
    name: str
    review_by: date
    stage: int
    """60, 30 or 7 days ahead; 0 when the day is past."""
    denies_from: date
    """The first day on which the place permits nothing any more, unless it was reviewed."""


@dataclass(frozen=True)
class Unadopted:
    """Shipped rules that differ from those adopted: what they tighten acts, the rest waits."""

    code: str
    loosens: tuple[str, ...]
    """The keys that adopting would make looser; `everything` for a new place; empty: nothing."""


def reviews_due(at: datetime) -> list[Review]:
    """Return the reviews that are due within 60 days, or overdue, the most urgent first."""
    rules = rulebook()
    grace = timedelta(days=rules.meta.review_grace_days + 1)
    due = [
        Review(row.code, row.name, row.review_by, stage, row.review_by + grace)
        for row in rules.rows.values()
        if (stage := _stage(row.review_by, at.date())) is not None
    ]
    return sorted(due, key=lambda review: (review.review_by, review.code))


def unadopted_rules() -> list[Unadopted]:
    """Return what somebody could adopt; nothing where the shipped rules are those adopted."""
    adopted, new = adopted_rulebook(), shipped()
    if adopted is None:
        return []
    return [
        Unadopted(code, loosened(adopted, new, code) if code in new.rows else ())
        for code in differing(adopted, new)
    ]


def _stage(review_by: date, today: date) -> int | None:
    if review_by < today:
        return 0
    left = (review_by - today).days
    return next((days for days in WARNINGS if left <= days), None)
