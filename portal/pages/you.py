"""The employee's own pages: what is decided, what is held, which machines, and the ways to stop."""

from datetime import date
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, Max, Min, Q, Sum, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from consent import exceptions, selectors, services
from consent.models import Agent, ConsentEvent, Purpose, Subject
from consent.policy.asking import A_NO
from consent.policy.reasons import explain
from consent.policy.types import ConsentState
from portal.pages.beginning import begins_in_words
from portal.pages.capture import ON, capture_of
from portal.pages.changes.values import place_name
from portal.pages.dates import day_in_words
from portal.pages.following import Following, following, heard_of
from portal.pages.history import EVER, decisions_of
from portal.pages.noticetext import purpose_in_words, purpose_name
from portal.pages.reasonwords import rule_label
from portal.pages.words import refused, to_you
from portal.people import subject_of
from portal.policykeys import standing
from portal.templatetags.words import colon
from retention.models import Batch, Certificate, DeletionCase, Hold

OPEN_STATES = {ConsentState.UNKNOWN, ConsentState.REQUESTED, ConsentState.DEFERRED}
RECENT = 5
FEW_MACHINES = 3
"""How many are shown whole; of more, each is a line that unfolds."""
FORGET_MINUTES = 10
LONG = 50


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The answer first, then purposes, machines, what is held and what happened last."""
    subject = subject_of(request)
    return render(
        request,
        "you/home.html",
        {
            "capture": capture_of(request, subject),
            "purposes": purposes_of(subject),
            **_machines(request, subject, most=RECENT),
            "machines_url": reverse("you-machines"),
            "held": held_of(subject),
            "data_url": reverse("you-data"),
            "events": decisions_of(subject, before=EVER, most=RECENT),
            "history_url": reverse("you-history"),
        },
    )


@login_required
@require_safe
def machines(request: HttpRequest) -> HttpResponse:
    """The person's machines, each with its policy and the way to remove it."""
    found = _machines(request, subject_of(request))
    return render(
        request,
        "you/machines.html",
        {
            **found,
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


@login_required
@require_safe
def data(request: HttpRequest) -> HttpResponse:
    """What is held, what is being deleted, and the proof of what is gone."""
    subject = subject_of(request)
    return render(
        request,
        "you/data.html",
        {
            "held": {**held_of(subject), "groups": _held_groups(subject)},
            "deletions": [_deletion(case) for case in _cases(subject)[:LONG]],
            "certificates": [_certificate(c) for c in certificates_of(subject)[:LONG]],
        },
    )


@login_required
@require_safe
def why(request: HttpRequest) -> HttpResponse:
    """Every reason that now keeps something from being recorded, with its rule and citation."""
    subject = subject_of(request)
    now = timezone.now()
    verdicts = selectors.verdicts_for(subject, at=now)
    found: dict[str, dict[str, Any]] = {}
    for pair in verdicts.pairs:
        for reason in pair.decision.reasons:
            if str(reason) not in found:
                found[str(reason)] = _reason(explain(reason, verdicts.rulebook))
    allowed = verdicts.allowed()
    reasons = [_yes_reason(allowed)] if allowed else []
    return render(
        request,
        "you/why.html",
        {
            "capture": capture_of(request, subject),
            "reasons": reasons + list(found.values()),
            "as_of": now,
        },
    )


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Take every yes back, at once. Asks for no reason and no confirmation (GDPR Art. 7(3))."""
    withdrawn = services.withdraw_everything(subject=subject_of(request))
    if withdrawn:
        messages.success(
            request,
            _("Stopped. Nothing more is recorded, and what was recorded is being deleted."),
        )
    else:
        messages.info(request, _("Nothing was on. It stays that way."))
    return redirect("you-home")


@login_required
@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    """Pause everything until the person resumes."""
    services.pause_capture(subject=subject_of(request))
    messages.success(request, _("Paused. Nothing is recorded until you resume."))
    return redirect("you-home")


@login_required
@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Have what was captured in the last minutes forgotten, on every machine and here."""
    minutes = request.POST.get("minutes", "")
    asked = int(minutes) if minutes.isascii() and minutes.isdigit() else FORGET_MINUTES
    strike = services.forget_last(subject=subject_of(request), minutes=min(asked, 10_000))
    length = round((strike.struck_until - strike.struck_from).total_seconds() / 60)
    messages.success(
        request,
        ngettext(
            "The last %(minutes)d minute is forgotten. "
            "Your machines drop it, and what was handed in is being deleted.",
            "The last %(minutes)d minutes are forgotten. "
            "Your machines drop them, and what was handed in is being deleted.",
            length,
        )
        % {"minutes": length},
    )
    return redirect("you-home")


@login_required
@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    """End the pause; what was chosen before counts again."""
    services.resume_capture(subject=subject_of(request))
    messages.success(request, _("Resumed. What you chose counts again."))
    return redirect("you-home")


def purposes_of(subject: Subject) -> list[dict[str, Any]]:
    """Return each purpose that asks, with the person's answer to it.

    After a no it does not ask again for a while, and says so; the answer can be changed on any day.
    """
    standing = selectors.standing_consents(subject)
    quiet = selectors.not_asked_before(subject, at=timezone.now())
    waiting = selectors.waiting(subject, at=timezone.now())
    found = []
    for purpose in Purpose.objects.filter(published_at__isnull=False):
        notice = selectors.current_notice(purpose)
        if notice is None:
            continue
        name, what_for = purpose_in_words(purpose, notice)
        event = standing.get(purpose.code)
        choose_url = reverse("you-decide", args=[purpose.code])
        found.append(
            {
                "name": name,
                "state": event.state if event else ConsentState.UNKNOWN.value,
                "since": event.event_time if event else None,
                "text": what_for,
                "asks": _asks(event, quiet.get(purpose.code)),
                "quiet": _quiet(quiet.get(purpose.code)),
                "begins": begins_in_words(event, waiting.get(purpose.code)),
                "begins_url": f"{choose_url}#beginning",
                "choose_url": choose_url,
                "receipt_url": reverse("you-receipt", args=[event.uuid]) if event else "",
            }
        )
    return found


def _asks(event: ConsentEvent | None, quiet_until: date | None) -> bool:
    """Say whether the page asks for an answer: there is none, or a no that is long ago."""
    if event is None or event.state in OPEN_STATES:
        return True
    return event.state in A_NO and quiet_until is None


def _quiet(until: date | None) -> str:
    if until is None:
        return ""
    if until == date.max:
        return _("You are not asked again.")
    return _("You are not asked again before %(day)s.") % {"day": day_in_words(until)}


def held_of(subject: Subject) -> dict[str, Any]:
    """Return how much is kept of this person, since when and until when."""
    kept = Batch.objects.filter(subject=subject, state=Batch.State.KEPT)
    totals = kept.aggregate(
        batches=Count("uuid"),
        size=Sum("bytes"),
        oldest=Min("captured_from"),
        next_due=Min("due_at"),
    )
    on_hold = Hold.objects.filter(subject=subject, lifted_at__isnull=True).exists()
    return {**totals, "size": totals["size"] or 0, "on_hold": totals["batches"] if on_hold else 0}


def certificates_of(subject: Subject) -> Any:
    """Return the certificates about this person's data, newest first."""
    own = Batch.objects.filter(subject=subject).values("uuid")
    return (
        Certificate.objects.filter(
            Q(job__case__subject=subject) | Q(job__case__subject=None, job__batches__overlap=own)
        )
        .select_related("job__case__purpose")
        .order_by("-pk")
    )


def _agents(subject: Subject) -> Any:
    """Return their machines: what asks for something first, what was removed last."""
    rank = Case(*(When(standing=one, then=number) for number, one in enumerate(_STANDING)))
    return Agent.objects.filter(subject=subject).order_by(rank, "-enrolled_at")


def _cases(subject: Subject) -> Any:
    return DeletionCase.objects.filter(subject=subject).prefetch_related("jobs").order_by("-pk")


_STANDING: dict[str, str] = {
    Agent.Standing.QUARANTINED: "cut_off",
    Agent.Standing.PENDING: "pending",
    Agent.Standing.ACTIVE: "active",
    Agent.Standing.REVOKED: "removed",
}
"""What each is called on pages, in the order in which they are listed."""


def _machines(request: HttpRequest, subject: Subject, *, most: int | None = None) -> dict[str, Any]:
    """Return the machines, and how many of all follow what the person chose last."""
    agents = list(_agents(subject))
    follow = following(subject, agents, now=timezone.now())
    stopped = capture_of(request, subject)["state"] != ON
    sure = sum(one.stopped if stopped else one.is_sure for one in follow.values())
    return {
        "machines": [_machine(agent, follow.get(agent.pk)) for agent in agents[:most]],
        "followed": {"sure": sure, "all": len(follow), "stopped": stopped},
    }


def _machine(agent: Agent, follows: Following | None) -> dict[str, Any]:
    policy = agent.policies.order_by("-version").first()
    active = agent.standing == Agent.Standing.ACTIVE
    ended = policy is not None and policy.lease_until <= timezone.now()
    return {
        "id": agent.ref,
        "name": agent.name,
        "platform": agent.platform,
        "standing": _STANDING[agent.standing],
        "key_kind": agent.get_key_kind_display(),
        "added": agent.enrolled_at,
        "last_seen": heard_of(agent),
        "policy_version": policy.version if policy and active and not ended else "",
        "lease_until": policy.lease_until if policy else None,
        "follows": follows,
        "is_copied": agent.standing == Agent.Standing.QUARANTINED,
        "remove_url": (
            reverse("you-remove-machine", args=[agent.ref])
            if agent.standing != Agent.Standing.REVOKED
            else ""
        ),
    }


def _held_groups(subject: Subject) -> list[dict[str, Any]]:
    rows = (
        Batch.objects.filter(subject=subject, state=Batch.State.KEPT)
        .values("app__name", "purpose")
        .annotate(
            n=Count("uuid"), size=Sum("bytes"), oldest=Min("captured_from"), due=Max("due_at")
        )
        .order_by("app__name")
    )
    names = {purpose.pk: purpose_name(purpose) for purpose in Purpose.objects.all()}
    return [
        {
            "app": row["app__name"],
            "purpose": names[row["purpose"]],
            "batches": row["n"],
            "size": row["size"],
            "oldest": row["oldest"],
            "due": row["due"],
        }
        for row in rows
    ]


CAUSES = {
    "withdrawal": gettext_lazy("You took your yes back"),
    "narrowing": gettext_lazy("You chose less than before"),
    "strike": gettext_lazy("You had the last minutes forgotten"),
    "revocation": gettext_lazy("The organisation ended your yes"),
    "protected": gettext_lazy("It was of an app that is never recorded"),
    "expiry": gettext_lazy("Its time was up"),
}


def _deletion(case: DeletionCase) -> dict[str, Any]:
    jobs = list(case.jobs.all())
    certified = [job for job in jobs if job.state == "certified"]
    failed = [job for job in jobs if job.failure]
    done = case.state == DeletionCase.State.DONE
    state = "verified" if done else ("failed" if failed else "running" if jobs else "owed")
    return {
        "cause": CAUSES[case.cause],
        "since": case.opened_at,
        "state": state,
        "done": len(certified),
        "total": len(jobs),
        "failed": _("The last attempt failed; it is tried again by itself.") if failed else "",
    }


LEVELS = {
    "E1": gettext_lazy("the store confirmed it"),
    "E2": gettext_lazy("it cannot be read any more"),
    "E3": gettext_lazy("no byte of it was found in the store"),
    "E4": gettext_lazy("keys and backups are gone too"),
}


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "id": certificate.uuid,
        "at": certificate.recorded_at,
        "what": CAUSES[certificate.job.case.cause],
        "level": certificate.evidence_level,
        "level_text": LEVELS[certificate.evidence_level],
        "nothing_after": certificate.nothing_remains_after,
        "url": reverse("you-certificate", args=[certificate.uuid]),
    }


def _reason(explanation: Any) -> dict[str, Any]:
    places = ", ".join(place_name(code) for code in explanation.jurisdictions)
    return {
        "text": to_you(explanation.code),
        "code": explanation.code,
        "effect": "deny",
        "rule": f"{colon(places)} {rule_label(explanation.rule)}" if explanation.rule else "",
        "sources": [{"text": citation.ref} for citation in explanation.citations],
    }


def _yes_reason(allowed: list[dict[str, Any]]) -> dict[str, Any]:
    apps = len({item["app"] for item in allowed})
    text = ngettext(
        "You said yes to some signals in %(apps)d app.",
        "You said yes to some signals in %(apps)d apps.",
        apps,
    )
    return {
        "text": text % {"apps": apps},
        "code": "consent_given",
        "effect": "allow",
        "rule": "",
        "citation": _("GDPR Art. 6(1)(a), where it applies"),
    }
