"""Whether what was recorded lay within working hours: by the policy of then, and what changed."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from consent.models import CohortMembership, CohortPolicy, IssuedPolicy, Subject
from consent.policy.hours import always_on
from consent.selectors.shared import schedules_of

Terms = Mapping[str, Any]
"""The purposes of a cohort's document; the rest of it is large, and not needed."""


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
    made_by: Terms = policies.values_list("document__purposes", flat=True).get(
        pk=policy.cohort_policy_id
    )
    spans = [(since, until, made_by)]
    changes = _changes_after(subject, policy, until)
    for (begun, terms), (end, _) in pairwise([*changes, (until, {})]):
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
        rows = later.values_list("since", "document__purposes")
        return [(since, terms) for since, terms in rows]
    moves = CohortMembership.objects.filter(subject=subject, since__lt=until).order_by("-pk")
    moved = moves.values_list("since", flat=True).first()
    newest = revisions.order_by("-pk").values_list("since", "document__purposes").first()
    return [(max(moved, newest[0]), newest[1])] if moved and newest else []


def _inside(terms: Terms, purpose: str, since: datetime, until: datetime) -> bool:
    if purpose not in terms or since > until:
        return True
    return always_on(schedules_of(terms[purpose], since.date()), since, until)
