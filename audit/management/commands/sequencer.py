"""The sequencer's process: gives entries their place in the ledger's tree and signs it."""

import signal
import threading
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connections

from audit.errors import LedgerError
from audit.sequencer import BATCH, Sequencer

log = structlog.get_logger("audit.sequencer")

USING = "default"  # this process runs with the role that may sequence
LONGEST_WAIT = 5.0


class Command(BaseCommand):
    help = "Give committed entries their place in the ledger and sign it. Ends cleanly on SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="sequence what is there, then end")
        parser.add_argument("--poll", type=float, default=0.25, help="seconds between two looks")

    def handle(self, *args: Any, once: bool, poll: float, **options: Any) -> None:
        key_file = settings.SAYSO_LEDGER_KEY_FILE
        if not key_file:
            raise CommandError(
                "This process has no signing key: set SAYSO_DATABASE_ROLE=sequencer."
            )
        try:
            if once:
                _drain(_start(Path(key_file)))
            else:
                _run(Path(key_file), poll)
        except LedgerError as error:
            # Ends with an error, so that the supervisor shows it; nothing was signed.
            log.critical("ledger.refused", code=error.code)
            raise CommandError(f"Nothing is signed: {error}", returncode=3) from error


def _start(key_file: Path) -> Sequencer:
    return Sequencer(key_file=key_file, origin=settings.SAYSO_LEDGER_ORIGIN, using=USING)


def _drain(sequencer: Sequencer) -> None:
    while sequencer.step().entries == BATCH:
        pass


def _run(key_file: Path, poll: float) -> None:
    """Look again and again until told to stop; a database that is away is waited for."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sequencer, wait = None, poll
    while not stop.is_set():
        try:
            sequencer = sequencer or _start(key_file)
            wait = 0 if sequencer.step().entries == BATCH else poll
        except (OperationalError, InterfaceError) as error:
            log.warning("ledger.database_away", error=type(error).__name__)
            connections[USING].close()
            wait = min(max(wait, poll) * 2, LONGEST_WAIT)
        stop.wait(wait)
