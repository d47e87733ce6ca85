"""Reading a notice and answering it: yes, no or not now, per signal group and app."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from consent import exceptions, selectors, services
from consent.models import Acknowledgement, App, Notice, NoticeText, Purpose, Subject
from consent.notices import REQUIRED_SECTIONS
from consent.policy.clocks import days_at
from consent.policy.types import SIGNAL_GROUPS, ConsentState, Signal, SignalGroup
from consent.rules import rulebook
from consent.services import Pair
from portal.pages.beginning import beginning_of
from portal.pages.noticetext import purpose_in_words, text_of
from portal.pages.words import refused, to_you
from portal.people import subject_of

GROUP_NAMES = {group.value for group in SignalGroup}
SENSITIVE = {SignalGroup.TYPED_TEXT, SignalGroup.SCREEN_PICTURES, SignalGroup.MESSAGES}
# Reasons that a person can change by answering; they never make a switch unavailable.
MINE_TO_CHANGE = {
    "no_consent",
    "signal_not_consented",
    "listed_anew_reconsent",
    "notice_changed_reconsent",
    "consent_expired",
    "acknowledgement_missing",
    "paused",
    "agent_not_active",
    "gates_open",
    "notice_period_running",
    "consent_not_yet_given",
}

NOTHING_TO_CHOOSE = gettext_noop(
    "Nothing of this can be recorded of you at present, so there is nothing to say yes to. "
    "The reasons stand below. You can still answer No or Not now."
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, purpose: str) -> HttpResponse:
    """Show the notice and the choices, or store the answer and show its receipt."""
    subject = subject_of(request)
    goal = get_object_or_404(Purpose, code=purpose, published_at__isnull=False)
    notice = selectors.current_notice(goal)
    if notice is None:
        raise Http404
    if request.method != "POST":
        return render(request, "you/decide.html", _context(request, subject, goal, notice))
    try:
        event = _answer(request, subject, goal, notice)
    except exceptions.ConsentError as refusal:
        context = _context(
            request, subject, goal, notice, chosen=set(request.POST.getlist("scope"))
        )
        if isinstance(refusal, exceptions.NothingChosen):
            context["unchosen"] = refused(refusal)
        else:
            messages.error(request, refused(refusal))
        return render(request, "you/decide.html", context, status=422)
    messages.success(request, _("Stored. Here is your copy."))
    return redirect("you-receipt", uuid=event.uuid)


@login_required
@require_POST
def acknowledge(request: HttpRequest, purpose: str) -> HttpResponse:
    """Record that the person received the notice; it is no answer to it."""
    goal = get_object_or_404(Purpose, code=purpose)
    version = request.POST.get("notice_version", "")
    published = {str(n.version): n for n in goal.notices.filter(published_at__isnull=False)}
    notice = published.get(version)
    if notice is None:
        raise Http404
    services.acknowledge_notice(subject=subject_of(request), notice=notice)
    messages.success(request, _("Recorded that you received the notice. This is not a yes."))
    return redirect("you-decide", purpose=purpose)


@login_required
@require_safe
def notice_page(request: HttpRequest, uuid: str) -> HttpResponse:
    """A published notice on a page of its own, in whatever version was shown."""
    notice = get_object_or_404(Notice, uuid=uuid, published_at__isnull=False)
    text = text_of(notice, get_language())
    return render(
        request,
        "you/notice.html",
        {
            "notice": notice,
            "text": text,
            "parts": [
                {"heading": _(heading), "text": text.sections.get(code, "")}
                for code, heading in REQUIRED_SECTIONS
            ],
        },
    )


def _answer(request: HttpRequest, subject: Subject, goal: Purpose, notice: Notice) -> Any:
    if request.POST.get("notice_version") != str(notice.version):
        raise exceptions.NoticeOutdated
    language = text_of(notice, get_language()).language
    match request.POST.get("answer"):
        case "yes":
            pairs = _pairs(request.POST.getlist("scope"), goal)
            return services.give_consent(
                subject=subject, purpose=goal.code, notice=notice, pairs=pairs, language=language
            )
        case "no" | "later" as said:
            return services.decline_consent(
                subject=subject,
                purpose=goal.code,
                notice=notice,
                deferred=said == "later",
                language=language,
            )
        case _:
            raise exceptions.AnswerUnclear


def _pairs(values: Iterable[str], goal: Purpose) -> list[Pair]:
    """Turn `app:group` switches into pairs: of each group, what the purpose asks of that app."""
    offered = selectors.offered_pairs(goal)
    pairs = []
    for value in values:
        app, _colon, group = value.partition(":")
        if group not in GROUP_NAMES:
            raise exceptions.NotOffered
        wanted = [s for s in SIGNAL_GROUPS[SignalGroup(group)] if (app, s) in offered]
        if not wanted:
            raise exceptions.NotOffered
        pairs += [Pair(app, signal) for signal in wanted]
    return pairs


def _context(
    request: HttpRequest,
    subject: Subject,
    goal: Purpose,
    notice: Notice,
    chosen: set[str] | None = None,
) -> dict[str, Any]:
    text = text_of(notice, get_language())
    event = selectors.newest_event(subject, goal)
    groups = _groups(subject, goal, chosen)
    return {
        "purpose": {"name": purpose_in_words(goal, notice)[0]},
        "state": event.state if event else ConsentState.UNKNOWN.value,
        "answer_url": request.path,
        "notice": _notice(notice, text),
        "pressure_contact": settings.PRIVACY_CONTACT,
        "groups": groups,
        "cannot": "" if any(group["apps"] for group in groups) else _(NOTHING_TO_CHOOSE),
        "acknowledge": _acknowledge(subject, goal, notice),
        "beginning": beginning_of(subject, goal, notice),
    }


def _notice(notice: Notice, text: NoticeText) -> dict[str, Any]:
    says = text.sections
    return {
        "version": notice.version,
        "language": text.language,
        "published": notice.published_at,
        "controller": says["controller"],
        "why": says["purpose"],
        "what": says["signals"],
        "how_long": says["retention"],
        "recipients": says["recipients"],
        "rights": says["rights"],
        "withdraw": says["withdrawal"],
        "full": [{"heading": _(h), "text": says.get(code, "")} for code, h in REQUIRED_SECTIONS],
        "url": reverse("you-notice", args=[notice.uuid]),
    }


def _groups(subject: Subject, goal: Purpose, chosen: set[str] | None) -> list[dict[str, Any]]:
    """Return the switches: per group the apps that can be chosen, and why the others cannot.

    What no answer could make effective has no switch; each reason is said once, for all its apps.
    """
    offered = selectors.offered_pairs(goal)
    on, anew = _switched_on(subject, goal)
    on = on if chosen is None else chosen
    names = dict(App.objects.values_list("code", "name"))
    blocked = _blocked(subject, goal)
    groups = []
    for group, signals in SIGNAL_GROUPS.items():
        apps = sorted({app for app, signal in offered if signal in signals}, key=names.__getitem__)
        if not apps:
            continue
        asked = [s for s in signals if any((app, s) in offered for app in apps)]
        why = {app: blocked.get((app, group), "") for app in apps}
        groups.append(
            {
                "key": group.value,
                "signals": [signal.value for signal in asked],
                "days": goal.retention_days,
                "sensitive": group in SENSITIVE,
                "apps": [
                    {
                        "name": names[app],
                        "value": f"{app}:{group}",
                        "checked": f"{app}:{group}" in on,
                        "anew": f"{app}:{group}" in anew,
                    }
                    for app in apps
                    if not why[app]
                ],
                "closed": [
                    {"reason": reason, "apps": [names[app] for app in apps if why[app] == reason]}
                    for reason in dict.fromkeys(filter(None, why.values()))
                ],
            }
        )
    return groups


def _switched_on(subject: Subject, goal: Purpose) -> tuple[set[str], set[str]]:
    """Return the switches that are on, and those that are off until they are answered anew.

    Where part of what a switch stands for was taken off the list since, the yes of then does not
    count for it: no box is ticked for what the person has not agreed to.
    """
    event = selectors.newest_event(subject, goal)
    if event is None or event.state != ConsentState.GIVEN:
        return set(), set()
    counting = selectors.covered_now(event)
    offered = selectors.offered_pairs(goal)
    lapsed = (selectors.scopes_of([event])[event.pk] - counting) & offered
    anew = {f"{app}:{_group_of(signal)}" for app, signal in lapsed}
    return {f"{app}:{_group_of(signal)}" for app, signal in counting} - anew, anew


def _group_of(signal: Signal) -> SignalGroup:
    return next(group for group, signals in SIGNAL_GROUPS.items() if signal in signals)


def _blocked(subject: Subject, goal: Purpose) -> dict[tuple[str, SignalGroup], str]:
    """Return the switches that no answer could make effective, each with the reason in words."""
    open_pairs: set[tuple[str, SignalGroup]] = set()
    why: dict[tuple[str, SignalGroup], str] = {}
    offered = selectors.offered_pairs(goal)
    for pair in selectors.verdicts_for(subject, at=timezone.now()).pairs:
        if pair.purpose != goal.code or (pair.app, pair.signal) not in offered:
            continue
        key = (pair.app, _group_of(pair.signal))
        fixed = [
            code for code in pair.decision.codes if code.partition(":")[0] not in MINE_TO_CHANGE
        ]
        if fixed:
            why.setdefault(key, to_you(fixed[0]))
        else:
            open_pairs.add(key)
    return {key: reason for key, reason in why.items() if key not in open_pairs}


def _acknowledge(subject: Subject, goal: Purpose, notice: Notice) -> dict[str, Any] | None:
    codes = subject.cohort.facts["jurisdictions"] if subject.cohort else []
    rules, days = rulebook(), days_at(codes, timezone.now())
    laws = [bounds for day in days if (bounds := rules.law(codes, day).bounds)]
    if not any(bounds.acknowledgement_required for bounds in laws):
        return None
    done = Acknowledgement.objects.filter(subject=subject, notice=notice).first()
    return {
        "url": reverse("you-acknowledge", args=[goal.code]),
        "done_at": done.recorded_at if done else None,
    }
