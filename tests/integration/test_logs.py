"""What our logs say of an error: where it came from and its kind, nothing of what it was about."""

from __future__ import annotations

import io
import logging
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

WHO = "jane.doe@example.org"


@contextmanager
def heard(*names: str) -> Iterator[io.StringIO]:
    """What these loggers write through the formatter that our processes use."""
    form = dict(settings.LOGGING["formatters"]["line"])  # type: ignore[index, call-overload]
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(import_string(form.pop("()"))(form["format"]))
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield stream
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def test_a_row_in_the_way_is_told_without_its_values(database: Any) -> None:
    from portal.models import User

    User.objects.create(email=WHO)

    with heard("portal") as stream:
        with pytest.raises(IntegrityError, match=WHO) as caught, transaction.atomic():
            User.objects.create(email=WHO)
        logging.getLogger("portal").error("work_failed part=%s", "people", exc_info=caught.value)

    said = stream.getvalue()
    assert WHO not in said
    assert said.startswith("ERROR portal work_failed part=people\n")
    assert "test_a_row_in_the_way" in said
    assert "psycopg.errors.UniqueViolation 23505 portal_user" in said
    assert "The cause of:" in said
    assert said.rstrip().endswith("django.db.utils.IntegrityError")


def test_a_refused_address_and_all_that_lies_beneath_are_not_told() -> None:
    with heard("portal") as stream:
        try:
            try:
                raise smtplib.SMTPRecipientsRefused({WHO: (550, b"no such user")})
            except smtplib.SMTPException as error:
                raise RuntimeError(f"nothing sent to {WHO}") from error
        except RuntimeError:
            logging.getLogger("portal").exception("mail_failed")

    said = stream.getvalue()
    assert WHO not in said
    assert "smtplib.SMTPRecipientsRefused" in said
    assert "builtins.RuntimeError" in said


def test_a_chain_that_leads_to_itself_ends() -> None:
    first, second = ValueError(WHO), KeyError(WHO)
    first.__cause__, second.__cause__ = second, first

    with heard("portal") as stream:
        logging.getLogger("portal").error("odd", exc_info=first)

    assert (
        stream.getvalue()
        == "ERROR portal odd\nbuiltins.KeyError\nThe cause of:\nbuiltins.ValueError\n"
    )


def test_a_failed_task_tells_neither_error_nor_arguments(database: Any) -> None:
    from portal.celery import app

    @app.task(name="test_logs.fails")
    def fails(who: str) -> None:
        raise ValueError(f"nobody like {who}")

    try:
        with heard("celery") as stream:
            fails.apply(args=[WHO])
    finally:
        app.tasks.pop("test_logs.fails")

    said = stream.getvalue()
    assert WHO not in said
    assert "Task test_logs.fails[" in said
    assert "raised unexpected: builtins.ValueError" in said
    assert "in fails" in said


@pytest.mark.parametrize("runs", ["celery worker", "uvicorn"])
def test_our_processes_log_by_that_formatter_alone(database: Any, runs: str) -> None:
    """Neither Celery nor uvicorn brings handlers of its own, which would write messages."""
    begun = {
        "celery worker": "from portal.celery import app; app.log.setup(loglevel='INFO')",
        "uvicorn": (
            "import uvicorn\n"
            "from portal import web\n"
            "uvicorn.Server.run = lambda self, sockets: setattr(self, 'started', True)\n"
            "web.serve(web.APPLICATION, fd=None)"
        ),
    }[runs]
    program = (
        "import logging, os\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings'\n"
        "import django; django.setup()\n"
        f"{begun}\n"
        "names = ['', *logging.root.manager.loggerDict]\n"
        "handlers = {h for name in names for h in logging.getLogger(name).handlers}\n"
        "kinds = {type(h.formatter).__name__ for h in handlers\n"
        "         if not isinstance(h, logging.NullHandler)\n"
        "         and type(h).__name__ != 'AdminEmailHandler'}\n"
        "print(sorted(kinds - {'ServerFormatter', 'NoneType'} ), flush=True)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "['Line']"
