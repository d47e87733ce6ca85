"""Whether what was recorded lay within working hours: by the policy of then, and what changed."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from consent.models import CohortMembership, CohortPolicy, IssuedPolicy, Subject
from consent.policy.clocks import days_at
from consent.policy.hours import Schedule, always_on
from consent.selectors.shared import schedules_of

Terms = Mapping[str, Any]
"""The places and purposes of a cohort's document; the rest of it is large, and not needed."""
_NO_TERMS: Final[Terms] = {"jurisdictions": [], "purposes": {}}
_TERMS: Final = ("document__jurisdictions", "document__purposes")


def within_hours(
    subject: Subject, policy: IssuedPolicy, purpose: str, since: datetime, until: datetime
) -> bool:
    """Say whether all of an interval lay within the hours that held while it lasted.

    Those of the policy hold for all of it, and those set since then for what came after them: a
    machine that had not heard of them yet is no excuse, and no incident either.
    """
    if policy.cohort_policy_id is None:
        return True  # without a shared half the policy allows nothing, which others say
    policies = CohortPolicy.objects.order_by("pk")
    made_by = _terms(*policies.values_list(*_TERMS).get(pk=policy.cohort_policy_id))
    spans = [(since, until, made_by)]
    changes = _changes_after(subject, policy, until)
    for (begun, terms), (end, _) in pairwise([*changes, (until, _NO_TERMS)]):
        spans.append((max(since, begun), min(until, end), terms))
    return all(
        _inside(terms, purpose, start, end)
        for start, end, terms in spans
        if start < end or since == until
    )


def _changes_after(
    subject: Subject, policy: IssuedPolicy, until: datetime
) -> list[tuple[datetime, Terms]]:
    """Return what people of the subject's cohort share since the policy, each with from when on.

    Who has moved to another cohort since comes under what stands there from the move on.
    """
    revisions = CohortPolicy.objects.filter(cohort=subject.cohort_id, since__lt=until)
    if policy.cohort_policy and policy.cohort_policy.cohort_id == subject.cohort_id:
        later = revisions.filter(pk__gt=policy.cohort_policy_id).order_by("pk")
        rows = later.values_list("since", *_TERMS)
        return [(since, _terms(*terms)) for since, *terms in rows]
    moves = CohortMembership.objects.filter(subject=subject, since__lt=until).order_by("-pk")
    moved = moves.values_list("since", flat=True).first()
    newest = revisions.order_by("-pk").values_list("since", *_TERMS).first()
    return [(max(moved, newest[0]), _terms(*newest[1:]))] if moved and newest else []


def _terms(jurisdictions: list[str], purposes: Mapping[str, Any]) -> Terms:
    return {"jurisdictions": jurisdictions, "purposes": purposes}


def _inside(terms: Terms, purpose: str, since: datetime, until: datetime) -> bool:
    if purpose not in terms["purposes"] or since > until:
        return True
    days = days_at(terms["jurisdictions"], since)
    bound = (schedules_of(terms["purposes"][purpose], day) for day in days)
    return always_on(frozenset[Schedule]().union(*bound), since, until)
