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
from consent.models import (
    Cohort,
    CohortMembership,
    CohortPolicy,
    RecordedRegistry,
    Subject,
)
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
    subject.turns_at = selectors.next_turn(subject, at=at)
    subject.save(update_fields=["cohort", "turns_at"])
    if left == cohort.pk:
        return cohort
    if cohort.policies.exists():
        no_change_meanwhile()
    else:
        one_change_at_a_time()
        _write_revisions(Cohort.objects.filter(pk=cohort.pk), selectors.published(), at=at)
    CohortMembership.objects.create(subject=subject, cohort=cohort, since=since or at)
    bump_personal_revision(subject)
    policy = selectors.current_cohort_policy(cohort)
    if left and policy:
        hooks.person_moved(subject, policy)
        transaction.on_commit(hooks.work_owed)
    return cohort


@transaction.atomic
def place_if_turned(subject: Subject, *, at: datetime, wait: bool = True) -> bool:
    """Move the subject for each instant that has come at which a fact begins or ends.

    One by one, so that the moves are on record as they were, and what is held takes the
    strictest of all the rules it came under. Returns whether one had come. Without `wait` nobody
    is moved while what is shared is being changed, and False is returned.
    """
    if not Subject.objects.filter(pk=subject.pk, turns_at__lte=at).exists():
        return False
    if not _lock_for_move(subject, at=at, wait=wait):
        return False
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    while (turn := locked.turns_at) and turn <= at:
        place_in_cohort(locked, at=turn, since=turn)
    return True


def _lock_for_move(subject: Subject, *, at: datetime, wait: bool) -> bool:
    """Lock what is shared before the subject's row: for oneself if a cohort is to be made."""
    keys = {digest(facts) for facts in _passed(subject, at=at)}
    ready = Cohort.objects.filter(digest__in=keys, policies__isnull=False).values("digest")
    if ready.distinct().count() == len(keys):
        return no_change_meanwhile(wait=wait)
    return one_change_at_a_time(wait=wait)


def _passed(subject: Subject, *, at: datetime) -> Iterator[dict[str, list[str]]]:
    """Yield what is called for at each instant that came meanwhile."""
    turn = subject.turns_at
    while turn and turn <= at:
        yield selectors.cohort_facts(subject, at=turn)
        turn = selectors.next_turn(subject, at=turn)


def place_turned(*, at: datetime, limit: int = 100) -> int:
    """Move those whose facts turned by `at`, at most `limit`; return how many were looked at."""
    turned = Subject.objects.filter(turns_at__lte=at).order_by("turns_at", "pk")
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
    turned = Cohort.objects.filter(turns_at__lte=at)
    return _refresh(turned, at=at) if turned.exists() else 0


@transaction.atomic
def _refresh(cohorts: QuerySet[Cohort], *, at: datetime) -> int:
    one_change_at_a_time()
    shared = selectors.published()
    return _write_revisions(cohorts, shared, at=at)


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


def _write_revisions(
    cohorts: QuerySet[Cohort], shared: selectors.Published, *, at: datetime
) -> int:
    """Write what changed for each cohort, one revision for each instant that came meanwhile.

    Returns for how many cohorts anything did. All rows are written together: how long a change
    takes must not depend on a round trip for each cohort.
    """
    # The row locks make revisions of one cohort rise without a gap under concurrency.
    locked = list(cohorts.select_for_update(no_key=True).order_by("pk"))
    newest = selectors.current_cohort_policies([cohort.pk for cohort in locked])
    written: list[CohortPolicy] = []
    shortened: list[CohortPolicy] = []
    turned: list[Cohort] = []
    for cohort in locked:
        stood = cohort.turns_at, cohort.rulebook
        for policy, is_shortened in _revisions(cohort, newest.get(cohort.pk), shared, at):
            written.append(policy)
            if is_shortened:
                shortened.append(policy)
        if stood != (cohort.turns_at, cohort.rulebook):
            turned.append(cohort)
    Cohort.objects.bulk_update(turned, ["turns_at", "rulebook"])
    if written:
        rules.record(shared.rules)
        _record_registry(shared)
        CohortPolicy.objects.bulk_create(written)
        hooks.policy_changing(cohorts={policy.cohort_id for policy in written})
    if shortened:
        hooks.terms_shortened(shortened)
        transaction.on_commit(hooks.work_owed)
    return len({policy.cohort_id for policy in written})


def _revisions(
    cohort: Cohort, newest: CohortPolicy | None, shared: selectors.Published, at: datetime
) -> Iterator[tuple[CohortPolicy, bool]]:
    """Yield what is to be written for a cohort, and whether anything may be kept less long by it.

    What stands with the cohort itself is set, not saved.
    """
    before = newest
    for instant in _instants(cohort, at):
        document = selectors.cohort_document(cohort, at=instant, shared=shared)
        cohort.turns_at = selectors.next_shared_turn(document, shared.rules, at=instant)
        cohort.rulebook = selectors.made_with(shared.rules)
        kept, sha256 = selectors.stored(document)
        if before and before.sha256 == sha256:
            continue
        policy = CohortPolicy(
            cohort=cohort,
            revision=before.revision + 1 if before else 1,
            document=kept,
            sha256=sha256,
            since=instant,
        )
        yield policy, before is not None and selectors.is_shortened(before.document, document)
        before = policy


def _instants(cohort: Cohort, at: datetime) -> Iterator[datetime]:
    """Yield each instant that came for a cohort meanwhile, then `at`; looks at it again."""
    while cohort.turns_at and cohort.turns_at <= at:
        yield cohort.turns_at
    yield at


def _record_registry(shared: selectors.Published) -> None:
    """Store what the revisions to come name by its digest; a repeat changes nothing."""
    if not RecordedRegistry.objects.filter(digest=shared.registry).exists():
        RecordedRegistry.objects.get_or_create(
            digest=shared.registry, defaults={"apps": shared.apps}
        )
