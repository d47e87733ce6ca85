"""The dated facts about a person: for privacy officers to keep, and for the person to see.

Whom it is about is posted, so that no reference stands in an address. An officer's look is recorded
before anything is shown.
"""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from consent import services
from consent.exceptions import ConsentError
from consent.models import FactDoubt, Subject, SubjectFact
from consent.policy.clocks import days_at
from portal import personfacts
from portal.pages.changes.values import place_name
from portal.pages.crumbs import crumb
from portal.people import actor_of, for_area, staff_ref, subject_of
from portal.personfacts import KINDS, FactForm, Turn

CHANNEL: Final = "page"


class FindForm(forms.Form):
    """Whose facts."""

    person = forms.CharField(
        label=gettext_lazy("Login address or reference"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class EndForm(forms.Form):
    """Which fact ends, and on which day it no longer holds."""

    fact = forms.IntegerField()
    valid_until = forms.DateField()


class SettleForm(forms.Form):
    """How a doubt ended."""

    doubt = forms.UUIDField()
    outcome = forms.ChoiceField(choices=FactDoubt.Outcome.choices)


class DoubtForm(forms.Form):
    """Which of one's own facts is wrong, and how."""

    fact = forms.IntegerField()
    note = forms.CharField(max_length=500, required=False)


@for_area("privacy")
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    """Find a person; see, add and end what is recorded; settle what they say is wrong."""
    if request.method != "POST":
        return _page(request, {"find": FindForm()})
    find = FindForm(request.POST)
    if not find.is_valid():
        return _page(request, {"find": find}, status=422)
    try:
        subject = personfacts.find_person(find.cleaned_data["person"])
    except ConsentError as refusal:
        find.add_error("person", f"{refusal.detail} {refusal.next_step}")
        return _page(request, {"find": find}, status=422)
    return _person(request, subject)


def _person(request: HttpRequest, subject: Subject) -> HttpResponse:
    """Do what was asked about a person, and show what then stands."""
    act = ACTS.get(request.POST.get("act", ""), _look)
    told = act(request, subject)
    rows = personfacts.looked_at(subject, actor=actor_of(request), channel=CHANNEL)
    now = timezone.now()
    context = {
        "find": FindForm(),
        "person": str(subject.ref),
        "facts": [_fact(row) for row in rows],
        "turns": _turns(personfacts.turns(subject, at=now)),
        "today": now.date(),
        "form": FactForm(initial={"valid_from": now.date()}),
        **told,
    }
    return _page(request, context, status=422 if told.get("refused") else 200)


def _page(request: HttpRequest, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    waiting = FactDoubt.objects.filter(settled_at__isnull=True).select_related("fact__subject")
    listed = {
        "doubts": [
            {"ref": str(doubt.fact.subject.ref), "at": doubt.recorded_at}
            for doubt in waiting.order_by("pk")
        ],
        "crumbs": [crumb("privacy")],
    }
    return render(request, "privacy/people.html", {**listed, **context}, status=status)


def _look(_request: HttpRequest, _subject: Subject) -> dict[str, Any]:
    return {}


def _add(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    return _written(request, subject, keep=True)


def _preview(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    return _written(request, subject, keep=False)


def _written(request: HttpRequest, subject: Subject, *, keep: bool) -> dict[str, Any]:
    """Record the fact in the form, or only say what it would mean; what was typed stays."""
    form = FactForm(request.POST)
    if not form.is_valid():
        return {"form": form, "refused": True}
    try:
        if not keep:
            now = timezone.now()
            found = personfacts.turns_with(
                subject, form.cleaned_data, actor=actor_of(request), at=now
            )
            return {"form": form, "preview": _turns(found)}
        personfacts.record(subject, form.cleaned_data, actor=actor_of(request))
    except ConsentError as refusal:
        form.add_error(None, f"{refusal.detail} {refusal.next_step}")
        return {"form": form, "refused": True}
    messages.success(request, _("Recorded. The rules follow at once."))
    return {}


def _end(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    form = EndForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose the day on which the fact no longer holds."))
        return {"refused": True}
    fact = _own(subject, form.cleaned_data["fact"])
    try:
        services.end_fact(
            fact=fact, valid_until=form.cleaned_data["valid_until"], actor=actor_of(request)
        )
    except ConsentError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
        return {"refused": True}
    subject.refresh_from_db()
    messages.success(request, _("Ended. The rules follow on that day."))
    return {}


def _settle(request: HttpRequest, subject: Subject) -> dict[str, Any]:
    form = SettleForm(request.POST)
    doubt = (
        FactDoubt.objects.filter(uuid=form.cleaned_data["doubt"], fact__subject=subject).first()
        if form.is_valid()
        else None
    )
    if doubt is None:
        raise Http404
    outcome = FactDoubt.Outcome(form.cleaned_data["outcome"])
    services.settle_doubt(doubt=doubt, outcome=outcome, by=staff_ref(request))
    messages.success(request, _("Settled. The person sees it on their own page."))
    return {}


ACTS: Final = {"add": _add, "preview": _preview, "end": _end, "settle": _settle}
"""What a form of the page may ask for; anything else is a look."""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_oneself(request: HttpRequest) -> HttpResponse:
    """Show a person their own facts, and take down which they call wrong."""
    subject = subject_of(request)
    if request.method == "POST":
        return _doubt(request, subject)
    context = {
        "facts": [_fact(row) for row in personfacts.facts_of(subject)],
        "turns": _turns(personfacts.turns(subject, at=timezone.now())),
        "crumbs": [{"label": _("You"), "url": reverse("you-home")}],
    }
    return render(request, "you/facts.html", context)


def _doubt(request: HttpRequest, subject: Subject) -> HttpResponse:
    form = DoubtForm(request.POST)
    if form.is_valid():
        fact = _own(subject, form.cleaned_data["fact"])
        services.doubt_fact(fact=fact, note=form.cleaned_data["note"])
        messages.success(request, _("The privacy team has your note. Nothing changes until then."))
    else:
        messages.error(request, _("A note has at most 500 characters. Nothing was stored."))
    return redirect("you-facts")


def _own(subject: Subject, number: int) -> SubjectFact:
    """Return one of the person's own facts; a number of anybody else's leads nowhere."""
    found = subject.facts.filter(pk=number).first()
    if found is None:
        raise Http404
    return found


def _fact(row: SubjectFact) -> dict[str, Any]:
    """Return a fact as both pages show it."""
    # Of a place, by its own clocks.
    places = [row.value] if row.kind in SubjectFact.JURISDICTION_KINDS else []
    days = days_at(places, timezone.now())
    over = row.valid_until is not None and row.valid_until <= days[0]
    doubts = sorted(row.doubts.all(), key=lambda doubt: doubt.pk)
    return {
        "number": row.pk,
        "kind": KINDS[row.kind],
        "value": place_name(row.value) if row.kind in SubjectFact.JURISDICTION_KINDS else row.value,
        "since": row.valid_from,
        "until": row.valid_until,
        "source": row.source,
        "recorded_at": row.recorded_at,
        "never": row.valid_until == row.valid_from,
        "over": over,
        "ahead": not over and row.valid_from > days[-1],
        "doubts": [_told(doubt) for doubt in doubts],
        "open_doubt": next((doubt for doubt in doubts if not doubt.settled_at), None),
    }


def _told(doubt: FactDoubt) -> dict[str, Any]:
    outcomes = {"corrected": _("corrected"), "stands": _("it stands")}
    return {
        "uuid": doubt.uuid,
        "note": doubt.note,
        "at": doubt.recorded_at,
        "settled_at": doubt.settled_at,
        "outcome": outcomes.get(doubt.outcome, ""),
    }


def _turns(found: list[Turn]) -> list[dict[str, Any]]:
    return [
        {
            "day": turn.day,
            "today": number == 0,
            "places": [place_name(code) for code in turn.places],
            "sites": turn.sites,
        }
        for number, turn in enumerate(found)
    ]
