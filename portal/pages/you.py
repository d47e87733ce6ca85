"""The employee's first page, why nothing or something is recorded, and the ways to stop."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from consent import selectors, services
from consent.models import ConsentEvent, Purpose, Subject
from consent.policy.asking import A_NO
from consent.policy.reasons import explain
from consent.policy.types import ConsentState
from portal.pages.beginning import begins_in_words
from portal.pages.capture import capture_of
from portal.pages.changes.values import place_name
from portal.pages.dates import day_in_words
from portal.pages.history import EVER, decisions_of
from portal.pages.holdings import held_of
from portal.pages.machines import machines_of
from portal.pages.noticetext import purpose_in_words
from portal.pages.reasonwords import rule_label
from portal.pages.words import to_you
from portal.people import subject_of
from portal.templatetags.words import colon

OPEN_STATES = {ConsentState.UNKNOWN, ConsentState.REQUESTED, ConsentState.DEFERRED}
RECENT = 5
FORGET_MINUTES = 10


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
            **machines_of(request, subject, most=RECENT),
            "machines_url": reverse("you-machines"),
            "held": held_of(subject),
            "data_url": reverse("you-data"),
            "events": decisions_of(subject, before=EVER, most=RECENT),
            "history_url": reverse("you-history"),
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
