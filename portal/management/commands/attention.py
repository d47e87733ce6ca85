"""`attention`: what ends or is missing soon, told 60, 30 and 7 days ahead; about nobody."""

import json
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from consent.rules import rulebook
from consent.selectors.attention import Severity
from portal.attention import SENTENCES, matters

WORDS: Final = {
    Severity.NOW: "now (7 days or less)",
    Severity.SOON: "soon (30 days or less)",
    Severity.LATER: "later (60 days or less)",
}


class Command(BaseCommand):
    """The same warnings as on the privacy team's page, for a scheduler to send on."""

    help = "Say what ends or is missing soon: reviews, agreements, evidence, exceptions."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the form."""
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **said: Any) -> None:
        """Print a line for each matter, most urgent first."""
        pack = rulebook()
        found = [(one, SENTENCES[one.matter](one, pack)) for one in matters(timezone.now())]
        if said["json"]:
            rows = [
                {
                    "matter": one.matter,
                    "severity": one.severity,
                    "due": one.due.isoformat() if one.due else None,
                    "text": text,
                }
                for one, text in found
            ]
            self.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False))
            return
        for one, text in found:
            # What is missing has no day: it waits until somebody sees to it.
            self.stdout.write(f"{WORDS[one.severity] if one.due else 'open'}: {text}")
        if not found:
            self.stdout.write("Nothing ends within 60 days, and nothing is missing.")
