"""Whom a change of the shared rules would concern: counts of groups, in a few grouped queries.

People differ to a rule only in the pairs of their yes, the notice it answers, whether they
acknowledged that notice, and the day it was given. Days that no law tells apart are one span.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Count

from consent.policy.adoption import packs_of
from consent.policy.deadlines import add_months
from consent.policy.rulebook import Rulebook
from consent.selectors.facts import still_here

# The yes that stands of each person and purpose, and all of it that a rule can tell apart.
_ANSWERS: Final = """
WITH newest AS (
  SELECT DISTINCT ON (e.subject_id, e.purpose_id)
    e.id, e.subject_id, s.cohort_id, e.purpose_id, e.notice_id, e.state,
    (e.event_time AT TIME ZONE 'UTC')::date AS given_on
  FROM consent_consentevent e JOIN consent_subject s ON s.id = e.subject_id
  WHERE s.cohort_id = ANY(%(cohorts)s) AND (s.departed_at IS NULL OR s.departed_at > now())
  ORDER BY e.subject_id, e.purpose_id, e.position DESC
), answers AS (
  SELECT y.id AS event_id, y.subject_id, y.cohort_id, y.purpose_id, n.version, y.given_on,
    width_bucket(y.given_on, %(spans)s::date[]) AS span,
    EXISTS (SELECT FROM consent_acknowledgement a
            WHERE a.subject_id = y.subject_id AND a.notice_id = y.notice_id) AS acknowledged
  FROM newest y JOIN consent_notice n ON n.id = y.notice_id
  WHERE y.state = 'given'
)
"""

_KINDS: Final = (
    _ANSWERS
    + """
SELECT a.cohort_id, p.code, a.version, a.acknowledged, a.span, min(a.given_on)
FROM answers a JOIN consent_purpose p ON p.id = a.purpose_id
GROUP BY a.cohort_id, p.code, a.version, a.acknowledged, a.span
"""
)

_PATTERNS: Final = (
    _ANSWERS  # noqa: S608  constants only
    + """
, effects AS MATERIALIZED (
  SELECT u.cohort, p.id AS purpose_id, u.version, u.acknowledged, u.span, app.id AS app_id,
    u.signal, u.line, u.listing
  FROM unnest(
    %(cohort)s::bigint[], %(purpose)s::text[], %(version)s::int[], %(acknowledged)s::bool[],
    %(span)s::int[], %(app)s::text[], %(signal)s::text[], %(line)s::int[], %(listing)s::bigint[]
  ) AS u (cohort, purpose, version, acknowledged, span, app, signal, line, listing)
  JOIN consent_purpose p ON p.code = u.purpose
  JOIN consent_app app ON app.code = u.app
), met AS (
  SELECT DISTINCT a.subject_id, a.cohort_id, f.line
  FROM answers a
  JOIN consent_consentscope sc ON sc.event_id = a.event_id
  JOIN effects f ON f.cohort = a.cohort_id AND f.purpose_id = a.purpose_id
    AND f.version = a.version AND f.acknowledged = a.acknowledged AND f.span = a.span
    AND f.app_id = sc.app_id AND f.signal = sc.signal AND f.listing = sc.listing_id
), patterns AS (
  SELECT cohort_id, array_agg(line ORDER BY line) AS lines FROM met GROUP BY subject_id, cohort_id
)
SELECT cohort_id, lines, count(*) FROM patterns GROUP BY cohort_id, lines
"""
)

Key = tuple[str, str, str]
"""(effect, purpose, signal): one figure of a preview."""


@dataclass(frozen=True, order=True)
class Answer:
    """A yes, as far as rules tell one from another; the pairs it covers are counted apart."""

    version: int
    acknowledged: bool
    span: int
    given_on: date
    """Some day of the span: each of its days leads to the same decisions."""


@dataclass(frozen=True)
class Effect:
    """What a change does to one app and signal for those who gave one answer."""

    cohort: int
    purpose: str
    answer: Answer
    app: str
    signal: str
    effect: str
    listing: int
    """The entry by which it is asked for: a yes by an earlier one is not concerned."""


def spans_of(rulebooks: Iterable[Rulebook], today: date) -> list[date]:
    """Return the days at which the age of a yes begins to matter otherwise, in order."""
    months = {
        row.own.reconsent_months
        for rules in rulebooks
        for pack in (rules, *packs_of(rules))
        for row in pack.rows.values()
    }
    fresh = {_first_fresh(today, count) for count in months if count is not None}
    return sorted(fresh | {today + timedelta(days=1)})


def answers_among(
    cohorts: Collection[int], spans: Sequence[date]
) -> dict[tuple[int, str], list[Answer]]:
    """Return (cohort, purpose) -> the kinds of standing yes that people there gave."""
    found: dict[tuple[int, str], list[Answer]] = {}
    if not cohorts:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_KINDS, {"cohorts": list(cohorts), "spans": list(spans)})
        for cohort, purpose, version, acknowledged, span, given_on in cursor.fetchall():
            answer = Answer(version, acknowledged, span, given_on)
            found.setdefault((cohort, purpose), []).append(answer)
    return found


def count_patterns(
    effects: Collection[Effect], spans: Sequence[date]
) -> dict[tuple[int, frozenset[Key]], int]:
    """Return (cohort, what the change does to somebody) -> people of whom exactly that is true.

    Each person counts once in a key, in however many apps it meets them; whom nothing meets is
    not counted.
    """
    if not effects:
        return {}
    keys = sorted({(one.effect, one.purpose, one.signal) for one in effects})
    numbers = {key: number for number, key in enumerate(keys)}
    values: dict[str, list[Any]] = {
        "cohorts": sorted({one.cohort for one in effects}),
        "spans": list(spans),
        "cohort": [one.cohort for one in effects],
        "purpose": [one.purpose for one in effects],
        "version": [one.answer.version for one in effects],
        "acknowledged": [one.answer.acknowledged for one in effects],
        "span": [one.answer.span for one in effects],
        "app": [one.app for one in effects],
        "signal": [one.signal for one in effects],
        "listing": [one.listing for one in effects],
        "line": [numbers[one.effect, one.purpose, one.signal] for one in effects],
    }
    with connection.cursor() as cursor, _hashing(cursor):
        cursor.execute(_PATTERNS, values)
        return {
            (cohort, frozenset(keys[line] for line in lines)): people
            for cohort, lines, people in cursor.fetchall()
        }


@contextmanager
def _hashing(cursor: CursorWrapper) -> Iterator[None]:
    """Let queries of the block join by hashing, whatever the planner expects.

    It expects a handful of people where there are all of them, and would compare each one with
    each effect: minutes instead of a second.
    """
    for way in ("nestloop", "mergejoin"):
        cursor.execute(f"SET LOCAL enable_{way} = off")
    yield
    for way in ("nestloop", "mergejoin"):
        cursor.execute(f"SET LOCAL enable_{way} = on")


def population() -> dict[int | None, int]:
    """Return cohort -> how many people are in it, whatever they answered; None: in no cohort."""
    counted = still_here().values("cohort").annotate(people=Count("pk")).order_by("cohort")
    return dict(counted.values_list("cohort", "people"))


def _first_fresh(today: date, months: int) -> date:
    """Return the first day on which a yes given still counts today."""
    day = today - timedelta(days=31 * months + 3)
    while add_months(day, months) <= today:
        day += timedelta(days=1)
    return day
