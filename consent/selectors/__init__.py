"""Reads only: what stands now, for whom, and why."""

from consent.selectors.choices import (
    consent_valid_until,
    current_notice,
    newest_event,
    offered_pairs,
    scopes_of,
    standing_consents,
)
from consent.selectors.cohorts import cohort_document, cohort_facts, current_cohort_policy
from consent.selectors.decisions import (
    PairDecision,
    Verdicts,
    decide_for,
    is_paused,
    paused_between,
    verdicts_for,
)
from consent.selectors.stops import is_stopped, stopped_between

__all__ = [
    "PairDecision",
    "Verdicts",
    "cohort_document",
    "cohort_facts",
    "consent_valid_until",
    "current_cohort_policy",
    "current_notice",
    "decide_for",
    "is_paused",
    "is_stopped",
    "newest_event",
    "offered_pairs",
    "paused_between",
    "scopes_of",
    "standing_consents",
    "stopped_between",
    "verdicts_for",
]
