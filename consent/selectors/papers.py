"""Which papers stand behind each reason of an answer, and which stood for the recording."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from consent.models import Agent, ConsentEvent, Subject
from consent.policy.bounds import AnySignal
from consent.policy.clocks import days_at
from consent.policy.reasons import Reason, ReasonCode
from consent.policy.rulebook import Rulebook
from consent.policy.types import CONTENT_SIGNALS, ConsentState
from consent.selectors import grounds
from consent.selectors.corefacts import counterparties_of
from consent.selectors.documents import clocked_by
from consent.selectors.grounds import Ground
from consent.selectors.shared import COUNSEL_GATE


@dataclass(frozen=True, kw_only=True)
class Case:
    """One answer: who, for which purpose, what and when, and what the records of then say."""

    subject: Subject | None
    """Whose answer it is; None where the shared half answers alone."""
    agent: Agent | None
    purpose: str
    app: str
    signal: AnySignal
    at: datetime
    shared: Mapping[str, Any]
    rules: Rulebook
    event: ConsentEvent | None

    @property
    def days(self) -> tuple[date, ...]:
        """The days that it was then in the places that count; in content, in those of others."""
        return days_at(clocked_by(self.shared, self._others), self.at)

    @property
    def terms(self) -> Mapping[str, Any]:
        """The purpose in the cohort's document; empty where it was not published then."""
        found: Mapping[str, Any] = self.shared.get("purposes", {}).get(self.purpose, {})
        return found

    @property
    def lineage(self) -> list[str]:
        """The places that apply and those above them; in content, those of others as well."""
        codes = [*self.shared.get("jurisdictions", ()), *sorted(self._others)]
        found = [row.code for code in codes for row in self.rules.lineage(code)]
        return list(dict.fromkeys([*codes, *found]))

    @property
    def _others(self) -> frozenset[str]:
        """The places of others whose words the app shows, where they count."""
        app = self.shared.get("apps", {}).get(self.app)
        counts = app and self.signal in CONTENT_SIGNALS
        return (counterparties_of(app) or frozenset()) if counts else frozenset()


def papers_of(case: Case, reason: Reason) -> Iterable[Ground]:
    """Return what is recorded about a reason: the decision, a lapsed document, the switch."""
    params: dict[str, Any] = dict(reason.params)
    version = case.terms.get("notice_version") or 0
    match reason.code:
        case (
            ReasonCode.NO_CONSENT
            | ReasonCode.SIGNAL_NOT_CONSENTED
            | ReasonCode.CONSENT_NOT_YET_GIVEN
            | ReasonCode.CONSENT_EXPIRED
        ):
            return grounds.consent(case.event)
        case ReasonCode.LISTED_ANEW_RECONSENT:
            return [
                *grounds.consent(case.event),
                *grounds.listing(case.purpose, case.app, case.at, case.signal),
            ]
        case ReasonCode.NOTICE_CHANGED_RECONSENT:
            return [*grounds.consent(case.event), *grounds.notice(case.purpose, version)]
        case ReasonCode.NOTICE_PERIOD_RUNNING:
            return [*grounds.notice(case.purpose, version), *_waiver(case, version)]
        case ReasonCode.ACKNOWLEDGEMENT_MISSING:
            return grounds.notice(case.purpose, version)
        case ReasonCode.GATES_OPEN:
            return _documents(case, params["gates"])
        case ReasonCode.COUNSEL_SIGNOFF_MISSING:
            return _documents(case, (COUNSEL_GATE,))
        case ReasonCode.SIGNAL_RESTRICTED_NO_OVERRIDE:
            return grounds.exceptions(
                case.purpose, case.signal.value, case.lineage, case.at, case.days
            )
        case ReasonCode.AGREEMENT_DOES_NOT_COVER:
            return grounds.agreements(_agreement(case, params["agreement"]), case.days)
        case ReasonCode.OUTSIDE_WORK_HOURS:
            bound = [item for item in case.terms.get("agreements", ()) if "hours" in item]
            return grounds.agreements(bound, case.days)
        case ReasonCode.APP_NOT_ALLOWLISTED:
            return grounds.listing(case.purpose, case.app, case.at)
        case ReasonCode.SIGNAL_NOT_LISTED:
            return grounds.listing(case.purpose, case.app, case.at, case.signal)
        case ReasonCode.PERSON_DEPARTED:
            return grounds.departures(case.subject, case.at) if case.subject else ()
        case ReasonCode.PAUSED:
            return grounds.pauses(case.subject, case.at) if case.subject else ()
        case ReasonCode.KILL_SWITCH:
            return grounds.switches(case.purpose, case.at)
        case ReasonCode.AGENT_NOT_ACTIVE:
            return grounds.machine(case.agent)
        case _:
            return ()


def _waiver(case: Case, version: int) -> Iterable[Ground]:
    """Return what the person said about a shorter notice; nothing where others ask."""
    return grounds.waiver(case.subject, case.purpose, version, case.at) if case.subject else ()


def _documents(case: Case, gates: Iterable[str]) -> list[Ground]:
    """Return every document for these gates, counting or not, and those taken back."""
    wanted = set(gates)
    items = [item for item in _evidence(case) if item["gate"] in wanted]
    back = grounds.taken_back(case.purpose, wanted, case.lineage, case.at)
    return [*grounds.evidence(case.purpose, items, case.at, case.days), *back]


def _evidence(case: Case) -> list[Mapping[str, Any]]:
    """Return the evidence for the places that count here: the document holds more than that."""
    places = set(case.lineage)
    return [item for item in case.terms.get("gates", ()) if item["jurisdiction"] in places]


def _agreement(case: Case, code: str) -> list[Mapping[str, Any]]:
    found = (*_agreements(case), *_agreements(case, "silent_"))
    return [item for item in found if item["code"] == code]


def _agreements(case: Case, which: str = "") -> list[Mapping[str, Any]]:
    """Return the agreements that count here: in content, those of others whose words are seen.

    `silent_`: those that name other purposes only.
    """
    found = list(case.terms.get(f"{which}agreements", ()))
    if case.signal in CONTENT_SIGNALS:
        named = case.shared.get("apps", {}).get(case.app, {}).get("agreements_of_others", ())
        others = case.terms.get(f"{which}agreements_of_others", ())
        known = {item["code"] for item in found}
        found += [item for item in others if item["code"] in named and item["code"] not in known]
    return found


def stands(case: Case) -> Iterator[Ground]:
    """Yield what stood for the person's recording that day, whether or not it was enough."""
    days, terms = case.days, case.terms
    if not terms:
        return
    if case.event and case.event.state == ConsentState.GIVEN:
        yield from grounds.consent(case.event)
    if version := terms["notice_version"]:
        yield from grounds.notice(case.purpose, version)
        if case.subject:
            yield from grounds.acknowledgement(case.subject, case.purpose, version)
        said = _waiver(case, version)
        yield from (one for one in said if one.counts is grounds.Counts.YES)
    asked = {
        gate for code in case.lineage if code in case.rules.rows for gate in _gates(case, code)
    }
    papers: list[Ground] = [
        *grounds.evidence(
            case.purpose, [i for i in _evidence(case) if i["gate"] in asked], case.at, days
        ),
        *grounds.agreements(_agreements(case), days),
        *grounds.exceptions(case.purpose, case.signal.value, case.lineage, case.at, days),
    ]
    yield from (paper for paper in papers if paper.counts is grounds.Counts.YES)


def _gates(case: Case, code: str) -> frozenset[str]:
    """Return the gates a place asks for; none where it has no rules."""
    if (row := case.rules.rows.get(code)) is None:
        return frozenset()
    return row.own.gates | {COUNSEL_GATE} if row.own.needs_counsel else row.own.gates
