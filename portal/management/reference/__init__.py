"""The reference pages of docs/, each made from the code that it is about."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from portal.management.reference.commands import commands
from portal.management.reference.conformance import conformance
from portal.management.reference.errors import errors
from portal.management.reference.rights import roles
from portal.management.reference.variables import variables
from portal.management.reference.words import ledger, signals

FOLDER: Final[Path] = settings.BASE_DIR / "docs" / "reference"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "errors.md": errors,
    "events.md": ledger,
    "signals-and-states.md": signals,
    "roles.md": roles,
    "commands.md": commands,
    "conformance.md": conformance,
    "settings.md": variables,
}


def stale_pages() -> Iterator[str]:
    """Yield the name of each page whose file is missing or says something else than the code."""
    for name, page in PAGES.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != page():
            yield name
