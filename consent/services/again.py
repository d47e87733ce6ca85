"""The policy in force, said again: documents are kept nowhere, and nothing is issued for asking.

Who has lost the document, or never got it, gets the very same one: made anew from what it followed
from, which has not changed since. Its digest, stored when it was issued, says whether it is that.
"""

import hashlib
from datetime import UTC, datetime

from consent import selectors
from consent.digests import assembled
from consent.models import Agent, IssuedPolicy, PersonalPolicy
from consent.services.policies import Lease, policy_document


def policy_again(*, agent: Agent, at: datetime, since: datetime) -> Lease | None:
    """Return the agent's newest policy if it stands, in the first half of its lease; else None.

    `since`: what was issued earlier is not said again, as the key that would sign it is younger.

    To be called in a transaction: until that ends, nobody issues this person's machines another.
    None, too, where the document cannot be made anew to the last byte; another is then to be
    issued.
    """
    # As issuing does, and before anything is read: what commits meanwhile comes wholly after.
    half = PersonalPolicy.objects.select_for_update().get(subject_id=agent.subject_id)
    policies = agent.policies.select_related("agent__subject").order_by("-version")
    policy = policies.first()
    if policy is None or policy.issued_at < since or not _is_fresh(policy, at):
        return None
    if policy.personal_revision != half.revision:
        return None
    state = selectors.Half(half.revision, half.changed_at)
    (standing,) = selectors.standings_for(
        [policy.agent.subject],
        at=_decided_at(policy),
        agents=[policy.agent],
        recorded=selectors.recorded_under({half.subject_id: state}),
    )
    terms = selectors.terms_for(standing, at=_decided_at(policy))
    shared = terms.cohort_policy
    if policy.cohort_policy_id != (shared.pk if shared else None):
        return None
    if policy.switches != list(terms.switches):
        return None
    policy.cohort_policy = shared
    payload = _said_again(policy, terms)
    return Lease(policy, payload) if payload is not None else None


def _is_fresh(policy: IssuedPolicy, at: datetime) -> bool:
    """Say whether it is answered for at an instant: as its entity tag has it, in whole seconds."""
    half = policy.issued_at + (policy.lease_until - policy.issued_at) / 2
    return policy.issued_at <= at and at.timestamp() < int(half.timestamp())


def _decided_at(policy: IssuedPolicy) -> datetime:
    """Return the instant for which it was decided: its version, where that follows the clock."""
    instant = datetime.fromtimestamp(policy.version / 1000, UTC)
    return instant if instant.replace(microsecond=0) == policy.issued_at else policy.issued_at


def _said_again(policy: IssuedPolicy, terms: selectors.Terms) -> bytes | None:
    subject = policy.agent.subject_id
    payload = assembled(
        policy_document(
            policy.agent,
            terms,
            version=policy.version,
            at=policy.issued_at,
            lease_until=policy.lease_until,
            strikes=selectors.strikes_to_apply([subject], at=policy.issued_at)[subject],
        )
    )
    return payload if hashlib.sha256(payload).hexdigest() == policy.sha256 else None
