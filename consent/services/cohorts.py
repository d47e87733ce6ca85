"""What people share: cohorts, and the revisions of their common half of every policy.

A rule change touches cohorts, not people: it writes one new revision per cohort it alters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.db import IntegrityError, transaction

from audit.ledger import Actor
from consent import selectors
from consent.digests import digest
from consent.models import Cohort, CohortPolicy, Subject
from consent.services.personal import bump_personal_revision

_asked: ContextVar[list[datetime] | None] = ContextVar("_asked", default=None)
"""Refreshes put off to the end of a `refresh_once` block; None outside of one."""


def place_in_cohort(subject: Subject, *, at: datetime, actor: Actor) -> Cohort:
    """Put the subject into the one cohort that their facts at `at` call for; return it."""
    facts = selectors.cohort_facts(subject, at=at)
    cohort = _cohort_for(facts)
    if subject.cohort_id != cohort.pk:
        subject.cohort = cohort
        subject.save(update_fields=["cohort"])
        bump_personal_revision(subject)
    if not cohort.policies.exists():
        _write_revision(cohort, at=at)
    return cohort


@transaction.atomic
def refresh_cohorts(*, at: datetime) -> int:
    """Write a new revision for every cohort whose shared half changed; return how many did.

    Called inside the transaction of whatever changed: a notice, a gate, an agreement, an app.
    Within `refresh_once` it is put off, and 0 is returned.
    """
    if (asked := _asked.get()) is not None:
        asked.append(at)
        return 0
    return sum(_write_revision(cohort, at=at) for cohort in Cohort.objects.order_by("pk"))


@contextmanager
def refresh_once() -> Iterator[None]:
    """Let the changes of this block refresh the cohorts once, at its end; all in one transaction.

    An error in the block undoes all of it, so that no change stands without its refresh.
    """
    if _asked.get() is not None:
        yield
        return
    with transaction.atomic():
        asked: list[datetime] = []
        token = _asked.set(asked)
        try:
            yield
        finally:
            _asked.reset(token)
        if asked:
            refresh_cohorts(at=max(asked))


def _cohort_for(facts: dict[str, list[str]]) -> Cohort:
    key = digest(facts)
    if standing := Cohort.objects.filter(digest=key).first():
        return standing
    try:
        with transaction.atomic():
            return Cohort.objects.create(digest=key, facts=facts)
    except IntegrityError:  # another transaction met the same facts first
        return Cohort.objects.get(digest=key)


def _write_revision(cohort: Cohort, *, at: datetime) -> bool:
    # The row lock makes revisions of one cohort rise without a gap under concurrency.
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    document = selectors.cohort_document(cohort, at=at)
    sha256 = digest(document)
    newest = cohort.policies.order_by("-revision").first()
    if newest and newest.sha256 == sha256:
        return False
    CohortPolicy.objects.create(
        cohort=cohort,
        revision=newest.revision + 1 if newest else 1,
        document=document,
        sha256=sha256,
    )
    return True
