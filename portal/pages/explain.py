"""Why one decision is what it is: for the privacy team and auditors, and for each person their own.

Whom it is about is posted, so that no reference stands in an address. A look at somebody else is
recorded before anything is shown, and shows only what is not that person's own matter, unless they
share it; a look at oneself is nobody's access.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from consent.exceptions import NotKnownHere
from consent.models import App, Purpose, Subject
from consent.policy.factsfile import YEARS
from consent.policy.schema import ALL_SIGNALS
from consent.policy.types import NeverSignal, Signal
from consent.selectors.explain import (
    THEIR_OWN,
    Answer,
    Explanation,
    Step,
    explain,
    step_json,
)
from portal.explaining import explain_to_others, is_never
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.pages.groundwords import grounds_in_words, moment
from portal.pages.ledgerwords import NO_REFERENCE
from portal.pages.noticetext import purpose_name
from portal.pages.reasonwords import places, reasons_in_words
from portal.pages.shares import ShareForm, looks_of, shared_with_staff, shares_of
from portal.pages.words import to_you
from portal.people import actor_of, for_area, roles_of, subject_of
from portal.templatetags.words import signal_name

CHANNEL: Final = "page"
ILLEGIBLE: Final = gettext_lazy(
    "What held then is written as an older version wrote it, which this one does not read. So it is"
    " not known what was decided. The policy a machine held still says what was allowed."
)


class QuestionForm(forms.Form):
    """What to explain; of oneself."""

    app = forms.ChoiceField(label=gettext_lazy("App"))
    signal = forms.ChoiceField(label=gettext_lazy("Signal"))
    purpose = forms.ChoiceField(label=gettext_lazy("Purpose"), required=False)
    at = forms.DateTimeField(
        label=gettext_lazy("When (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        published = Purpose.objects.filter(published_at__isnull=False)
        asked = [(purpose.code, purpose_name(purpose)) for purpose in published]
        everyday = [(signal.value, signal_name(signal.value)) for signal in Signal]
        never = [(signal.value, signal_name(signal.value)) for signal in NeverSignal]
        choices: dict[str, list[Any]] = {
            "app": list(App.objects.order_by("name").values_list("code", "name")),
            "signal": [(_("Signals"), everyday), (_("Never recorded"), never)],
            "purpose": [("", _("all")), *asked],
        }
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]

    def clean_at(self) -> datetime | None:
        """Read the instant as UTC, and refuse one of another age."""
        at: datetime | None = self.cleaned_data["at"]
        if at and at.year not in YEARS:
            raise forms.ValidationError(_("This day is too long ago, or too far away."))
        return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


class SubjectForm(QuestionForm):
    """What to explain, and about whom."""

    subject = forms.UUIDField(
        label=gettext_lazy("Reference of the person"),
        error_messages={"invalid": NO_REFERENCE},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("subject", "app", "signal", "purpose", "at")


@for_area("privacy/explain")
@require_http_methods(["GET", "HEAD", "POST"])
def of_others(request: HttpRequest) -> HttpResponse:
    """Ask about a person by their reference; the look is recorded before the answer is shown."""
    form = SubjectForm(request.POST or None)
    found = None
    if request.method == "POST" and form.is_valid():
        try:
            found = explain_to_others(
                subject=_subject(form.cleaned_data["subject"]),
                actor=actor_of(request),
                channel=CHANNEL,
                **_asked(form.cleaned_data),
            )
        except NotKnownHere as refusal:
            form.add_error("subject", str(refusal))
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    context = {
        "crumbs": [crumb("privacy")] if officer else [],
        "shares": shared_with_staff(timezone.now()),
    }
    return _show(request, "privacy/explain.html", form, found, context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_oneself(request: HttpRequest) -> HttpResponse:
    """Ask about oneself; nobody else's access, so nothing is recorded."""
    subject = subject_of(request)
    form = QuestionForm(request.POST or None)
    found = None
    if request.method == "POST" and form.is_valid():
        found = explain(subject, **_asked(form.cleaned_data))
    offered = found is not None and isinstance(found.signal, Signal) and not is_never(found)
    context = {
        "crumbs": [{"label": _("Why?"), "url": reverse("you-why")}],
        "share_form": ShareForm.about(found) if found and offered else None,
        "shares": shares_of(subject, timezone.now()),
        "looks": looks_of(subject),
    }
    return _show(request, "you/explain.html", form, found, context, say=to_you)


def _asked(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "app": said["app"],
        "signal": ALL_SIGNALS[said["signal"]],
        "purpose": said["purpose"] or None,
        "at": said["at"] or timezone.now(),
    }


def _subject(ref: UUID) -> Subject:
    found = Subject.objects.filter(ref=ref).first()
    if found is None:
        raise NotKnownHere(_("Nobody has this reference."))
    return found


def _show(
    request: HttpRequest,
    template: str,
    form: forms.Form,
    found: Explanation | None,
    context: Mapping[str, Any],
    say: Callable[[str], str] | None = None,
) -> HttpResponse:
    told = told_of(found, say) if found else {}
    status = 422 if request.method == "POST" and found is None else 200
    return render(request, template, {"form": form, **context, **told}, status=status)


def told_of(found: Explanation, say: Callable[[str], str] | None = None) -> dict[str, Any]:
    """Return an explanation as `privacy/_explanation.html` shows it.

    `say` turns a reason's code into words for the person; else the core's own words stand.
    """
    pack = found.rulebook
    app = App.objects.filter(code=found.app).values_list("name", flat=True).first()
    return {
        "explained": {
            "whole": found.whole,
            "personal": "" if found.whole else _(THEIR_OWN),
            "app": app or found.app,
            "signal": str(signal_name(found.signal.value)),
            "at": moment(found.at),
            "reconstructed": found.reconstructed,
            "days": ", ".join(moment(day) for day in found.days),
            "illegible": "" if found.legible else ILLEGIBLE,
            "answers": [_answer(answer, found, say) for answer in found.answers],
            "places": _unlinked(places(found.places, pack)) if say else places(found.places, pack),
            "policies": [
                {
                    "version": then.policy.version,
                    "issued": moment(then.policy.issued_at),
                    "until": moment(then.policy.lease_until),
                    "allowed": then.allowed,
                }
                for then in found.policies
            ],
            "pack": pack,
        }
    }


def _answer(answer: Answer, found: Explanation, say: Callable[[str], str] | None) -> dict[str, Any]:
    pack = found.rulebook
    reasons = reasons_in_words([_without_twice(step) for step in answer.steps], pack)
    for reason, step in zip(reasons, answer.steps, strict=True):
        reason["grounds"] = grounds_in_words(step.grounds, pack)
        if say:
            reason |= {"text": say(reason["code"]), "places": _unlinked(reason["places"])}
    return {
        "title": answer.title,
        "permitted": answer.decision.permitted,
        "word": found.word(permitted=answer.decision.permitted),
        "retention_days": answer.decision.retention_days,
        "reasons": reasons,
        "stands": grounds_in_words(answer.stands, pack),
    }


def _without_twice(step: Step) -> dict[str, Any]:
    """Return a reason without the bare code of an agreement that stands among its papers."""
    told = step_json(step)
    if step.grounds:
        told["params"].pop("agreement", None)
    return told


def _unlinked(named: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return places without their address: the rules' own pages are not open to everybody."""
    return [{**place, "url": ""} for place in named]
