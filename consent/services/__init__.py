"""What changes something: one verb each, one transaction, one ledger entry."""

from consent.services.again import policy_again
from consent.services.agents import (
    acknowledge_policy,
    change_agent_key,
    enrol_agent,
    quarantine_agent,
    revoke_agent,
)
from consent.services.agreements import record_agreement
from consent.services.apps import (
    allow_in_purpose,
    change_app,
    disallow_in_purpose,
    leaves_protection,
    list_app,
    report_app,
    unblock_app,
)
from consent.services.cohorts import (
    place_in_cohort,
    place_turned,
    refresh_cohorts,
    refresh_once,
    refresh_turned,
)
from consent.services.conflicts import follow_conflicts
from consent.services.council import end_seat, give_seat
from consent.services.decisions import (
    Pair,
    acknowledge_notice,
    decline_consent,
    give_consent,
    withdraw_consent,
    withdraw_everything,
)
from consent.services.denial import deny_everything
from consent.services.departures import record_departure, record_return, settle_departures
from consent.services.doubts import doubt_fact, settle_doubt
from consent.services.due_proposals import apply_due_proposals
from consent.services.gates import close_gate, reopen_gate
from consent.services.kill_switch import (
    NEEDED_TO_RELEASE,
    pull_kill_switch,
    release_kill_switch,
)
from consent.services.locks import no_change_meanwhile
from consent.services.overrides import grant_override, revoke_override
from consent.services.pauses import pause_capture, pause_from_machine, resume_capture
from consent.services.policies import Lease, issue_policies, issue_policy
from consent.services.proposals import (
    propose,
    revert_proposal,
    withdraw_proposal,
)
from consent.services.publishing import publish_notice, publish_purpose
from consent.services.purposes import change_purpose, reopen_purpose, retire_purpose
from consent.services.rehearsal import impact_of
from consent.services.rules import adopt_first_rules, adopt_rules, follow_rules
from consent.services.settings import set_working_hours
from consent.services.shares import end_share, share_explanation
from consent.services.strikes import forget_last, strike_capture
from consent.services.subjects import end_fact, record_fact, record_subject
from consent.services.votes import vote
from consent.services.waivers import waive_notice, withdraw_notice_waiver
from consent.services.wayback import WayBack, way_back

__all__ = [
    "NEEDED_TO_RELEASE",
    "Lease",
    "Pair",
    "WayBack",
    "acknowledge_notice",
    "acknowledge_policy",
    "adopt_first_rules",
    "adopt_rules",
    "allow_in_purpose",
    "apply_due_proposals",
    "change_agent_key",
    "change_app",
    "change_purpose",
    "close_gate",
    "decline_consent",
    "deny_everything",
    "disallow_in_purpose",
    "doubt_fact",
    "end_fact",
    "end_seat",
    "end_share",
    "enrol_agent",
    "follow_conflicts",
    "follow_rules",
    "forget_last",
    "give_consent",
    "give_seat",
    "grant_override",
    "impact_of",
    "issue_policies",
    "issue_policy",
    "leaves_protection",
    "list_app",
    "no_change_meanwhile",
    "pause_capture",
    "pause_from_machine",
    "place_in_cohort",
    "place_turned",
    "policy_again",
    "propose",
    "publish_notice",
    "publish_purpose",
    "pull_kill_switch",
    "quarantine_agent",
    "record_agreement",
    "record_departure",
    "record_fact",
    "record_return",
    "record_subject",
    "refresh_cohorts",
    "refresh_once",
    "refresh_turned",
    "release_kill_switch",
    "reopen_gate",
    "reopen_purpose",
    "report_app",
    "resume_capture",
    "retire_purpose",
    "revert_proposal",
    "revoke_agent",
    "revoke_override",
    "set_working_hours",
    "settle_departures",
    "settle_doubt",
    "share_explanation",
    "strike_capture",
    "unblock_app",
    "vote",
    "waive_notice",
    "way_back",
    "withdraw_consent",
    "withdraw_everything",
    "withdraw_notice_waiver",
    "withdraw_proposal",
]
