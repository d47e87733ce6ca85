"""`demo`: load the invented company into an empty database."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from portal.demo import accounts, orders
from portal.demo.load import BusyError, NotEmptyError, PasswordLostError, is_empty, load
from portal.demo.plan import LEAST_PEOPLE, MOST_BATCHES

AGAIN = "The same command goes on where it stopped."


class Command(BaseCommand):
    """Loads people, purposes, notices, decisions and a month of recordings that nobody made."""

    help = "Load the invented company into an empty database, to try the portal with."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how large the company is."""
        parser.add_argument("--people", type=int, default=200, help="how many people (200)")
        parser.add_argument("--batches", type=int, default=3000, help="how many batches (3000)")
        parser.add_argument("--seed", type=int, default=1, help="another seed, other people")
        parser.add_argument(
            "--on-empty",
            action="store_true",
            help="do nothing, and say nothing, where the database holds people already",
        )

    def handle(self, *, people: int, batches: int, seed: int, on_empty: bool, **_: Any) -> None:
        """Load, and say whom to sign in as."""
        if people < LEAST_PEOPLE:
            raise CommandError(f"--people must be at least {LEAST_PEOPLE}")
        if not 0 <= batches <= MOST_BATCHES:
            raise CommandError(f"--batches must be between 0 and {MOST_BATCHES}")
        if orders.read() and not is_empty():
            self.stdout.write("going on with the demo company, where it was interrupted")
        try:
            loaded = load(people=people, batches=batches, seed=seed)
        except NotEmptyError as refusal:
            if not on_empty:
                raise CommandError(_sentence(refusal)) from refusal
            return
        except (BusyError, PasswordLostError) as refusal:
            raise CommandError(_sentence(refusal)) from refusal
        except Error as error:
            raise CommandError(f"the database stopped answering. {AGAIN}") from error
        except KeyboardInterrupt:
            self.stderr.write(f"interrupted. {AGAIN}")
            sys.exit(130)
        self.stdout.write(f"the demo company is loaded: {loaded} people, all invented")
        if not on_empty:  # `up` prints address and accounts by itself
            self._tell()

    def _tell(self) -> None:
        password = accounts.read_password() or ""
        self.stdout.write(f"Sign in at {settings.PUBLIC_URL} with the password {password}")
        for account in accounts.accounts():
            self.stdout.write(f"  {account['label']:<16} {account['email']}")


def _sentence(refusal: Exception) -> str:
    text = str(refusal).rstrip(".")
    return text[:1].lower() + text[1:]
