"""Sayso's reference capture agent: records only what its signed policy allows.

As a library: `Agent(folder).poll()`, then `offer` events and `upload`.
"""

from sayso_agent.agent import Agent
from sayso_agent.errors import (
    AgentError,
    EnrolmentError,
    Exit,
    PolicyRefusedError,
    StandingError,
    StateError,
    UnexpectedAnswerError,
    UnreachableError,
    UsageError,
)
from sayso_agent.event import Event, Skipped, Typing
from sayso_agent.lease import Clock, Instant, Lease
from sayso_agent.matching import WindowFacts
from sayso_agent.policy import Policy
from sayso_agent.redact import redact
from sayso_agent.version import VERSION

__version__ = VERSION

__all__ = [
    "Agent",
    "AgentError",
    "Clock",
    "EnrolmentError",
    "Event",
    "Exit",
    "Instant",
    "Lease",
    "Policy",
    "PolicyRefusedError",
    "Skipped",
    "StandingError",
    "StateError",
    "Typing",
    "UnexpectedAnswerError",
    "UnreachableError",
    "UsageError",
    "WindowFacts",
    "redact",
]
