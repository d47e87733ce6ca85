"""Recomputes the ledger from the database and says whether it is what was signed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.note import encode
from audit.verification import verify

SHOWN = 20


class Command(BaseCommand):
    help = "Recompute the whole ledger from the database; exit 1 and name what does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default="reader", help="the database alias to read")

    def handle(self, *args: Any, database: str, **options: Any) -> None:
        findings = verify(database)
        if findings.problems:
            for problem in findings.problems[:SHOWN]:
                self.stderr.write(f"- {problem}")
            if (more := len(findings.problems) - SHOWN) > 0:
                self.stderr.write(f"- and {more} more")
            raise CommandError("The ledger is not what was signed.")
        if not findings.size:
            self.stdout.write(f"Nothing was signed yet; {findings.pending} entries are waiting.")
            return
        self.stdout.write(
            f"verified: {findings.size} entries, {findings.checkpoints} checkpoints, root "
            f"{encode(findings.root)}, signed by {findings.vkey}; {findings.pending} waiting"
        )
