"""Issuing a policy: the lease an agent gets. Default deny; ends by itself; versions only rise."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors
from consent.digests import digest
from consent.models import Agent, IssuedPolicy, PersonalPolicy
from consent.policy.types import NEVER_CATEGORIES, NeverSignal
from consent.services.cohorts import place_if_turned


@dataclass(frozen=True)
class Lease:
    """A policy as an agent receives it: the stored record and the whole document."""

    policy: IssuedPolicy
    document: dict[str, Any]


def policy_in_force(*, agent: Agent, at: datetime) -> IssuedPolicy | None:
    """Return the newest policy if it still says what is true and is in its first half; else None.

    This is the whole check behind a 304: nothing shared or personal changed since it was issued.
    """
    newest = agent.policies.select_related("cohort_policy").order_by("-version").first()
    if newest is None or at >= newest.issued_at + (newest.lease_until - newest.issued_at) / 2:
        return None
    cohort = agent.subject.cohort
    shared = selectors.current_cohort_policy(cohort) if cohort else None
    personal = PersonalPolicy.objects.get(subject_id=agent.subject_id).revision
    same_shared = newest.cohort_policy_id == (shared.pk if shared else None)
    return newest if same_shared and newest.personal_revision == personal else None


@transaction.atomic
def issue_policy(*, agent: Agent, at: datetime | None = None, imported: bool = False) -> Lease:
    """Write and return the agent's next policy, from the facts as they stand right now."""
    now = at or timezone.now()
    # Whole seconds, as the document says them: what an agent stamps by `iat` lies inside the lease.
    at = now.replace(microsecond=0)
    if not imported:
        place_if_turned(agent.subject, at=now)  # never a day late, even while no worker runs
    # Lock the personal half: a decision committing meanwhile must come wholly before or after.
    personal = PersonalPolicy.objects.select_for_update().get(subject_id=agent.subject_id)
    agent = (
        Agent.objects.select_for_update(of=("self",))
        .select_related("subject__cohort")
        .get(pk=agent.pk)
    )
    newest = agent.policies.order_by("-version").first()
    version = max(newest.version + 1 if newest else 1, int(now.timestamp() * 1000))
    verdicts = selectors.verdicts_for(agent.subject, agent=agent, at=now, past=imported)
    lease_until = _lease_end(at, verdicts.next_change)
    document = _document(agent, verdicts, version=version, at=at, lease_until=lease_until)
    policy = IssuedPolicy.objects.create(
        agent=agent,
        version=version,
        cohort_policy=verdicts.cohort_policy,
        personal_revision=personal.revision,
        issued_at=at,
        lease_until=lease_until,
        allow=verdicts.allow(),
        sha256=digest(document),
    )
    ledger.append(
        events.PolicyIssued(
            reason="renewal" if _unchanged(newest, policy) else "change",
            allows=len(verdicts.allowed()),
            agent=agent.ref,
            version=version,
            lease_until=lease_until,
            digest=policy.sha256,
        ),
        actor=Actor.system("policy"),
        subject=agent.subject.ref,
        covers=[policy],
        event_time=at if imported else None,
        imported=imported,
    )
    return Lease(policy, document)


def _unchanged(previous: IssuedPolicy | None, policy: IssuedPolicy) -> bool:
    return previous is not None and previous.allow == policy.allow


def _lease_end(at: datetime, next_change: datetime | None) -> datetime:
    """A lease never outlives the next instant at which an answer changes by itself."""
    longest = at + timedelta(seconds=selectors.setting("lease_seconds"))
    return min(longest, next_change) if next_change and next_change > at else longest


def _document(
    agent: Agent, verdicts: selectors.Verdicts, *, version: int, at: datetime, lease_until: datetime
) -> dict[str, Any]:
    return {
        "v": 1,
        "iss": settings.PUBLIC_URL,
        "aud": str(agent.ref),
        "version": version,
        "iat": int(at.timestamp()),
        "lease_until": int(lease_until.timestamp()),
        "poll_after": selectors.setting("poll_seconds"),
        "default": {"decision": "deny", "reasons": ["app_not_allowlisted"]},
        "apps": verdicts.apps(),
        "allow": verdicts.allowed(),
        "deny": verdicts.denied(),
        "never": {
            "categories": sorted(category.value for category in NEVER_CATEGORIES),
            "signals": sorted(signal.value for signal in NeverSignal),
            "matchers": verdicts.never_matchers(agent.platform),
        },
        "paused": verdicts.paused,
        "strikes": _strikes(agent, at),
        "schedule": verdicts.schedule(),
        "limits": {"batch_bytes": settings.BATCH_BYTES_LIMIT, "batch_seconds": 900},
    }


def _strikes(agent: Agent, at: datetime) -> list[dict[str, int]]:
    """Return what the agent must purge, in whole seconds that hold all of each interval."""
    return [
        {"from": floor(since.timestamp()), "until": ceil(until.timestamp())}
        for since, until in selectors.strikes_to_apply(agent.subject, at=at)
    ]
