"""What changes something: one verb each, one transaction, one ledger entry."""

from consent.services.agents import acknowledge_policy, enrol_agent, revoke_agent
from consent.services.cohorts import place_in_cohort, refresh_cohorts, refresh_once
from consent.services.decisions import (
    Pair,
    acknowledge_notice,
    decline_consent,
    give_consent,
    withdraw_consent,
    withdraw_everything,
)
from consent.services.pauses import pause_capture, resume_capture
from consent.services.policies import Lease, issue_policy, policy_in_force
from consent.services.proposals import approve_proposal, propose, reject_proposal
from consent.services.publishing import (
    allow_in_purpose,
    close_gate,
    list_app,
    publish_notice,
    publish_purpose,
    record_agreement,
)
from consent.services.subjects import record_subject

__all__ = [
    "Lease",
    "Pair",
    "acknowledge_notice",
    "acknowledge_policy",
    "allow_in_purpose",
    "approve_proposal",
    "close_gate",
    "decline_consent",
    "enrol_agent",
    "give_consent",
    "issue_policy",
    "list_app",
    "pause_capture",
    "place_in_cohort",
    "policy_in_force",
    "propose",
    "publish_notice",
    "publish_purpose",
    "record_agreement",
    "record_subject",
    "refresh_cohorts",
    "refresh_once",
    "reject_proposal",
    "resume_capture",
    "revoke_agent",
    "withdraw_consent",
    "withdraw_everything",
]
