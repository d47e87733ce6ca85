"""When recording may begin while a notice period runs, and agreeing that it begins earlier."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from consent import exceptions, selectors, services
from consent.models import ConsentEvent, Notice, Purpose, Subject
from consent.policy.reasons import Explanation
from consent.policy.types import ConsentState
from portal.pages.changes.values import place_name
from portal.pages.dates import day_in_words
from portal.pages.words import refused
from portal.people import subject_of


@login_required
@require_POST
def agree(request: HttpRequest, purpose: str) -> HttpResponse:
    """Record that the person agrees to a shorter notice; it is no answer to it."""
    goal = get_object_or_404(Purpose, code=purpose, published_at__isnull=False)
    notice = selectors.current_notice(goal)
    try:
        if notice is None or request.POST.get("notice_version") != str(notice.version):
            raise exceptions.NoticeOutdated
        services.waive_notice(subject=subject_of(request), notice=notice)
    except exceptions.ConsentError as refusal:
        messages.error(request, refused(refusal))
    else:
        messages.success(
            request, _("Recorded that recording may begin earlier. You can take this back.")
        )
    return redirect("you-decide", purpose=purpose)


@login_required
@require_POST
def wait(request: HttpRequest, purpose: str) -> HttpResponse:
    """Take that back: the notice period counts again."""
    goal = get_object_or_404(Purpose, code=purpose)
    if services.withdraw_notice_waiver(subject=subject_of(request), purpose=goal):
        messages.success(request, _("Taken back. The notice period counts again."))
    else:
        messages.info(request, _("There was nothing to take back."))
    return redirect("you-decide", purpose=purpose)


def beginning_of(subject: Subject, goal: Purpose, notice: Notice) -> dict[str, Any] | None:
    """Return what the page says about the day from which recording may begin; None: no period runs.

    To agree to an earlier one is offered to whoever said yes to this very notice: to anybody else
    nothing could begin.
    """
    waiting = selectors.waiting(subject, at=timezone.now()).get(goal.code)
    if waiting is None:
        return None
    event = selectors.newest_event(subject, goal)
    yes = event is not None and event.state == ConsentState.GIVEN and event.notice_id == notice.pk
    standing = selectors.standing_waiver(subject, notice.pk) if waiting.waived else None
    return {
        "day": waiting.over,
        "days": waiting.days,
        "waivable": waiting.waivable,
        "offered": waiting.waivable and yes,
        "agreed_at": standing.event_time if standing else None,
        "agree_url": reverse("you-begin-earlier", args=[goal.code]),
        "wait_url": reverse("you-begin-in-time", args=[goal.code]),
        "law": _sources(waiting.law),
    }


def begins_in_words(event: ConsentEvent | None, waiting: selectors.Waiting | None) -> str:
    """Return when recording may begin after a yes; nothing where no yes stands, or nobody waits."""
    if waiting is None or event is None or event.state != ConsentState.GIVEN:
        return ""
    words = {"day": day_in_words(waiting.over)}
    if waiting.waived:
        return _("You agreed that recording may begin before %(day)s.") % words
    return _("Nothing is recorded before %(day)s: the notice period is running.") % words


def _sources(law: Explanation) -> list[dict[str, Any]]:
    """Return each place that asks for the period, with where that is written."""
    return [
        {
            "place": place_name(code),
            "refs": [one.ref for one in law.citations if one.jurisdiction == code],
        }
        for code in law.jurisdictions
    ]
