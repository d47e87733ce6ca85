"""The records at the centre: subjects, purposes, apps, consent events, agents, policies."""

from consent.models.agents import Agent, IssuedPolicy, PolicyAcknowledgement
from consent.models.apps import AllowlistEntry, App, AppMatcher, AppReport
from consent.models.bounds import (
    AdoptedRule,
    Agreement,
    GateEvidence,
    GateReopening,
    OverrideRevocation,
    RecordedRulebook,
    Setting,
    SignalOverride,
)
from consent.models.cohorts import (
    Cohort,
    CohortMembership,
    CohortPolicy,
    PersonalPolicy,
    RecordedRegistry,
)
from consent.models.conflicts import RetentionConflict
from consent.models.events import (
    Acknowledgement,
    ConsentEvent,
    ConsentScope,
    NoticeWaiver,
    Pause,
    ToldPause,
)
from consent.models.lookups import Among, Keys
from consent.models.prepared import Prepared
from consent.models.proposals import (
    CouncilSeat,
    KillRelease,
    KillSwitch,
    Proposal,
    ProposalVote,
)
from consent.models.purposes import Notice, NoticeText, Purpose
from consent.models.shares import ExplanationShare
from consent.models.strikes import Strike
from consent.models.subjects import Departure, FactDoubt, Subject, SubjectFact

__all__ = [
    "Acknowledgement",
    "AdoptedRule",
    "Agent",
    "Agreement",
    "AllowlistEntry",
    "Among",
    "App",
    "AppMatcher",
    "AppReport",
    "Cohort",
    "CohortMembership",
    "CohortPolicy",
    "ConsentEvent",
    "ConsentScope",
    "CouncilSeat",
    "Departure",
    "ExplanationShare",
    "FactDoubt",
    "GateEvidence",
    "GateReopening",
    "IssuedPolicy",
    "Keys",
    "KillRelease",
    "KillSwitch",
    "Notice",
    "NoticeText",
    "NoticeWaiver",
    "OverrideRevocation",
    "Pause",
    "PersonalPolicy",
    "PolicyAcknowledgement",
    "Prepared",
    "Proposal",
    "ProposalVote",
    "Purpose",
    "RecordedRegistry",
    "RecordedRulebook",
    "RetentionConflict",
    "Setting",
    "SignalOverride",
    "Strike",
    "Subject",
    "SubjectFact",
    "ToldPause",
]
