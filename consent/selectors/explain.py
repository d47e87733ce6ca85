"""Why: the decision for a person, an app and a signal at an instant, with all that is behind it.

The answer is that of `verdicts_at`, never a second opinion; this adds the rule, its sources and
the papers to each reason. About an app that is never captured nothing is said but that.
Whoever is not the person gets `explain_shared`, which does not read what they did.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from consent import exceptions
from consent.models import Agent, App, IssuedPolicy, Purpose, Subject
from consent.policy.bounds import AnySignal
from consent.policy.describe import describe_bounds, plain
from consent.policy.evaluate import Decision
from consent.policy.reasons import ORDER, Reason, ReasonCode
from consent.policy.reasons import Explanation as RuleText
from consent.policy.reasons import explain as explain_reason
from consent.policy.rulebook import Law, Rulebook
from consent.policy.schema import EVIDENCE
from consent.policy.types import Signal
from consent.selectors import grounds
from consent.selectors.decisions import about
from consent.selectors.documents import is_legible
from consent.selectors.grounds import Ground
from consent.selectors.history import shared_verdicts_at, verdicts_at
from consent.selectors.papers import Case, papers_of, stands
from consent.selectors.verdicts import Verdicts

NEVER: Final = (ReasonCode.NEVER_CATEGORY.value,)
THEIR_OWN: Final = (
    "What the person answered, confirmed or paused, and which machines they have, is their own"
    " matter and is not part of this answer."
)
"""What is said of the person's half wherever it is left out: always the same."""
NOT_LISTED: Final = Reason(ReasonCode.APP_NOT_ALLOWLISTED)
"""What is not known to have been listed then is denied by default."""
NOTHING_YET: Final = (
    Reason(ReasonCode.UNKNOWN_JURISDICTION),
    NOT_LISTED,
    Reason(ReasonCode.NO_CONSENT, "unknown"),
)
"""Before the portal knew the person: no place, nothing published for them, and no answer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the file of one place says under the key a reason comes from."""

    jurisdiction: str
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One reason against: its words, its rule and sources, and the papers about it."""

    text: RuleText
    rules: tuple[Rule, ...] = ()
    grounds: tuple[Ground, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision for one purpose. No step against it is what permits."""

    purpose: str
    title: str
    decision: Decision
    steps: tuple[Step, ...]
    stands: tuple[Ground, ...] = ()
    """The papers that stood for it: consent, notice, evidence, agreements, exceptions."""


@dataclass(frozen=True, slots=True)
class PolicyThen:
    """The policy that a machine held at the instant, and whether it allowed this."""

    policy: IssuedPolicy
    allowed: bool


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything said about one person, app and signal at one instant."""

    app: str
    signal: AnySignal
    at: datetime
    answers: tuple[Answer, ...]
    places: tuple[str, ...]
    days: tuple[date, ...]
    """The days that it was then in the places that count, the earliest first: by them is judged
    what is dated, and what one of them denies is denied."""
    policies: tuple[PolicyThen, ...]
    rulebook: Rulebook
    reconstructed: bool
    """Part of this was recorded only after the instant, as in an import."""
    whole: bool
    """Whether the person's own half is in it; without it, what permits is only the shared half."""
    known: bool
    """Whether the registry has the app."""
    legible: bool = True
    """Whether what held then is written in a form that we read; else nothing is told of it, and
    the decision is no more than what follows from silence."""

    @property
    def permitted(self) -> bool:
        """Say whether any purpose may record it, as far as this speaks."""
        return any(answer.decision.permitted for answer in self.answers)

    def word(self, *, permitted: bool) -> str:
        """Return `allow`, `deny` or, where only the person's own half is left open, `theirs`."""
        if not permitted:
            return "deny"
        return "allow" if self.whole else "theirs"


def explain(
    subject: Subject,
    *,
    purpose: str | None,
    app: str,
    signal: AnySignal,
    at: datetime,
    agent: Agent | None = None,
) -> Explanation:
    """Return why the signal may or may not be recorded in the app at that instant.

    Without `purpose` every purpose answers. An app that the portal never heard of is denied, as is
    what it knows now but did not then. Raises NotKnownHere for a purpose that it never heard of.
    """
    registered = _known(app, purpose)
    verdicts = verdicts_at(subject, at=at, agent=agent)
    return _found(_Question(subject, agent, purpose, app, signal, at), registered, verdicts)


def explain_shared(
    subject: Subject, *, purpose: str | None, app: str, signal: AnySignal, at: datetime
) -> Explanation:
    """Return the half of the answer that holds for everybody who stands where the person stands.

    Law, evidence, agreements, switches and the app; what the person answered, confirmed or paused
    and which machines they have is not even read. Raises NotKnownHere as `explain` does.
    """
    registered = _known(app, purpose)
    verdicts = shared_verdicts_at(subject, at=at)
    return _found(_Question(None, None, purpose, app, signal, at), registered, verdicts)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked; about nobody in particular where the shared half answers alone."""

    subject: Subject | None
    agent: Agent | None
    purpose: str | None
    app: str
    signal: AnySignal
    at: datetime


def _known(app: str, purpose: str | None) -> App | None:
    if purpose is not None and not Purpose.objects.filter(code=purpose).exists():
        raise exceptions.NotKnownHere(f"No purpose '{purpose}' is known here.")
    return App.objects.filter(code=app).first()


def _found(asked: _Question, registered: App | None, verdicts: Verdicts) -> Explanation:
    decided = _decisions(verdicts, asked, known=registered is not None)
    closed = registered and (registered.never or registered.blocked_at is not None)
    unheard_of = closed and asked.app not in verdicts.shared.get("apps", {})
    if unheard_of or any(decision.codes == NEVER for decision in decided.values()):
        return _never(verdicts, asked)
    answers = (_answer(_case(asked, code, verdicts), said) for code, said in decided.items())
    return Explanation(
        app=asked.app,
        signal=asked.signal,
        at=asked.at,
        answers=tuple(answers),
        places=tuple(verdicts.shared.get("jurisdictions", ())),
        days=_case(asked, "", verdicts).days,
        policies=_policies(asked.subject, asked) if asked.subject else (),
        rulebook=verdicts.rulebook,
        reconstructed=verdicts.reconstructed,
        whole=asked.subject is not None,
        known=registered is not None,
        legible=is_legible(verdicts.cohort_policy),
    )


def _decisions(verdicts: Verdicts, asked: _Question, *, known: bool) -> dict[str, Decision]:
    """Return purpose -> its decision; what the verdicts do not speak of is denied by default."""
    told = about(verdicts, asked.app, asked.signal)
    found = {code: said for code, said in told.items() if asked.purpose in {None, code}}
    return found or {asked.purpose or "": _unspoken(verdicts, asked.signal, known=known)}


def _unspoken(verdicts: Verdicts, signal: AnySignal, *, known: bool) -> Decision:
    """Return the denial of what nothing was published about; what is never recorded says so."""
    reasons = list(NOTHING_YET if verdicts.cohort_policy is None else (NOT_LISTED,))
    if not known:
        reasons.append(Reason(ReasonCode.APP_CATEGORY_UNKNOWN))
    if not isinstance(signal, Signal):
        never = Reason(ReasonCode.SIGNAL_PROHIBITED, params=(("signal", signal.value),))
        reasons.append(never)
    reasons.sort(key=lambda reason: ORDER[reason.code])
    return Decision(tuple(reasons), None, verdicts.rulebook.version)


def _never(verdicts: Verdicts, asked: _Question) -> Explanation:
    """Say of an app that is never captured only that: not whose, what for, or what else stood."""
    reason = Reason(ReasonCode.NEVER_CATEGORY)
    decision = Decision((reason,), None, verdicts.rulebook.version)
    step = Step(explain_reason(reason, verdicts.rulebook))
    return Explanation(
        app=asked.app,
        signal=asked.signal,
        at=asked.at,
        answers=(Answer("", "", decision, (step,)),),
        places=(),
        days=(),
        policies=(),
        rulebook=verdicts.rulebook,
        reconstructed=False,
        whole=asked.subject is not None,
        known=True,
    )


def _case(asked: _Question, purpose: str, verdicts: Verdicts) -> Case:
    person = asked.subject
    return Case(
        subject=person,
        agent=asked.agent,
        purpose=purpose,
        app=asked.app,
        signal=asked.signal,
        at=asked.at,
        shared=verdicts.shared,
        rules=verdicts.rulebook,
        event=grounds.consent_then(person, purpose, asked.at) if person else None,
    )


def _answer(case: Case, decision: Decision) -> Answer:
    return Answer(
        purpose=case.purpose,
        title=case.terms.get("title", ""),
        decision=decision,
        steps=tuple(_step(case, reason) for reason in decision.reasons),
        stands=tuple(stands(case)),
    )


def _step(case: Case, reason: Reason) -> Step:
    text = explain_reason(reason, case.rules)
    return Step(text, tuple(_rules(case, text)), tuple(papers_of(case, reason)))


def _rules(case: Case, text: RuleText) -> Iterator[Rule]:
    """Yield what the file of each place behind the reason says under its key."""
    for code in text.jurisdictions if text.rule else ():
        if row := case.rules.rows.get(code):
            law = Law(row.own, (), prohibited=False)
            said = describe_bounds(law, row.own, case.rules)
            yield Rule(code, str(text.rule), said.get(str(text.rule)))


def _policies(subject: Subject, asked: _Question) -> tuple[PolicyThen, ...]:
    """Return the policy each machine held then, and whether it allowed this for the purpose.

    A lease that had ended allowed nothing, so it is left out.
    """
    found = IssuedPolicy.objects.filter(
        agent__subject=subject, issued_at__lte=asked.at, lease_until__gt=asked.at
    )
    if asked.agent is not None:
        found = found.filter(agent=asked.agent)
    newest = found.select_related("agent").order_by("agent_id", "-version").distinct("agent_id")
    return tuple(
        PolicyThen(one, _allowed(one, asked.purpose, asked.app, asked.signal)) for one in newest
    )


def _allowed(policy: IssuedPolicy, purpose: str | None, app: str, signal: AnySignal) -> bool:
    wanted = policy.allow.values() if purpose is None else [policy.allow.get(purpose, {})]
    return any(signal.value in apps.get(app, {}) for apps in wanted)


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation ready for JSON; whom it is about is left to who asked."""
    return {
        "app": explanation.app,
        "signal": explanation.signal.value,
        "at": explanation.at.isoformat(),
        "decision": explanation.word(permitted=explanation.permitted),
        "part": "whole" if explanation.whole else "shared",
        "answers": [_answer_json(answer, explanation) for answer in explanation.answers],
        "jurisdictions": list(explanation.places),
        "days": [day.isoformat() for day in explanation.days],
        "policies": [_policy_json(then) for then in explanation.policies],
        # Where no rules were in force nothing is named: the version would be that of today.
        "pack_version": explanation.rulebook.version if explanation.rulebook.digest else "",
        "pack_digest": explanation.rulebook.digest,
        "reconstructed": explanation.reconstructed,
        "legible": explanation.legible,
        "personal": "" if explanation.whole else THEIR_OWN,
        "disclaimer": "What stands about the law is not legal advice.",
    }


def _answer_json(answer: Answer, explanation: Explanation) -> dict[str, Any]:
    return {
        "purpose": answer.purpose,
        "title": answer.title,
        "decision": explanation.word(permitted=answer.decision.permitted),
        "reasons": list(answer.decision.codes),
        "explanations": [step_json(step) for step in answer.steps],
        "stands": [ground.as_json() for ground in answer.stands],
        "retention_days": answer.decision.retention_days,
    }


def step_json(step: Step) -> dict[str, Any]:
    """Return one reason as `decide` prints it, with its rules and papers beside it."""
    return {
        "code": step.text.code,
        "title": step.text.title,
        "rule": step.text.rule,
        "jurisdictions": list(step.text.jurisdictions),
        "rules": [
            {"jurisdiction": rule.jurisdiction, "key": rule.key, "value": plain(rule.value)}
            for rule in step.rules
        ],
        "citations": [
            {"jurisdiction": c.jurisdiction, "ref": c.ref, "v": EVIDENCE[c.evidence]}
            for c in step.text.citations
        ],
        "params": plain(step.text.params),
        "grounds": [ground.as_json() for ground in step.grounds],
    }


def _policy_json(then: PolicyThen) -> dict[str, Any]:
    return {
        "agent": str(then.policy.agent.ref),
        "version": then.policy.version,
        "issued_at": then.policy.issued_at.isoformat(),
        "lease_until": then.policy.lease_until.isoformat(),
        "sha256": then.policy.sha256,
        "allowed": then.allowed,
    }
