"""Where a page stands: the pages above it."""

from django.urls import reverse
from django.utils.translation import gettext as _


def crumb(name: str) -> dict[str, str]:
    """Return the label and address of a page that others stand under."""
    labels = {
        "privacy": (_("Privacy"), "privacy-home"),
        "apps": (_("Apps"), "apps"),
        "changes": (_("Changes"), "changes"),
        "agreements": (_("Agreements"), "agreements"),
        "tickets": (_("Tickets"), "tickets"),
        "council": (_("Works council"), "council-home"),
        "ledger": (_("Ledger"), "audit-entries"),
        "history": (_("Your history"), "you-history"),
        "data": (_("Your data"), "you-data"),
        "machines": (_("Your machines"), "you-machines"),
    }
    label, url = labels[name]
    return {"label": label, "url": reverse(url)}
