"""`reference`: writes docs/reference/ from the code, so that it says what the code does."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.management.reference import FOLDER, PAGES, stale_pages


class Command(BaseCommand):
    """Writes the pages, or with --check only says which are stale."""

    help = "Write docs/reference/ anew from the code."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --check."""
        parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")

    def handle(self, *, check: bool, **_: Any) -> None:
        """Write what differs and name it."""
        stale = list(stale_pages())
        if check and stale:
            raise CommandError(f"stale: {', '.join(stale)}; run `manage.py reference`")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
            self.stdout.write(f"wrote docs/reference/{name}")
