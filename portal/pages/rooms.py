"""The rooms of the privacy team, the council and auditors, as far as somebody's roles open them."""

from typing import Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.people import AREAS, roles_of

ROOMS: Final[tuple[tuple[str, str, str | Promise, str | Promise], ...]] = (
    ("registry", "changes", _("Changes"), _("What is proposed, its effect, and who agreed")),
    ("registry", "apps", _("Apps"), _("Which apps are known, and what purposes may ask of them")),
    ("registry", "gates", _("Required steps"), _("What must come first in each place")),
    ("registry", "agreements", _("Agreements"), _("The caps agreed with representatives")),
    ("registry", "hours", _("Working hours"), _("When nothing is recorded, and for whom")),
    ("privacy/rules", "rules-list", _("Rules"), _("What the law of each place says, with sources")),
    (
        "privacy/readiness",
        "privacy-readiness",
        _("Readiness"),
        _("Who may be asked, and who waits for what"),
    ),
    ("privacy", "privacy-people", _("People"), _("Where somebody works, lives and travels")),
    ("privacy/explain", "privacy-explain", _("Explain"), _("Why one decision is what it is")),
    ("privacy/what-if", "privacy-whatif", _("What if"), _("Try the rules on imaginary people")),
    ("privacy", "privacy-incidents", _("Incidents"), _("Captured where no lease allowed it")),
    ("privacy", "privacy-reports", _("Reports"), _("Figures of groups to download")),
    ("tickets", "tickets", _("Tickets"), _("Let machines of a fleet ask to be enrolled")),
    ("council", "council-seats", _("Council seats"), _("Who speaks for the council of which unit")),
    ("stop", "stop", _("Stop for everybody"), _("One person stops, two release")),
)


def rooms_of(request: HttpRequest) -> list[dict[str, str]]:
    """Return label, text and address of each room that is open to whoever asks."""
    roles = roles_of(request)
    return [
        {"label": str(label), "text": str(text), "url": reverse(name)}
        for area, name, label, text in ROOMS
        if roles & AREAS[area]
    ]
