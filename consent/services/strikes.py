"""Forgetting the last minutes: at once, without a reason, as often as the subject likes."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import hooks, selectors
from consent.models import Agent, Strike, Subject
from consent.services.personal import bump_personal_revision

LONGEST: Final = timedelta(days=1)
EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)


def forget_last(*, subject: Subject, minutes: int, at: datetime | None = None) -> Strike:
    """Strike the last minutes, at least one and at most a day's; see `strike_capture`."""
    until = at or timezone.now()
    length = min(max(timedelta(minutes=minutes), timedelta(minutes=1)), LONGEST)
    return strike_capture(subject=subject, struck_from=until - length, struck_until=until, at=at)


@transaction.atomic
def strike_capture(
    *,
    subject: Subject,
    struck_from: datetime,
    struck_until: datetime,
    ref: UUID | None = None,
    agent: Agent | None = None,
    at: datetime | None = None,
) -> Strike:
    """Record that nothing captured in the interval may be kept; what is kept of it is owed.

    Always succeeds: a repeat of `ref` returns the strike that stands, an interval is cut to a day,
    and one that a machine's wrong clock put into the future is moved to end now. Where strikes that
    machines are still told of hold all of it, the newest of those stands for it, and nothing is
    written: a machine that strikes without end must not grow the ledger without end.
    """
    subject = Subject.objects.select_for_update().get(pk=subject.pk)
    ref = ref or uuid4()
    if standing := Strike.objects.filter(subject=subject, ref=ref).first():
        return standing
    now = at or timezone.now()
    since, until = _fit(struck_from, struck_until, now)
    if standing := selectors.strike_over(subject, since, until, at=now):
        return standing
    strike = Strike.objects.create(
        ref=ref, subject=subject, agent=agent, struck_from=since, struck_until=until
    )
    bump_personal_revision(subject)
    ledger.append(
        events.CaptureStruck(strike=ref, struck_from=since, struck_until=until),
        actor=Actor.agent(agent.ref) if agent else Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[strike],
        event_time=at,
    )
    hooks.capture_struck(strike)
    return strike


def _fit(since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return an interval that has passed, that runs forward, and that is a day long at most."""
    length = min(max(until - since, timedelta(seconds=1)), LONGEST)
    # A clock that lost its battery: where the calendar begins there is no room for a length.
    until = max(min(until, now), EARLIEST)
    return until - length, until
