"""Why an answer is no: reason codes, their plain words, and which rule they come from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent.policy.rulebook import Rulebook
from consent.policy.schema import Citation


class ReasonCode(StrEnum):
    """Every reason there is, in the order in which an answer lists them."""

    NEVER_CATEGORY = "never_category"
    KILL_SWITCH = "kill_switch"
    PERSON_DEPARTED = "person_departed"
    PAUSED = "paused"
    AGENT_NOT_ACTIVE = "agent_not_active"
    UNKNOWN_JURISDICTION = "unknown_jurisdiction"
    JURISDICTION_PROHIBITED = "jurisdiction_prohibited"
    COUNSEL_SIGNOFF_MISSING = "counsel_signoff_missing"
    SIGNAL_PROHIBITED = "signal_prohibited"
    SIGNAL_RESTRICTED_NO_OVERRIDE = "signal_restricted_no_override"
    COUNTERPARTY_UNCONSENTED = "counterparty_unconsented"
    APP_NOT_ALLOWLISTED = "app_not_allowlisted"
    SIGNAL_NOT_LISTED = "signal_not_listed"
    APP_CATEGORY_UNKNOWN = "app_category_unknown"
    AGREEMENT_DOES_NOT_COVER = "agreement_does_not_cover"
    OUTSIDE_WORK_HOURS = "outside_work_hours"
    NO_CONSENT = "no_consent"
    SIGNAL_NOT_CONSENTED = "signal_not_consented"
    LISTED_ANEW_RECONSENT = "listed_anew_reconsent"
    CONSENT_NOT_YET_GIVEN = "consent_not_yet_given"
    CONSENT_EXPIRED = "consent_expired"
    NOTICE_CHANGED_RECONSENT = "notice_changed_reconsent"
    GATES_OPEN = "gates_open"
    NOTICE_PERIOD_RUNNING = "notice_period_running"
    ACKNOWLEDGEMENT_MISSING = "acknowledgement_missing"
    FACT_UNKNOWN = "fact_unknown"


ORDER: Final = {code: place for place, code in enumerate(ReasonCode)}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against capture: its code, what it is about, and what would help."""

    code: ReasonCode
    detail: str = ""
    jurisdictions: tuple[str, ...] = ()
    """The codes whose rule it is; empty where no rule of a place is behind it."""
    params: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        """Return the code as an answer lists it, such as `no_consent:refused`."""
        return f"{self.code}:{self.detail}" if self.detail else self.code.value


TITLES: Final[Mapping[str, str]] = {
    "never_category": "Apps of this kind are never captured.",
    "kill_switch": "All capture has been switched off.",
    "person_departed": "The person has left the organisation.",
    "paused": "Capture is paused.",
    "agent_not_active": "The capture agent is not active.",
    "unknown_jurisdiction": "The rules of a place that applies are not known, or out of date.",
    "jurisdiction_prohibited": "The rules of a place that applies permit no capture at all.",
    "counsel_signoff_missing": "Counsel has not yet signed off the rules of a place that applies.",
    "signal_prohibited": "This signal may not be recorded.",
    "signal_restricted_no_override": "This signal needs an approved exception, and there is none.",
    "counterparty_unconsented": (
        "The app can show what other people wrote, who have neither agreed nor been masked."
    ),
    "app_not_allowlisted": "This app is not among those that may be captured.",
    "signal_not_listed": "The purpose does not ask for this signal in this app.",
    "app_category_unknown": "Nobody has said yet what kind of app this is.",
    "agreement_does_not_cover": "An agreement, or the organisation's own setting, excludes this.",
    "outside_work_hours": "It is outside working hours.",
    "no_consent": "No consent stands.",
    "no_consent:unknown": "The person has not been asked.",
    "no_consent:requested": "The person has been asked and has not answered.",
    "no_consent:deferred": "The person said: not now.",
    "no_consent:refused": "The person said no.",
    "no_consent:withdrawn": "The person withdrew the consent.",
    "no_consent:revoked": "Somebody other than the person ended the consent.",
    "no_consent:expired": "The consent has expired.",
    "no_consent:invalidated": "The consent was found to be invalid.",
    "signal_not_consented": "The consent does not cover this signal in this app.",
    "listed_anew_reconsent": (
        "This was taken off the list after the person answered; now that it is back they are asked"
        " anew."
    ),
    "consent_not_yet_given": "The consent is dated later than this.",
    "consent_expired": "The consent is too old, or its age is not known; the person must be asked.",
    "notice_changed_reconsent": "The notice has changed since the person answered.",
    "gates_open": "Something that must be done first has not been done.",
    "notice_period_running": "The notice has not been given for long enough.",
    "acknowledgement_missing": "The person has not acknowledged the notice.",
    "fact_unknown": "A fact that the answer depends on is not known.",
}
"""Plain words for every code; the state of a consent has words of its own."""

RULE_KEYS: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.JURISDICTION_PROHIBITED: "default",
    ReasonCode.COUNSEL_SIGNOFF_MISSING: "confidence",
    ReasonCode.SIGNAL_PROHIBITED: "prohibited_signals",
    ReasonCode.SIGNAL_RESTRICTED_NO_OVERRIDE: "restricted_signals",
    ReasonCode.CONSENT_EXPIRED: "reconsent_months",
    ReasonCode.GATES_OPEN: "gates",
    ReasonCode.NOTICE_PERIOD_RUNNING: "notice_days",
    ReasonCode.ACKNOWLEDGEMENT_MISSING: "acknowledgement_required",
}
"""The key of a jurisdiction's file that a reason comes from."""


def title(reason: Reason) -> str:
    """Return the plain words for a reason."""
    return TITLES.get(str(reason), TITLES[reason.code])


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reason in full: what it means, which rule it is, and where that rule is written."""

    code: str
    title: str
    rule: str | None
    jurisdictions: tuple[str, ...]
    citations: tuple[Citation, ...]
    params: Mapping[str, object]


def explain(reason: Reason, rulebook: Rulebook) -> Explanation:
    """Return the explanation of one reason; no rule means the organisation or the person."""
    rule = RULE_KEYS.get(reason.code)
    rows = [rulebook.rows[code] for code in reason.jurisdictions if code in rulebook.rows]
    return Explanation(
        code=str(reason),
        title=title(reason),
        rule=rule,
        jurisdictions=reason.jurisdictions,
        citations=tuple(citation for row in rows for citation in row.citations) if rule else (),
        params=dict(reason.params),
    )
