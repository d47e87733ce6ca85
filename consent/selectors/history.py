"""How it stood at a past instant, by the records: the same decision, from what counted then."""

from datetime import date, datetime

from django.db.models import Q
from django.utils import timezone

from consent.models import (
    Acknowledgement,
    Agent,
    Cohort,
    CohortMembership,
    CohortPolicy,
    Departure,
    Subject,
)
from consent.policy.facts import ACTIVE
from consent.selectors.answers import answers_of
from consent.selectors.arrivals import arrivals_in
from consent.selectors.cohorts import current_cohort_policy
from consent.selectors.decisions import Standing, decide, nobody_in, verdicts_for
from consent.selectors.documents import as_told_then
from consent.selectors.facts import cohort_of, next_turn
from consent.selectors.pauses import paused_between
from consent.selectors.stops import stops_at, stops_now
from consent.selectors.verdicts import Verdicts
from consent.selectors.waivers import waived_by


def verdicts_at(subject: Subject, *, at: datetime, agent: Agent | None = None) -> Verdicts:
    """Decide everything for this person as it stood at `at`; from now on, as it stands.

    What counts is what was recorded by then: the shared half in force, the decisions made, the
    pauses and switches, and the rules of that very day. What was imported later is pieced
    together from when it happened; then the answer says that it is `reconstructed`. Before the
    person was known nothing was allowed, and nothing comes back.
    """
    if at >= timezone.now():
        return verdicts_for(subject, at=at, agent=agent)
    policy, reconstructed = shared_then(subject, at)
    standing = Standing(
        arrived=_arrived(subject, policy, at),
        cohort_policy=policy,
        answers=answers_of([subject.pk], by=at)[subject.pk],
        acknowledged=_acknowledged(subject, at),
        waived=waived_by([subject.pk], at=at)[subject.pk],
        paused=paused_between(subject, at, at),
        agent=_standing_of(agent, at),
        turns_at=next_turn(subject, at=at),
        departs_at=_left_at(subject, at, pieced=reconstructed),
        stops=stops_at(at),
        reconstructed=reconstructed,
    )
    return decide(standing, at=at)


def shared_verdicts_at(subject: Subject, *, at: datetime) -> Verdicts:
    """Decide by the shared half alone, as for anybody there who said yes to all that is asked.

    Answers, pauses and machines of the person are not read, so nothing here differs by them. Where
    they work and whether they have left is no choice of theirs, and counts.
    """
    if at >= timezone.now():
        cohort = cohort_of(subject, at=at)
        now_shared = current_cohort_policy(cohort) if cohort else None
        here = nobody_in(
            now_shared,
            departs_at=subject.departed_at,
            arrived=arrivals_in({subject.pk: now_shared}, at=at).get(subject.pk),
            stops=stops_now(),
        )
        return decide(here, at=at)
    policy, reconstructed = shared_then(subject, at)
    standing = nobody_in(
        policy,
        departs_at=_left_at(subject, at, pieced=reconstructed),
        arrived=_arrived(subject, policy, at),
        stops=stops_at(at),
        reconstructed=reconstructed,
    )
    return decide(standing, at=at)


def _arrived(subject: Subject, policy: CohortPolicy | None, at: datetime) -> date | None:
    """Return it by what was recorded then."""
    return arrivals_in({subject.pk: policy}, at=at, past=True).get(subject.pk)


def shared_then(subject: Subject, at: datetime) -> tuple[CohortPolicy | None, bool]:
    """Return the shared half of then, and whether any of it was recorded only later."""
    membership = _membership(subject, at)
    if membership is None:
        return None, False
    policy, reconstructed = _revision(membership.cohort, at)
    return as_told_then(policy), reconstructed or membership.recorded_at > at


def _membership(subject: Subject, at: datetime) -> CohortMembership | None:
    moves = CohortMembership.objects.select_related("cohort").filter(subject=subject)
    return moves.filter(since__lte=at).order_by("-pk").first()


def _revision(cohort: Cohort, at: datetime) -> tuple[CohortPolicy | None, bool]:
    """Return the revision in force, and whether it was recorded only later, as in an import."""
    newest_first = cohort.policies.order_by("-revision")
    if recorded := newest_first.filter(recorded_at__lte=at).first():
        return recorded, False
    return newest_first.filter(since__lte=at).first() or newest_first.last(), True


def _acknowledged(subject: Subject, at: datetime) -> set[tuple[int, int]]:
    rows = Acknowledgement.objects.filter(subject=subject, acknowledged_at__lte=at)
    return set(rows.values_list("notice__purpose_id", "notice__version"))


def _left_at(subject: Subject, at: datetime, *, pieced: bool) -> datetime | None:
    """Return since when the person was gone at that instant; None where they were here.

    A departure that was told of later counts where the answer is pieced together from such records.
    """
    gone = Departure.objects.filter(subject=subject, left_at__lte=at).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=at)
    )
    if not pieced:
        gone = gone.filter(recorded_at__lte=at)
    return gone.order_by("left_at").values_list("left_at", flat=True).first()


def _standing_of(agent: Agent | None, at: datetime) -> str:
    if agent is None:
        return ACTIVE
    enrolled = agent.standing != Agent.Standing.PENDING and agent.enrolled_at <= at
    revoked = agent.revoked_at is not None and agent.revoked_at <= at
    return ACTIVE if enrolled and not revoked else "revoked"
