"""The privacy team's overview and its reports; no figure speaks of fewer than a group of people."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit import reports as reporting
from consent import hooks
from consent.models import Proposal
from portal import figures
from portal.pages.changes import views as changes
from portal.pages.crumbs import crumb
from portal.pages.dates import day_in_words, refuse_odd_days
from portal.pages.rooms import rooms_of
from portal.people import for_area, roles_of, staff_ref
from portal.reporting import SOURCES, TITLES, kinds_for


class ReportForm(forms.Form):
    """Which report, about which days."""

    kind = forms.ChoiceField(label=gettext_lazy("Report"))
    since = forms.DateField(
        label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=gettext_lazy("Until (included)"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, kinds: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(kind, TITLES[kind]) for kind in kinds]

    def clean(self) -> dict[str, Any]:
        """Refuse a period that runs backwards, and days of another age."""
        said: dict[str, Any] = super().clean() or {}
        refuse_odd_days(self, ("since", "until"))
        if said.get("since") and said.get("until") and said["until"] < said["since"]:
            self.add_error("until", _("This day lies before the first one."))
        return said


@for_area("privacy")
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What needs somebody first, then figures about groups."""
    return render(
        request,
        "privacy/home.html",
        {
            "todo": figures.todo(),
            "figures": figures.overview(),
            "answers": figures.answers(),
            "deletions": figures.deletions_by_week(),
            "proposals": [
                changes.line(proposal)
                for proposal in Proposal.objects.filter(state=Proposal.State.OPEN).order_by("pk")
            ],
            "rooms": rooms_of(request),
            "smallest_group": settings.SMALLEST_GROUP,
        },
    )


@for_area("privacy")
@require_http_methods(["GET", "HEAD", "POST"])
def reports(request: HttpRequest) -> HttpResponse:
    """Ask for a report, and list those asked for."""
    today = timezone.now().date()
    first = {
        "since": today - timedelta(days=30),
        "until": today,
        "kind": request.GET.get("kind", ""),
    }
    form = ReportForm(request.POST or None, initial=first, kinds=kinds_for(roles_of(request)))
    if request.method == "POST" and form.is_valid():
        _request(form.cleaned_data, staff_ref(request))
        messages.success(
            request, _("The report is being written. It stands in the list as soon as it is ready.")
        )
        return redirect("privacy-reports")
    status = 422 if request.method == "POST" else 200
    context = {
        "form": form,
        "reports": _listed(request),
        "pager": {},
        "crumbs": [crumb("privacy")],
    }
    return render(request, "privacy/reports.html", context, status=status)


@for_area("privacy")
@require_safe
def report_row(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One report of the list, for the page to ask again while it is being written."""
    for report in _listed(request):
        if report["id"] == uuid:
            return render(request, "privacy/_report.html", {"report": report})
    raise Http404


CONTENT_TYPES = {"pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}


@for_area("privacy")
@require_safe
def report_file(request: HttpRequest, uuid: UUID, form: str) -> HttpResponse:
    """Hand out a finished report; that it was taken is recorded first."""
    if form not in CONTENT_TYPES:
        raise Http404
    if uuid not in {report["id"] for report in _listed(request)}:
        raise Http404
    try:
        found = reporting.file_for_download(uuid, form, staff_ref(request))
    except reporting.ReportError as refusal:
        raise Http404(str(refusal)) from refusal
    response = HttpResponse(bytes(found.content), content_type=CONTENT_TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{found.name}"'
    return response


def _request(said: dict[str, Any], asked_by: UUID) -> None:
    with transaction.atomic():
        reporting.request_report(
            kind=said["kind"],
            title=TITLES[said["kind"]],
            period_from=_start(said["since"]),
            period_until=_start(said["until"]) + timedelta(days=1),
            params={},
            requested_by=asked_by,
            sources=SOURCES,
        )
        transaction.on_commit(hooks.work_owed)


def _start(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _period(begins: datetime | None, ends: datetime | None) -> str:
    """Return the first and the last day that a report is about; nothing for one without."""
    if begins is None or ends is None:
        return ""
    last = ends - timedelta(days=1)
    return _("%(first)s to %(last)s") % {"first": day_in_words(begins), "last": day_in_words(last)}


def _listed(request: HttpRequest) -> list[dict[str, Any]]:
    listed = []
    for report in reporting.newest_reports(limit=30, kinds=kinds_for(roles_of(request))):
        ready = report.state == "ready"
        listed.append(
            {
                "id": report.uuid,
                "name": report.title,
                "period": _period(report.period_from, report.period_until),
                "asked_at": report.requested_at,
                "state": {"requested": "queued", "rendering": "running"}.get(
                    report.state, report.state
                ),
                "failure": str(reporting.FAILURES.get(report.failure, report.failure)),
                "pdf_url": _file(report.uuid, "pdf") if ready else "",
                "csv_url": _file(report.uuid, "csv") if ready else "",
                "progress_url": "" if ready else reverse("privacy-report-row", args=[report.uuid]),
            }
        )
    return listed


def _file(uuid: UUID, form: str) -> str:
    return reverse("privacy-report-file", args=[uuid, form])
