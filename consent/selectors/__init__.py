"""Reads only: what stands now, for whom, and why."""

from consent.selectors.asking import not_asked_before
from consent.selectors.attention import Attention, attention
from consent.selectors.choices import (
    consent_valid_until,
    covered_now,
    current_notice,
    newest_event,
    offered_listings,
    offered_pairs,
    pack_in,
    scopes_of,
    shared_by,
    standing_consents,
    unbroken_yes,
)
from consent.selectors.cohorts import (
    Published,
    cohort_document,
    current_cohort_policy,
    is_shortened,
    made_with,
    next_shared_turn,
    places_of_others,
    published,
    stored,
)
from consent.selectors.decisions import standings_for, verdicts_for
from consent.selectors.documents import current_cohort_policies
from consent.selectors.explain import Explanation, explain, explain_shared
from consent.selectors.facts import (
    cohort_facts,
    cohort_of,
    has_departed,
    has_turned,
    midnight,
    next_turn,
)
from consent.selectors.history import shared_verdicts_at, verdicts_at
from consent.selectors.hours import within_hours
from consent.selectors.impact import Impact
from consent.selectors.leases import leased_throughout
from consent.selectors.pauses import is_paused, paused_between
from consent.selectors.proposals import missing_votes, proposal_view, seats_of
from consent.selectors.readiness import Readiness, readiness
from consent.selectors.recorded import Half, recorded_under
from consent.selectors.rules import Unadopted, unadopted_rules
from consent.selectors.settings import setting, working_hours
from consent.selectors.shares import is_shared, standing_shares
from consent.selectors.stops import (
    Stops,
    is_protected,
    release_agreements,
    stopped_between,
    stops_now,
)
from consent.selectors.strikes import (
    Interval,
    of_batches,
    strike_over,
    strikes_to_apply,
    struck_between,
)
from consent.selectors.terms import Terms, terms_for
from consent.selectors.verdicts import PairDecision, Verdicts
from consent.selectors.waiting import Waiting, waiting
from consent.selectors.waivers import standing_waiver, waiver_ended_between, waivers_under

__all__ = [
    "Attention",
    "Explanation",
    "Half",
    "Impact",
    "Interval",
    "PairDecision",
    "Published",
    "Readiness",
    "Stops",
    "Terms",
    "Unadopted",
    "Verdicts",
    "Waiting",
    "attention",
    "cohort_document",
    "cohort_facts",
    "cohort_of",
    "consent_valid_until",
    "covered_now",
    "current_cohort_policies",
    "current_cohort_policy",
    "current_notice",
    "explain",
    "explain_shared",
    "has_departed",
    "has_turned",
    "is_paused",
    "is_protected",
    "is_shared",
    "is_shortened",
    "leased_throughout",
    "made_with",
    "midnight",
    "missing_votes",
    "newest_event",
    "next_shared_turn",
    "next_turn",
    "not_asked_before",
    "of_batches",
    "offered_listings",
    "offered_pairs",
    "pack_in",
    "paused_between",
    "places_of_others",
    "proposal_view",
    "published",
    "readiness",
    "recorded_under",
    "release_agreements",
    "scopes_of",
    "seats_of",
    "setting",
    "shared_by",
    "shared_verdicts_at",
    "standing_consents",
    "standing_shares",
    "standing_waiver",
    "standings_for",
    "stopped_between",
    "stops_now",
    "stored",
    "strike_over",
    "strikes_to_apply",
    "struck_between",
    "terms_for",
    "unadopted_rules",
    "unbroken_yes",
    "verdicts_at",
    "verdicts_for",
    "waiting",
    "waiver_ended_between",
    "waivers_under",
    "within_hours",
    "working_hours",
]
