"""Issuing a policy: the lease an agent gets. Default deny; ends by itself; versions only rise."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, floor
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors
from consent.digests import Fragment, assembled, plain
from consent.models import Agent, IssuedPolicy, Keys, PersonalPolicy, Prepared, Subject
from consent.services.cohorts import place_if_turned
from consent.services.protections import BATCH_SECONDS, BYSTANDERS, REDACTION, SESSIONS, WINDOWS
from consent.services.storing import store

_OF_AGENT: Final = ("id", "ref", "subject_id", "platform", "standing")
_OF_SUBJECT: Final = ("id", "ref", "cohort_id", "position", "turns_at", "departed_at")
"""What issuing looks at of a machine and its person; the rest is not fetched."""

_DEFAULT: Final = plain({"decision": "deny", "reasons": ["app_not_allowlisted"]})
_PROTECTIONS: Final = {
    "sessions": plain(SESSIONS),
    "windows": plain(WINDOWS),
    "bystanders": plain(BYSTANDERS),
    "redaction": plain(REDACTION),
}
"""What every policy says, ready-made."""


@dataclass(frozen=True)
class Lease:
    """A policy as an agent receives it: the stored record, and the document as canonical bytes."""

    policy: IssuedPolicy
    payload: bytes

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole document."""
        found: dict[str, Any] = json.loads(self.payload)
        return found


def issue_policy(*, agent: Agent, at: datetime | None = None, imported: bool = False) -> Lease:
    """Write and return the agent's next policy, from the facts as they stand right now."""
    found = issue_policies(agents={agent.pk: agent.subject_id}, at=at, imported=imported)
    return found[agent.pk]


@transaction.atomic
def issue_policies(
    *,
    agents: Mapping[int, int],
    at: datetime | None = None,
    imported: bool = False,
    unless_busy: bool = False,
) -> dict[int, Lease]:
    """Write the next policy of each agent; return them by the agent's key.

    `agents`: the key of each agent, and that of the person it belongs to.
    With `unless_busy` agents whose person is deciding something just now are left out, so that
    nobody waits for anybody.
    """
    now = at or timezone.now()
    # Whole seconds, as the document says them: what an agent stamps by `iat` lies inside the lease.
    at = now.replace(microsecond=0)
    if not imported:
        people = set(agents.values())
        # Never late, even while no worker runs. Who cannot be moved at once is decided about
        # by the facts of today all the same: no poll waits for a change of rules, which would keep
        # it, and those that are issued with it, from hearing of a stop.
        if turned := [key for (key,) in _TURNED.rows(people, now)]:
            for subject in Subject.objects.filter(pk__in=turned):
                place_if_turned(subject, at=now, wait=False)
    drafts = _drafts(agents, now=now, at=at, imported=imported, unless_busy=unless_busy)
    renewed = store([(draft.policy, draft.allowed, draft.before) for draft in drafts])
    ledger.append_all(
        [
            ledger.Entry(
                events.PolicyIssued(
                    reason="renewal" if draft.policy.agent_id in renewed else "change",
                    allows=draft.allows,
                    agent=draft.policy.agent.ref,
                    version=draft.policy.version,
                    lease_until=draft.policy.lease_until,
                    digest=draft.policy.sha256,
                ),
                actor=Actor.system("policy"),
                subject=draft.policy.agent.subject.ref,
                covers=[draft.policy],
                event_time=at if imported else None,
                imported=imported,
            )
            for draft in drafts
        ]
    )
    return {draft.policy.agent_id: Lease(draft.policy, draft.payload) for draft in drafts}


@dataclass(frozen=True)
class _Draft:
    """A policy that is decided and not stored yet."""

    policy: IssuedPolicy
    payload: bytes
    allowed: Fragment
    allows: int
    before: int | None
    """The key of the agent's policy until now."""


def _drafts(
    agents: Mapping[int, int], *, now: datetime, at: datetime, imported: bool, unless_busy: bool
) -> list[_Draft]:
    """Lock what the policies follow from, decide, and return what is to be stored."""
    people = sorted(set(agents.values()))
    # Lock the personal half: a decision committing meanwhile must come wholly before or after.
    halves = {
        subject: selectors.Half(revision, changed_at)
        for subject, revision, changed_at in (_FREE if unless_busy else _ALL).rows(people)
    }
    keys = [agent for agent, subject in agents.items() if subject in halves]
    locked = [_agent(row) for row in _AGENTS.rows(keys)]
    before = {agent: rest for agent, *rest in _NEWEST.rows(keys)}
    standings = selectors.standings_for(
        [agent.subject for agent in locked],
        at=now,
        agents=locked,
        past=imported,
        recorded=selectors.recorded_under(halves),
    )
    strikes = selectors.strikes_to_apply([agent.subject_id for agent in locked], at=at)
    drafts = []
    for agent, standing in zip(locked, standings, strict=True):
        terms = selectors.terms_for(standing, at=now)
        version, replaced = before.get(agent.pk, (0, None))
        version = max(version + 1, int(now.timestamp() * 1000))
        lease_until = _lease_end(at, terms)
        payload = assembled(
            policy_document(
                agent,
                terms,
                version=version,
                at=at,
                lease_until=lease_until,
                strikes=strikes[agent.subject_id],
            )
        )
        policy = IssuedPolicy(
            agent=agent,
            version=version,
            cohort_policy=terms.cohort_policy,
            personal_revision=halves[agent.subject_id].revision,
            consent_position=agent.subject.position,
            switches=list(terms.switches),
            issued_at=at,
            lease_until=lease_until,
            allow=terms.allow,
            sha256=hashlib.sha256(payload).hexdigest(),
        )
        drafts.append(_Draft(policy, payload, terms.allow_said(), terms.allows, replaced))
    return drafts


def _newest(agents: Iterable[int] | Keys) -> QuerySet[IssuedPolicy]:
    # One look-up an agent, however many policies it has had.
    policies = IssuedPolicy.objects.filter(agent=OuterRef("pk")).order_by("-version")
    newest = Agent.objects.filter(pk__among=agents).values(
        newest=Subquery(policies.values("pk")[:1])
    )
    return IssuedPolicy.objects.filter(pk__in=newest)


def _halves(
    people: Iterable[int] | Keys, *, skip_locked: bool
) -> QuerySet[PersonalPolicy, tuple[Any, ...]]:
    locking = PersonalPolicy.objects.select_for_update(skip_locked=skip_locked)
    of_them = locking.filter(subject__among=people).order_by("subject_id")
    return of_them.values_list("subject_id", "revision", "changed_at")


def _agents(agents: Iterable[int] | Keys) -> QuerySet[Agent, tuple[Any, ...]]:
    locking = Agent.objects.select_for_update(of=("self",)).filter(pk__among=agents)
    theirs = (f"subject__{name}" for name in _OF_SUBJECT)
    return locking.order_by("pk").values_list(*_OF_AGENT, *theirs)


def _agent(row: tuple[Any, ...]) -> Agent:
    agent = Agent.from_db(None, _OF_AGENT, row[: len(_OF_AGENT)])
    agent.subject = Subject.from_db(None, _OF_SUBJECT, row[len(_OF_AGENT) :])
    return agent


_TURNED: Final = Prepared(
    lambda keys, now: Subject.objects.filter(pk__among=keys, turns_at__lte=now).values_list("pk")
)
_ALL: Final = Prepared(lambda keys, _: _halves(keys, skip_locked=False))
_FREE: Final = Prepared(lambda keys, _: _halves(keys, skip_locked=True))
_AGENTS: Final = Prepared(lambda keys, _: _agents(keys))
_NEWEST: Final = Prepared(lambda keys, _: _newest(keys).values_list("agent_id", "version", "pk"))


def _lease_end(at: datetime, terms: selectors.Terms) -> datetime:
    """A lease never outlives the next instant at which an answer changes by itself."""
    next_change = terms.next_change
    longest = at + timedelta(seconds=terms.setting("lease_seconds"))
    return min(longest, next_change) if next_change and next_change > at else longest


def policy_document(
    agent: Agent,
    terms: selectors.Terms,
    *,
    version: int,
    at: datetime,
    lease_until: datetime,
    strikes: Iterable[selectors.Interval],
) -> dict[str, Any]:
    """Return the members of a policy; what many have in common comes ready-made."""
    return {
        "v": 1,
        "iss": settings.PUBLIC_URL,
        "aud": str(agent.ref),
        "version": version,
        "iat": int(at.timestamp()),
        "lease_until": int(lease_until.timestamp()),
        "poll_after": terms.setting("poll_seconds"),
        "default": _DEFAULT,
        "apps": terms.apps(),
        "allow": terms.allowed(),
        "deny": terms.denied(),
        "never": terms.never(agent.platform),
        "paused": terms.paused,
        **_paused_since(terms.paused_since),
        "strikes": _strikes(strikes),
        "schedule": terms.schedule,
        **_PROTECTIONS,
        "embargo_seconds": terms.setting("embargo_seconds"),
        "limits": {
            "batch_bytes": settings.BATCH_BYTES_LIMIT,
            "batch_seconds": BATCH_SECONDS,
            "bytes_per_second": terms.setting("upload_bytes_per_second"),
            "spool_seconds": terms.setting("spool_seconds"),
        },
        **({"uploads": settings.UPLOAD_ORIGINS} if settings.UPLOAD_ORIGINS else {}),
    }


def _paused_since(since: datetime | None) -> dict[str, int]:
    """Return from when on the agent must drop what it holds: the last whole second before a pause.

    Before it, since what ends with the very instant at which a pause begins is refused as well.
    """
    return {} if since is None else {"paused_since": ceil(since.timestamp()) - 1}


def _strikes(intervals: Iterable[selectors.Interval]) -> list[dict[str, int]]:
    """Return what the agent must purge, in whole seconds that hold all of each interval."""
    return [
        {"from": floor(since.timestamp()), "until": ceil(until.timestamp())}
        for since, until in intervals
    ]
