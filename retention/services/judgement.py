"""The judgement on a batch: every reason, as a stable code, why it may not be let in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from consent import selectors as consent
from consent.models import Agent, ConsentEvent, IssuedPolicy, Subject
from consent.policy.types import Signal
from consent.services.protections import BATCH_SECONDS
from retention.manifests import Manifest, count_objections, window_objections
from retention.models import Batch
from retention.redactors import redaction_objections

NEVER: Final = ["never_category"]
"""All that is said of an app that is never captured: by its kind, or while it is reported."""


INCIDENT: Final = "outside_every_lease"
"""The one reason that makes a batch an incident: the agent captured without being allowed to at
all. Whatever else was not allowed it may have heard of too late."""

OWN_CHOICES: Final = frozenset(
    {
        "consent_does_not_stand",
        "signal_not_consented",
        "paused",
        "struck",
        "notice_waiver_withdrawn",
    }
)
"""Reasons that are somebody's own choice: to everybody but the person they are one."""

OWN_CHOICE: Final = "person_does_not_allow"

Allowed = Mapping[str, Mapping[str, Mapping[str, int]]]
"""What a policy allows: purpose -> app -> signal -> days."""


@dataclass(frozen=True)
class Standing:
    """What bears on one batch: the yes that stands, what stops the person, a switch, the app.

    `newer` is what the policies allowed that were issued to the agent after the one that the batch
    names, and before its capture ended.
    """

    event: ConsentEvent | None
    covered: set[tuple[str, Signal]]
    paused: bool
    struck: bool
    stopped: bool
    departed: bool
    protected: bool
    repeated: bool
    waiver_ended: bool
    newer: tuple[Allowed, ...] = ()


def told_to_others(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return reasons as others may read them: without a signal, a person's own choices as one."""
    plain = {reason.partition(":")[0] for reason in reasons}
    if plain & OWN_CHOICES:
        # The newer policy said no more than the choice: beside it, it would tell when that was.
        plain.discard("policy_superseded")
    return tuple(sorted({OWN_CHOICE if code in OWN_CHOICES else code for code in plain}))


def objections(
    agent: Agent, policy: IssuedPolicy | None, manifest: Manifest, standing: Standing | None = None
) -> list[str]:
    """Return every reason, as stable codes, why this batch may not be let in; empty lets it in.

    Without `standing` the person's decisions are looked up as they stand now.
    """
    standing = standing or standing_for(agent.subject, policy, manifest)
    if standing.protected:
        return ["never_category"]  # of such an app a refusal says nothing else
    found = []
    if standing.departed:
        found.append("person_departed")
    if agent.standing != Agent.Standing.ACTIVE:
        found.append("agent_not_active")
    if manifest.bytes > settings.BATCH_BYTES_LIMIT:
        found.append("batch_too_large")
    found += count_objections(manifest)
    if policy is None:
        found.append("policy_never_issued")
    else:
        found += outside_policy(policy, manifest)
        if not all(_allows(allowed, manifest) for allowed in standing.newer):
            found.append("policy_superseded")
    if {"policy_never_issued", "outside_the_lease"} & {*found} and not _leased(agent, manifest):
        found.append("outside_every_lease")
    if manifest.captured_until > timezone.now() + timedelta(seconds=5):
        found.append("captured_in_the_future")
    found += _consent_objections(standing, manifest)
    if standing.repeated:
        found.append("handed_in_before")
    if standing.stopped:
        found.append("kill_switch")
    if policy and not consent.within_hours(
        agent.subject, policy, manifest.purpose, manifest.captured_from, manifest.captured_until
    ):
        found.append("outside_work_hours")
    return found


def outside_policy(policy: IssuedPolicy, manifest: Manifest) -> list[str]:
    """Return what of the batch the policy that it names did not allow."""
    found = []
    apps = policy.allow.get(manifest.purpose, {})
    allowed = apps.get(manifest.app, {})
    if not allowed:
        found.append("app_not_allowed")
    else:
        found += [
            f"signal_not_allowed:{signal}" for signal in manifest.signals if signal not in allowed
        ]
        found += window_objections(manifest, apps)
    found += redaction_objections(manifest, settings.REDACTORS)
    begins, ends = manifest.captured_from, manifest.captured_until
    if ends - begins > timedelta(seconds=BATCH_SECONDS):
        found.append("batch_too_long")
    if not policy.issued_at <= begins < policy.lease_until or ends > policy.lease_until:
        found.append("outside_the_lease")
    if not manifest.signals:
        found.append("no_signals")
    return found


def _allows(allowed: Allowed, manifest: Manifest) -> bool:
    apps = allowed.get(manifest.purpose, {})
    return all(signal in apps.get(app, {}) for app, signal in manifest.pairs())


def shortest_term(policy: IssuedPolicy, newer: Iterable[Allowed], manifest: Manifest) -> int:
    """Return the days for which an admitted batch may be kept: the fewest that any policy says."""
    policies: tuple[Allowed, ...] = (policy.allow, *newer)
    return min(
        allowed[manifest.purpose][app][signal]
        for allowed in policies
        for app, signal in manifest.pairs()
    )


def _leased(agent: Agent, manifest: Manifest) -> bool:
    """Say whether the agent had leases for all of the interval; what lies ahead is no capture."""
    until = min(manifest.captured_until, timezone.now())
    since = manifest.captured_from
    return since > until or consent.leased_throughout(agent, since, until)


def _consent_objections(standing: Standing, manifest: Manifest) -> list[str]:
    """Consent must still stand on arrival, for each pair; what it no longer covers is refused."""
    if standing.event is None:
        return ["consent_does_not_stand"]
    found = []
    if not manifest.pairs() <= standing.covered:
        found.append("signal_not_consented")
    if standing.paused:
        found.append("paused")
    if standing.struck:
        found.append("struck")
    if standing.waiver_ended:
        found.append("notice_waiver_withdrawn")
    return found


def standing_for(subject: Subject, policy: IssuedPolicy | None, manifest: Manifest) -> Standing:
    """Return what the person's decisions and the switches say about the batch, as they stand.

    The yes must have stood all the time since the policy: a person who takes it back and gives
    another does not hand over what was recorded in between or before.
    """
    since = policy.consent_position if policy else None
    event, covered = consent.unbroken_yes(subject, manifest.purpose, since=since)
    return Standing(
        event=event,
        covered=covered,
        paused=consent.paused_between(subject, manifest.captured_from, manifest.captured_until),
        struck=consent.struck_between(subject, manifest.captured_from, manifest.captured_until),
        # One that is pulled while we judge is not seen here, and need not be: what we judge was
        # handed in before, so all of it was captured before.
        stopped=consent.stopped_between(
            manifest.purpose, manifest.captured_from, manifest.captured_until
        ),
        departed=consent.has_departed(subject),
        protected=any(consent.is_protected(app) for app in manifest.apps()),
        repeated=_repeated(subject, manifest),
        waiver_ended=waiver_ended(subject, policy, manifest),
        newer=_newer(policy, manifest) if policy else (),
    )


def _newer(policy: IssuedPolicy, manifest: Manifest) -> tuple[Allowed, ...]:
    """Return what those policies allowed that took the place of this one before capture ended.

    A lease outlives the policy that takes its place, so without them the agent that names the most
    generous of its policies would get it. An answer may have got lost on the way: a plain renewal
    therefore changes nothing, and a narrower one is no incident.
    """
    later = IssuedPolicy.objects.filter(agent=policy.agent_id, version__gt=policy.version)
    rows = later.filter(issued_at__lte=manifest.captured_until).values_list("issued_at", "allow")
    return tuple(allow for issued_at, allow in rows if begins_within(issued_at, manifest))


def begins_within(issued_at: datetime, manifest: Manifest) -> bool:
    """Say whether a policy came before the end of a capture; one without length is an instant."""
    return issued_at < manifest.captured_until or issued_at <= manifest.captured_from


def waiver_ended(subject: Subject, policy: IssuedPolicy | None, manifest: Manifest) -> bool:
    """Say whether the notice period ran on for the capture, though not yet by the policy."""
    return policy is not None and consent.waiver_ended_between(
        subject,
        manifest.purpose,
        issued_at=policy.issued_at,
        since=manifest.captured_from,
        until=manifest.captured_until,
    )


def _repeated(subject: Subject, manifest: Manifest) -> bool:
    """Say whether the same capture came in before under another id; kept or erased since."""
    same = Batch.objects.filter(
        captured_on=manifest.captured_on(),
        subject=subject,
        purpose__code=manifest.purpose,
        app__code=manifest.app,
        captured_from=manifest.captured_from,
        captured_until=manifest.captured_until,
        sha256=manifest.sha256,
    )
    return same.exclude(uuid=manifest.batch).exists()
