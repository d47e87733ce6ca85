"""What people share: cohorts, and the revisions of their common half of every policy.

A rule change touches cohorts, not people: it writes one new revision per cohort it alters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from consent import hooks, rules, selectors
from consent.digests import digest
from consent.models import Cohort, CohortMembership, CohortPolicy, Subject
from consent.services.locks import no_change_meanwhile, one_change_at_a_time
from consent.services.personal import bump_personal_revision

_asked: ContextVar[list[datetime] | None] = ContextVar("_asked", default=None)
"""Refreshes put off to the end of a `refresh_once` block; None outside of one."""


def place_in_cohort(subject: Subject, *, at: datetime, since: datetime | None = None) -> Cohort:
    """Put the subject into the one cohort that their facts at `at` call for; return it.

    Called in the transaction of whatever changed the facts. The move counts from `since`, by
    default `at`. Who already was in a cohort came under other rules: the hooks hear of it.
    """
    cohort = _cohort_for(selectors.cohort_facts(subject, at=at))
    left = subject.cohort_id
    subject.cohort = cohort
    subject.turns_on = selectors.next_turn(subject, at=at)
    subject.save(update_fields=["cohort", "turns_on"])
    if left == cohort.pk:
        return cohort
    if cohort.policies.exists():
        no_change_meanwhile()
    else:
        one_change_at_a_time()
        _write_revision(cohort, selectors.published(), at=at)
    CohortMembership.objects.create(subject=subject, cohort=cohort, since=since or at)
    bump_personal_revision(subject)
    policy = selectors.current_cohort_policy(cohort)
    if left and policy:
        hooks.person_moved(subject, policy)
        transaction.on_commit(hooks.work_owed)
    return cohort


@transaction.atomic
def place_if_turned(subject: Subject, *, at: datetime) -> bool:
    """Move the subject for each day that has come on which a fact begins or ends.

    Day by day, so that the moves are on record as they were, and what is held takes the
    strictest of all the rules it came under. Returns whether a day had come.
    """
    if not Subject.objects.filter(pk=subject.pk, turns_on__lte=at.date()).exists():
        return False
    _lock_for_move(subject, at=at)
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    while locked.turns_on and locked.turns_on <= at.date():
        day = selectors.midnight(locked.turns_on)
        place_in_cohort(locked, at=day, since=day)
    return True


def _lock_for_move(subject: Subject, *, at: datetime) -> None:
    """Lock what is shared before the subject's row: for oneself if a cohort is to be made."""
    key = digest(selectors.cohort_facts(subject, at=at))
    if Cohort.objects.filter(digest=key, policies__isnull=False).exists():
        no_change_meanwhile()
    else:
        one_change_at_a_time()


def place_turned(*, at: datetime, limit: int = 100) -> int:
    """Move those whose facts turned by `at`, at most `limit`; return how many were looked at."""
    turned = Subject.objects.filter(turns_on__lte=at.date()).order_by("turns_on", "pk")
    return sum(place_if_turned(subject, at=at) for subject in turned[:limit])


def refresh_cohorts(*, at: datetime) -> int:
    """Write a new revision for every cohort whose shared half changed; return how many did.

    Called inside the transaction of whatever changed: a notice, a gate, an agreement, an app.
    Within `refresh_once` it is put off, and 0 is returned.
    """
    if (asked := _asked.get()) is not None:
        asked.append(at)
        return 0
    return _refresh(Cohort.objects.all(), at=at)


def refresh_turned(*, at: datetime) -> int:
    """Look anew at the cohorts for which something shared began or ended by `at`.

    Returns how many got a new revision: those where something may be kept less long from now on.
    What else turns by date needs none, since every reader looks at the day.
    """
    turned = Cohort.objects.filter(turns_on__lte=at.date())
    return _refresh(turned, at=at) if turned.exists() else 0


@transaction.atomic
def _refresh(cohorts: QuerySet[Cohort], *, at: datetime) -> int:
    one_change_at_a_time()
    shared = selectors.published()
    return sum(_write_revision(cohort, shared, at=at) for cohort in cohorts.order_by("pk"))


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


def _write_revision(cohort: Cohort, shared: selectors.Published, *, at: datetime) -> bool:
    """Write what changed, one revision for each day that turned meanwhile; say whether any was."""
    # The row lock makes revisions of one cohort rise without a gap under concurrency.
    cohort = Cohort.objects.select_for_update(no_key=True).get(pk=cohort.pk)
    wrote = False
    while cohort.turns_on and cohort.turns_on <= at.date():
        wrote |= _write_as_of(cohort, shared, at=selectors.midnight(cohort.turns_on))
    return _write_as_of(cohort, shared, at=at) or wrote


def _write_as_of(cohort: Cohort, shared: selectors.Published, *, at: datetime) -> bool:
    document = selectors.cohort_document(cohort, at=at, shared=shared)
    cohort.turns_on = selectors.next_shared_turn(document, shared.rules, at=at)
    cohort.rulebook = selectors.made_with(shared.rules)
    cohort.save(update_fields=["turns_on", "rulebook"])
    sha256 = digest(document)
    newest = selectors.current_cohort_policy(cohort)
    if newest and newest.sha256 == sha256:
        return False
    rules.record(shared.rules)
    policy = CohortPolicy.objects.create(
        cohort=cohort,
        revision=newest.revision + 1 if newest else 1,
        document=document,
        sha256=sha256,
        since=at,
    )
    hooks.policy_changing(cohort=cohort.pk)
    if newest and selectors.is_shortened(newest.document, document):
        hooks.terms_shortened(policy)
        transaction.on_commit(hooks.work_owed)
    return True
