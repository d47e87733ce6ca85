"""What every page needs: the ways through the site for one's roles, and the way to stop."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.demo import progress
from portal.http import is_of_staff
from portal.models import Role, User
from portal.pages.capture import capture_of
from portal.people import AREAS, roles_of, subject_of

AREA_PAGES = (
    ("privacy", "privacy-home"),
    ("audit", "audit-entries"),
    ("council", "council-home"),
    ("registry", "changes"),
    ("stop", "stop"),
    ("releases", "releases-home"),
    ("manager", "manager-home"),
)


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Return the context of every page; without a login, only what is public."""
    context: dict[str, Any] = {
        "version": settings.VERSION,
        "organisation": settings.ORGANISATION,
        "progress": progress.read(),
        "sends_mail": settings.SENDS_MAIL,
        "most_text": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    }
    if not is_of_staff(request.path):
        context |= {"languages": _languages(), "language_url": reverse("set-language")}
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return context
    context["navigation"] = _navigation(request, user)
    if user.subject_id is not None:
        context["capture"] = capture_of(request, subject_of(request))
    return context


def _languages() -> list[dict[str, Any]]:
    now = get_language()
    return [
        {"code": code, "label": label, "current": code == now} for code, label in settings.LANGUAGES
    ]


def _navigation(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    labels = {
        "privacy": _("Privacy"),
        "audit": _("Ledger"),
        "council": _("Works council"),
        "registry": _("Changes"),
        "stop": _("Stop"),
        "releases": _("Releases"),
        "manager": _("Team"),
    }
    roles = roles_of(request)
    pages: list[tuple[str, str]] = []
    if user.subject_id is not None:
        pages.append((_("You"), reverse("you-home")))
    if user.subject_id is not None and not roles:  # others find these on their own first page
        pages += [
            (_("Your data"), reverse("you-data")),
            (_("History"), reverse("you-history")),
            (_("Machines"), reverse("you-machines")),
        ]
    pages += [(labels[area], reverse(name)) for area, name in AREA_PAGES if roles & AREAS[area]]
    if Role.PRIVACY_OFFICER not in roles and roles & AREAS["privacy/explain"]:
        pages.append((_("Explain"), reverse("privacy-explain")))
        pages.append((_("Rules"), reverse("rules-list")))
    if Role.PRIVACY_OFFICER not in roles and roles & AREAS["tickets"]:
        pages.append((_("Tickets"), reverse("tickets")))
    here = request.path
    best = max((url for _label, url in pages if here.startswith(url)), key=len, default="")
    return [{"label": label, "url": url, "current": url == best} for label, url in pages]
