"""The catalogue that ships with the product, to search: what an app is before it is listed."""

from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consent.catalogue import KnownApp, known_apps
from consent.models import App
from consent.policy.types import NEVER_CATEGORIES
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.pages.registry import AppFilter
from portal.people import for_area, roles_of
from portal.templatetags.words import plain

SHOWN: Final = 50


@for_area("registry")
@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """List what matches, at most a page of it; being in the catalogue lists and allows nothing."""
    form = AppFilter(request.GET or None)
    said = form.cleaned_data if form.is_valid() else {"name": "", "category": ""}
    found = [app for app in known_apps() if _matches(app, said["name"], said["category"])]
    found.sort(key=lambda app: app.name.casefold())
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    listed = set(App.objects.values_list("code", flat=True))
    first = _first(request.GET.get("first", ""))
    shown = found[first : first + SHOWN]
    context = {
        "title": _("Catalogue of known apps"),
        "lead": _("What ships with this version. To stand here lists nothing and allows nothing."),
        "crumbs": [crumb("apps")],
        "filter_form": form,
        "caption": _("Known apps"),
        "note": _("%(shown)d of %(all)d") % {"shown": len(shown), "all": len(found)},
        "pager": _pager(request, first, len(found)),
        "empty": _("No app matches."),
        "columns": [
            {"label": _("App")},
            {"label": _("Kind")},
            {"label": _("Shows data of")},
            {"label": _("State")},
        ],
        "rows": [_row(app, listed, officer=officer) for app in shown],
    }
    return render(request, "pages/table.html", context)


def _first(given: str) -> int:
    """Read which app a page begins with; what is no number begins with the first."""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 0


def _pager(request: HttpRequest, first: int, found: int) -> dict[str, Any]:
    """Return the ways to the first page and to the next one, with what is searched for."""
    said = {name: request.GET[name] for name in ("name", "category") if request.GET.get(name)}
    more = urlencode({**said, "first": first + SHOWN})
    return {
        "is_forward": True,
        "newest_url": f"?{urlencode(said)}" if first else "",
        "older_url": f"?{more}" if first + SHOWN < found else "",
    }


def _matches(app: KnownApp, words: str, category: str) -> bool:
    """Say whether the name, the code or a mark holds the words, and the kind is the one asked."""
    if category and app.category.value != category:
        return False
    told = (app.name, app.code, *(value for _platform, _kind, value in app.matchers))
    return any(words.casefold() in text.casefold() for text in told)


def _row(app: KnownApp, listed: set[str], *, officer: bool) -> list[dict[str, Any]]:
    return [
        {"text": app.name},
        {"text": plain(app.category.value)},
        {"text": plain(app.data_of.value)},
        _state(app, listed, officer=officer),
    ]


def _state(app: KnownApp, listed: set[str], *, officer: bool) -> dict[str, Any]:
    if app.code in listed:
        return {"text": _("Listed"), "url": reverse("app", args=[app.code])}
    if app.category in NEVER_CATEGORIES:
        return {"state": "never", "text": _("Never recorded"), "tone": "off"}
    if not officer:
        return {"state": "unknown", "text": _("Not listed"), "tone": "off"}
    query = urlencode({"known": app.code})
    return {
        "text": _("Propose it"),
        "url": f"{reverse('change-new', args=['app.list'])}?{query}",
        "spoken": app.name,
    }
