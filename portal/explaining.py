"""Explaining a decision to somebody else than the person: recorded before it is shown.

What is the person's own matter is said in one word. Refused, taken back, paused, never asked and
without a machine look alike to everyone but themselves (DESIGN invariant 18).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import transaction

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Subject
from consent.policy.bounds import AnySignal
from consent.policy.reasons import Reason, ReasonCode
from consent.policy.reasons import explain as explain_reason
from consent.policy.rulebook import Rulebook
from consent.selectors.explain import Answer, Explanation, Step, explain
from consent.selectors.grounds import Ground, Kind

THEIR_OWN: Final = frozenset(
    {
        ReasonCode.PAUSED,
        ReasonCode.AGENT_NOT_ACTIVE,
        ReasonCode.NO_CONSENT,
        ReasonCode.SIGNAL_NOT_CONSENTED,
        ReasonCode.LISTED_ANEW_RECONSENT,
        ReasonCode.CONSENT_NOT_YET_GIVEN,
        ReasonCode.CONSENT_EXPIRED,
        ReasonCode.NOTICE_CHANGED_RECONSENT,
        ReasonCode.ACKNOWLEDGEMENT_MISSING,
    }
)
"""Reasons that tell what a person did or left undone."""

THEIR_PAPERS: Final = frozenset({Kind.CONSENT, Kind.ACKNOWLEDGEMENT, Kind.PAUSE, Kind.AGENT})
IN_ONE_WORD: Final = Reason(ReasonCode.NO_CONSENT)


def explain_to_others(
    *,
    subject: Subject,
    app: str,
    signal: AnySignal,
    at: datetime,
    actor: Actor,
    channel: str,
    purpose: str | None = None,
) -> Explanation:
    """Return the explanation; where the read cannot be recorded, nothing is said.

    Raises NotKnownHere for an app or a purpose that the portal never heard of.
    """
    with transaction.atomic():
        found = explain(subject, purpose=purpose, app=app, signal=signal, at=at)
        ledger.append(events.DecisionExplained(channel=channel), actor=actor, subject=subject.ref)
    return for_others(found)


def for_others(explanation: Explanation) -> Explanation:
    """Return what may be said to somebody else: the decision, and the reasons that are not theirs.

    Which machines held a policy is left out: that tells who is enrolled.
    """
    answers = tuple(_in_one_word(answer, explanation.rulebook) for answer in explanation.answers)
    return replace(explanation, answers=answers, policies=())


def _in_one_word(answer: Answer, rulebook: Rulebook) -> Answer:
    reasons = answer.decision.reasons
    others = tuple(reason for reason in reasons if reason.code not in THEIR_OWN)
    steps = [
        replace(step, grounds=tuple(_not_theirs(step.grounds)))
        for step, reason in zip(answer.steps, reasons, strict=True)
        if reason.code not in THEIR_OWN
    ]
    if len(others) < len(reasons):
        others = (*others, IN_ONE_WORD)
        steps.append(Step(explain_reason(IN_ONE_WORD, rulebook)))
    return replace(
        answer,
        decision=replace(answer.decision, reasons=others),
        steps=tuple(steps),
        stands=tuple(_not_theirs(answer.stands)),
    )


def _not_theirs(grounds: Iterable[Ground]) -> Iterable[Ground]:
    return (ground for ground in grounds if ground.kind not in THEIR_PAPERS)
