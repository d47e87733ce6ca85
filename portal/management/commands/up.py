"""`up`, for `manage.py help` and `django-admin`: manage.py itself runs it without Django."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.supervisor.up import add_options, main


class Command(BaseCommand):
    """Hands over to the supervisor, which needs none of Django."""

    help = "Run the whole portal: database, web, workers. Ctrl-C stops everything."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Accept what the supervisor accepts."""
        add_options(parser)

    def handle(self, *, host: str, port: int, web_processes: int, no_demo: bool, **_: Any) -> None:
        """Run until stopped, and end with the supervisor's status."""
        options = ["--host", host, "--port", str(port), "--web-processes", str(web_processes)]
        options += ["--no-demo"] if no_demo else []
        sys.exit(main(options))
