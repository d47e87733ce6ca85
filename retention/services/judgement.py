"""The judgement on a batch: every reason, as a stable code, why it may not be let in."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from consent import selectors as consent
from consent.models import Agent, ConsentEvent, IssuedPolicy, Subject
from consent.policy.types import ConsentState, Signal
from retention.manifests import Manifest, window_objections

NEVER: Final = ["never_category"]
"""All that is said of an app that is never captured: by its kind, or while it is reported."""


@dataclass(frozen=True)
class Standing:
    """What bears on one batch: the yes that stands, what stops the person, a switch, the app."""

    event: ConsentEvent | None
    covered: set[tuple[str, Signal]]
    paused: bool
    struck: bool
    stopped: bool
    departed: bool
    protected: bool


def objections(
    agent: Agent, policy: IssuedPolicy | None, manifest: Manifest, standing: Standing | None = None
) -> list[str]:
    """Return every reason, as stable codes, why this batch may not be let in; empty lets it in.

    Without `standing` the person's decisions are looked up as they stand now.
    """
    standing = standing or standing_for(agent.subject, manifest)
    if standing.protected:
        return ["never_category"]  # of such an app a refusal says nothing else
    found = []
    if standing.departed:
        found.append("person_departed")
    if agent.standing != Agent.Standing.ACTIVE:
        found.append("agent_not_active")
    if manifest.bytes > settings.BATCH_BYTES_LIMIT:
        found.append("batch_too_large")
    if policy is None:
        found.append("policy_never_issued")
    else:
        found += outside_policy(policy, manifest)
    if manifest.captured_until > timezone.now() + timedelta(seconds=5):
        found.append("captured_in_the_future")
    found += _consent_objections(standing, manifest)
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
    if manifest.captured_from < policy.issued_at or manifest.captured_until > policy.lease_until:
        found.append("outside_the_lease")
    if not manifest.signals:
        found.append("no_signals")
    return found


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
    return found


def standing_for(subject: Subject, manifest: Manifest) -> Standing:
    """Return what the person's decisions and the switches say about the batch, as they stand."""
    event = standing_yes(subject, manifest.purpose)
    return Standing(
        event=event,
        covered=consent.covered_now(event) if event else set(),
        paused=consent.paused_between(subject, manifest.captured_from, manifest.captured_until),
        struck=consent.struck_between(subject, manifest.captured_from, manifest.captured_until),
        stopped=consent.stopped_between(
            manifest.purpose, manifest.captured_from, manifest.captured_until
        ),
        departed=consent.has_departed(subject),
        protected=any(consent.is_protected(app) for app in manifest.apps()),
    )


def standing_yes(subject: Subject, purpose: str) -> ConsentEvent | None:
    """Return the yes that stands for the purpose; None when there is none."""
    event = (
        ConsentEvent.objects.select_related("purpose")
        .filter(subject=subject, purpose__code=purpose)
        .order_by("-position")
        .first()
    )
    return event if event and event.state == ConsentState.GIVEN else None
