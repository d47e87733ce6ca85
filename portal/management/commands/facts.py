"""`facts`: record dated facts about people from a file, such as a personnel system's."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.ledger import Actor
from portal.factsfile import FileUnfitError, Outcome, import_facts

SYSTEM = Actor.system("command")


class Command(BaseCommand):
    """For whoever may run commands on the machine. No address of anybody is printed."""

    help = "Record where people work, live and travel, from when to when, from a CSV file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file, and the trial."""
        parser.add_argument("file", type=Path, help="CSV: person,kind,value,from,until,source")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would happen, and record nothing"
        )

    def handle(self, *, file: Path, dry_run: bool, **_said: Any) -> None:
        """Record the sound lines, name the wrong ones; with a wrong one the status is 1."""
        try:
            with file.open(encoding="utf-8-sig", newline="") as opened:
                outcome = import_facts(opened, actor=SYSTEM, keep=not dry_run)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except FileUnfitError as error:
            raise CommandError(f"{error} Nothing was recorded.") from error
        for number, text in sorted(outcome.wrong.items()):
            self.stdout.write(f"line {number}: {text}")
        self.stdout.write(_summary(outcome, dry_run=dry_run))
        if outcome.wrong:
            raise CommandError("Mend the lines above and run it again: what stands stays as it is.")


def _summary(outcome: Outcome, *, dry_run: bool) -> str:
    word = "would be recorded" if dry_run else "recorded"
    return (
        f"{len(outcome.recorded)} {word}, {len(outcome.stood)} stood already,"
        f" {len(outcome.wrong)} wrong."
    )
