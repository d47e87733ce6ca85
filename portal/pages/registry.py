"""The registry of apps: what may be recognised, of which kind, and what was reported."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit.ledger import Actor
from consent import services
from consent.models import App, Purpose
from consent.policy.types import AppCategory, DataOf
from portal.models import Role
from portal.pages.changes import fields
from portal.pages.crumbs import crumb
from portal.people import actor_of, for_area, roles_of, subject_of, user_of
from portal.templatetags.words import SIGNALS, plain


class AppFilter(forms.Form):
    """What to show of the registry."""

    name = forms.CharField(label=gettext_lazy("Name contains"), required=False, max_length=60)
    category = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=[("", gettext_lazy("all")), *((c.value, plain(c.value)) for c in AppCategory)],
    )


class ReportForm(forms.Form):
    """An app that shows what must never be recorded."""

    app = fields.apps()
    suspected = forms.ChoiceField(
        label=gettext_lazy("What it shows"),
        choices=fields.PROTECTED,
    )


@for_area("registry")
@require_safe
def apps(request: HttpRequest) -> HttpResponse:
    """List the apps, with their kind and how many purposes may ask for them."""
    form = AppFilter(request.GET or None)
    found = App.objects.annotate(
        purposes=Count(
            "allowlist__purpose", filter=Q(allowlist__delisted_at__isnull=True), distinct=True
        )
    )
    if form.is_valid():
        found = found.filter(name__icontains=form.cleaned_data["name"])
        if category := form.cleaned_data["category"]:
            found = found.filter(category=category)
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    context = {
        "title": _("Apps"),
        "lead": _("An app that is not listed here, or not for a purpose, is never recorded."),
        "crumbs": [crumb("privacy")] if officer else [],
        "filter_form": form,
        "add_url": reverse("change-new", args=["app.list"]) if officer else "",
        "add": _("Propose an app"),
        "others_url": reverse("catalogue"),
        "others": _("Look in the catalogue"),
        "caption": _("Apps"),
        "empty": _("No app matches."),
        "columns": [
            {"label": _("App")},
            {"label": _("Kind")},
            {"label": _("Shows data of")},
            {"label": _("Purposes"), "num": True},
            {"label": _("State")},
        ],
        "rows": [
            [
                {"text": app.name, "url": reverse("app", args=[app.code])},
                {"text": plain(app.category)},
                {"text": plain(app.data_of)},
                {"text": app.purposes},
                _state(app),
            ]
            for app in found.order_by("name")
        ],
    }
    return render(request, "pages/table.html", context)


@for_area("registry")
@require_safe
def app(request: HttpRequest, code: str) -> HttpResponse:
    """Show one app: its marks, whose data it shows, and which purposes may ask for what."""
    found = App.objects.prefetch_related("matchers").filter(code=code).first()
    if found is None:
        raise Http404
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    return render(
        request,
        "privacy/app.html",
        {
            "app": found,
            "state": _state(found),
            "facts": _facts(found),
            "matchers": [
                {"platform": m.platform, "kind": plain(m.kind), "value": m.value}
                for m in found.matchers.order_by("platform", "kind", "value")
            ],
            "purposes": _purposes(found),
            "officer": officer,
            "change_urls": (_changes(found) if officer else []) + _report(found),
            "crumbs": [crumb("apps")],
        },
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """Let anyone who is signed in report an app; it is blocked before they see the answer."""
    reporter = _reporter(request)
    back = "you-home" if user_of(request).subject_id else "home"
    form = ReportForm(request.POST or None, initial={"app": request.GET.get("app")})
    if request.method == "POST" and form.is_valid():
        services.report_app(
            app=form.cleaned_data["app"],
            suspected=AppCategory(form.cleaned_data["suspected"]),
            reporter=UUID(reporter.ref),
            actor=reporter,
        )
        messages.success(
            request, _("Thank you. The app is blocked for everybody until this is settled.")
        )
        return redirect(back)
    context = {
        "title": _("Report an app"),
        "lead": _("Does an app show health, banking, personal or other protected things?"),
        "note": _(
            "Your report blocks the app at once, for everybody. Managers do not learn who reported."
        ),
        "form": form,
        "submit": _("Report and block"),
        "back_url": reverse(back),
    }
    return render(request, "pages/form.html", context, status=422 if form.errors else 200)


def _reporter(request: HttpRequest) -> Actor:
    """Return who reports: an employee as themselves, anybody else as staff, such as an auditor."""
    if user_of(request).subject_id is None:
        return actor_of(request)
    return Actor.subject(subject_of(request).ref)


def _state(app: App) -> dict[str, Any]:
    if app.never:
        return {"state": "never", "text": _("Never recorded"), "tone": "off"}
    if app.blocked_at:
        return {"state": "blocked"}
    if app.category == AppCategory.UNKNOWN:
        return {"state": "unknown", "text": _("Kind unknown: denied"), "tone": "wait"}
    return {"state": "active", "text": _("May be listed"), "tone": "good"}


def _facts(app: App) -> list[dict[str, Any]]:
    facts = [
        {"label": _("Kind"), "text": plain(app.category)},
        {"label": _("Shows data of"), "text": plain(app.data_of)},
    ]
    if app.data_of == DataOf.OWN:  # nobody else's words are in it
        return facts
    others = app.counterparties
    return [
        *facts,
        {
            "label": _("Other people are in"),
            "text": _("not known: their words are denied")
            if others is None
            else ", ".join(others) or _("nowhere"),
        },
        {
            "label": _("Their words"),
            "text": _("to be masked, which no agent does yet: not recorded")
            if app.counterparties_masked
            else _("not masked: not recorded"),
        },
    ]


def _purposes(app: App) -> list[dict[str, Any]]:
    found: dict[Purpose, list[str]] = {}
    entries = app.allowlist.filter(delisted_at__isnull=True).select_related("purpose")
    for entry in entries.order_by("purpose__position", "signal"):
        found.setdefault(entry.purpose, []).append(str(SIGNALS.get(entry.signal, entry.signal)))
    return [{"name": purpose.title, "signals": signals} for purpose, signals in found.items()]


def _report(app: App) -> list[dict[str, str]]:
    if app.never:
        return []
    return [
        {"label": _("Report it"), "url": f"{reverse('report-app')}?{urlencode({'app': app.code})}"}
    ]


def _changes(app: App) -> list[dict[str, str]]:
    kinds = [("app.change", _("Propose a change")), ("allowlist.change", _("Change who may ask"))]
    if app.blocked_at:
        kinds.append(("app.unblock", _("Propose to unblock")))
    query = urlencode({"app": app.code})
    return [
        {"label": label, "url": f"{reverse('change-new', args=[kind])}?{query}"}
        for kind, label in kinds
    ]
