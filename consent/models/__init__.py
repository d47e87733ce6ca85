"""The records at the centre: subjects, purposes, apps, consent events, agents, policies."""

from consent.models.agents import Agent, IssuedPolicy, PolicyAcknowledgement
from consent.models.apps import AllowlistEntry, App, AppMatcher
from consent.models.bounds import Agreement, GateEvidence, Proposal
from consent.models.cohorts import Cohort, CohortPolicy, PersonalPolicy
from consent.models.events import Acknowledgement, ConsentEvent, ConsentScope, Pause
from consent.models.purposes import Notice, NoticeText, Purpose
from consent.models.subjects import Subject, SubjectFact

__all__ = [
    "Acknowledgement",
    "Agent",
    "Agreement",
    "AllowlistEntry",
    "App",
    "AppMatcher",
    "Cohort",
    "CohortPolicy",
    "ConsentEvent",
    "ConsentScope",
    "GateEvidence",
    "IssuedPolicy",
    "Notice",
    "NoticeText",
    "Pause",
    "PersonalPolicy",
    "PolicyAcknowledgement",
    "Proposal",
    "Purpose",
    "Subject",
    "SubjectFact",
]
