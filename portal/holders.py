"""Who holds a poll token, and what follows from that: one place for every address agents ask at.

A token is judged anew at each request. Two things are written here, at the request that shows
them: that a pending token was used, which supersedes those before it, and that a superseded one
was shown again, which puts its agent into quarantine.
"""

import logging
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from consent import services
from consent.models import Agent
from portal.endpoint import answer, marks
from portal.endpoint.answer import Refusal
from portal.fleet import machines
from portal.models import AgentToken

logger = logging.getLogger(__name__)

COLUMNS: Final = """
t.id, t.agent_id, a.subject_id, t.generation, a.standing, s.departed_at, t.ends_at,
t.used_at IS NULL, t.revoked_at IS NOT NULL,
(SELECT min(n.used_at) FROM portal_agenttoken n
 WHERE n.agent_id = t.agent_id AND n.generation > t.generation AND n.used_at IS NOT NULL)
"""
TABLES: Final = """
portal_agenttoken t
JOIN consent_agent a ON a.id = t.agent_id
JOIN consent_subject s ON s.id = a.subject_id
"""
FIND: Final = f"SELECT {COLUMNS} FROM {TABLES} WHERE t.sha256 = %s"  # noqa: S608  constants


class Holder(NamedTuple):
    """A token and its agent, as COLUMNS say."""

    token: int
    agent: int
    subject: int
    generation: int
    standing: str
    departed_at: datetime | None
    ends_at: datetime | None
    is_pending: bool
    is_revoked: bool
    superseded_at: datetime | None

    def refusal(self, at: datetime) -> Refusal | None:
        """Return why the holder is not served at `at`; None where it is."""
        if self.is_revoked and self.is_pending:
            return answer.UNKNOWN  # replaced by another before anybody used it: never was one
        if self.is_revoked or self.standing == Agent.Standing.REVOKED:
            return answer.REVOKED
        if self.standing == Agent.Standing.QUARANTINED:
            return answer.QUARANTINED
        if self.departed_at and self.departed_at <= at:
            return answer.DEPARTED
        if self.superseded_at:
            # What was under way as the new token was first used is no copy.
            is_late = at < self.superseded_at + AgentToken.GRACE
            return answer.TOKEN_GIVEN_UP if is_late else answer.QUARANTINED
        if self.ends_at and self.ends_at <= at:
            return answer.TOKEN_ENDED
        return None


COUNT: Final = len(Holder._fields)


def find(digest: bytes) -> Holder | None:
    """Return who holds the token with this hash; None where nobody does."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [digest])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return Holder(*row) if row else None


def judge(digest: bytes) -> Holder | Refusal:
    """Return who holds the token, or why they are not served; write what the request shows."""
    holder = find(digest)
    if holder is None:
        found = machines.standing_of(digest)
        return found if isinstance(found, Refusal) else answer.WAITING
    refusal = settled(holder)
    if refusal or not holder.is_pending:
        return refusal or holder
    return judge(digest)


def settled(holder: Holder) -> Refusal | None:
    """Return why the holder is not served; write what the request shows.

    Who held a pending token is to be looked up again: another may have been faster.
    """
    refusal = holder.refusal(timezone.now())
    if refusal is answer.QUARANTINED and holder.standing == Agent.Standing.ACTIVE:
        _raise_alarm(holder)
    elif refusal is None and holder.is_pending:
        _first_use(holder)
    return refusal


@transaction.atomic
def _first_use(holder: Holder) -> None:
    """Let a pending token count from now on, and no answer that was kept for an older one."""
    # First: from here on no answer that is kept for the older token outlives the commit.
    marks.policy_changing(subject=holder.subject)
    Agent.objects.select_for_update().get(pk=holder.agent)  # no rotation in between
    AgentToken.objects.filter(pk=holder.token, used_at=None, revoked_at=None).update(used_at=Now())


def _raise_alarm(holder: Holder) -> None:
    """Put the agent into quarantine: somebody shows a token that its agent gave up."""
    agent = Agent.objects.select_related("subject").get(pk=holder.agent)
    services.quarantine_agent(agent=agent, reason="token_reused")
    logger.error("agent_quarantined reason=token_reused")
