"""A person's machines: what is known of each, how many follow the latest choice, removing one."""

from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, Max, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from consent import exceptions, services
from consent.models import Agent, Subject
from portal.pages.capture import capture_of
from portal.pages.following import Heard, heard_of
from portal.pages.words import refused
from portal.people import subject_of
from portal.policykeys import standing
from retention.models import Admission

FEW_MACHINES = 3
"""How many are shown whole; of more, each is a line that unfolds."""


_STANDING: dict[str, str] = {
    Agent.Standing.QUARANTINED: "cut_off",
    Agent.Standing.PENDING: "pending",
    Agent.Standing.ACTIVE: "active",
    Agent.Standing.REVOKED: "removed",
}
"""What each is called on pages, in the order in which they are listed."""


@login_required
@require_safe
def machines(request: HttpRequest) -> HttpResponse:
    """The person's machines, each with its policy and the way to remove it."""
    subject = subject_of(request)
    found = machines_of(request, subject)
    apart = _set_apart(subject)
    return render(
        request,
        "you/machines.html",
        {
            **found,
            "machines": [{**one, "set_apart": apart.get(one["id"])} for one in found["machines"]],
            "is_long": len(found["machines"]) > FEW_MACHINES,
            "device_url": reverse("idp:oidc:device_authorization"),
            "lease_minutes": ceil(settings.POLICY_LEASE_SECONDS / 60),
            "root": standing.ensure().root,
            "how_to_url": reverse("docs-page", args=["howto/connect-a-machine"]),
        },
    )


@login_required
@require_POST
def remove_machine(request: HttpRequest, ref: str) -> HttpResponse:
    """Cut a machine of one's own off."""
    try:
        services.revoke_agent(subject=subject_of(request), ref=ref)
    except exceptions.AgentUnknown as refusal:
        messages.error(request, refused(refusal))
    else:
        messages.success(request, _("The machine was removed. It can record nothing any more."))
    return redirect("you-machines")


def machines_of(
    request: HttpRequest, subject: Subject, *, most: int | None = None
) -> dict[str, Any]:
    """Return the machines, and how many of all follow what the person chose last."""
    # The machines first: one that is enrolled between the two reads is then only in the second.
    agents = list(_agents(subject))
    now = timezone.now()
    heard = heard_of(subject, now=now)
    follow = [one.follows for one in heard.values() if one.follows]
    stopped = not capture_of(request, subject)["allows"]
    sure = sum(one.stopped if stopped else one.is_sure for one in follow)
    # Where none ever had a policy, none follows anything and none has stopped.
    known = len(follow) if any(one.state != "new" for one in follow) else 0
    return {
        "machines": [_machine(agent, heard[agent.pk], now) for agent in agents[:most]],
        "followed": {"sure": sure, "all": known, "stopped": stopped},
    }


def _set_apart(subject: Subject) -> dict[UUID, dict[str, Any]]:
    """Return by reference how often, and when last, a machine offered what no policy covered."""
    incidents = Admission.objects.filter(
        agent__subject=subject, state=Admission.State.QUARANTINED
    ).values("agent__ref")
    counted = incidents.annotate(number=Count("pk"), last=Max("announced_at")).order_by()
    return {row["agent__ref"]: {**row} for row in counted}


def _machine(agent: Agent, heard: Heard, now: datetime) -> dict[str, Any]:
    active = agent.standing == Agent.Standing.ACTIVE
    runs = heard.lease_until is not None and heard.lease_until > now
    return {
        "id": agent.ref,
        "name": agent.name,
        "platform": agent.platform,
        "standing": _STANDING[agent.standing],
        "key_kind": agent.get_key_kind_display(),
        "added": agent.enrolled_at,
        "last_seen": heard.last_seen,
        "policy_version": heard.version if active and runs else "",
        "lease_until": heard.lease_until,
        "runs": runs,
        "follows": heard.follows,
        "is_copied": agent.standing == Agent.Standing.QUARANTINED,
        "remove_url": (
            reverse("you-remove-machine", args=[agent.ref])
            if agent.standing != Agent.Standing.REVOKED
            else ""
        ),
    }


def _agents(subject: Subject) -> QuerySet[Agent]:
    """Return their machines: what asks for something first, what was removed last."""
    rank = Case(*(When(standing=one, then=number) for number, one in enumerate(_STANDING)))
    return Agent.objects.filter(subject=subject).order_by(rank, "-enrolled_at")
