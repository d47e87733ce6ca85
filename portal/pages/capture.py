"""The answer every employee page opens with: is anything recorded, why, and how to stop it."""

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from consent import selectors
from consent.models import Agent, ConsentEvent, IssuedPolicy, Subject
from consent.policy.types import ConsentState
from portal.pages.dates import day_in_words
from portal.pages.hourwords import hours_of
from portal.pages.words import because

ON, OFF, PAUSED = "on", "off", "paused"
CAPTURE = "_sayso_capture"


def capture_of(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    """Return the `capture` of the templates for this person; worked out once per request."""
    known: dict[str, Any] | None = getattr(request, CAPTURE, None)
    if known is None:
        known = capture_now(subject, at=timezone.now())
        setattr(request, CAPTURE, known)
    return known


def capture_now(subject: Subject, *, at: datetime) -> dict[str, Any]:
    """Return the decision in words, from the same evaluation that agents' policies come from."""
    events = selectors.standing_consents(subject)
    yes = [event for event in events.values() if event.state == ConsentState.GIVEN]
    verdicts = selectors.verdicts_for(subject, at=at)
    leases = _leases(subject)
    running = sum(until is not None and until > at for until in leases)
    allowed = verdicts.allowed()
    state = _state(paused=verdicts.paused, recording=bool(allowed and running))
    if state == OFF and allowed:
        reason = _no_machine(subject, connected=bool(leases))
    else:
        reason = _reason(state, yes, allowed, verdicts)
    return {
        "state": state,
        "allows": bool(allowed) and not verdicts.paused,
        "reason": reason,
        "text": "",
        "hours": hours_of(verdicts),
        "why_url": reverse("you-why"),
        **_buttons(state, has_yes=bool(yes)),
    }


def capture_of_nobody() -> dict[str, Any]:
    """Return what holds for somebody the portal knows nothing of: a gap, and a gap denies."""
    return {
        "state": OFF,
        "reason": _("You have not said yes to anything, and without your yes nothing is allowed."),
    }


def _leases(subject: Subject) -> list[datetime | None]:
    """Return when the newest policy of each connected machine ends; None where it has none yet."""
    newest = IssuedPolicy.objects.filter(agent=OuterRef("pk")).order_by("-version")
    machines = Agent.objects.filter(subject=subject, standing=Agent.Standing.ACTIVE)
    return list(machines.values_list(Subquery(newest.values("lease_until")[:1]), flat=True))


def _state(*, paused: bool, recording: bool) -> str:
    if paused:
        return PAUSED
    return ON if recording else OFF


def _reason(
    state: str,
    yes: list[ConsentEvent],
    allowed: list[dict[str, Any]],
    verdicts: selectors.Verdicts,
) -> str:
    if state == PAUSED:
        return _("You paused recording. It stays off until you resume.")
    if state == ON:
        since = min(event.event_time for event in yes)
        apps = len({item["app"] for item in allowed})
        text = ngettext(
            "You said yes on %(day)s, for %(apps)d app.",
            "You said yes on %(day)s, for %(apps)d apps.",
            apps,
        )
        return text % {"day": day_in_words(since), "apps": apps}
    return because(verdicts, has_yes=bool(yes))


def _no_machine(subject: Subject, *, connected: bool) -> str:
    """Say why nothing is recorded although something may be: no machine has a policy for it."""
    if connected:
        return _(
            "You said yes, but none of your machines has a valid policy now."
            " As soon as one asks for it, it can record."
        )
    if Agent.objects.filter(subject=subject, standing=Agent.Standing.QUARANTINED).exists():
        return _(
            "You said yes, but your machine is cut off, because there may be a copy of it."
            " The page of your machines says what to do."
        )
    return _("You said yes, but no machine of yours is connected.")


def _buttons(state: str, *, has_yes: bool) -> dict[str, str]:
    buttons = {}
    if state == PAUSED:
        buttons["resume_url"] = reverse("you-resume")
    elif has_yes:
        buttons["pause_url"] = reverse("you-pause")
    if has_yes:
        buttons["forget_url"] = reverse("you-forget")
        buttons["stop_url"] = reverse("you-stop")
    return buttons
