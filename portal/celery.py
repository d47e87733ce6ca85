"""The Celery application: wakes workers early. What must happen is a row, not a message."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from portal.ending import EndStep
from portal.tick import TickStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_as_django_does(**_: Any) -> None:
    """Keep Celery from handlers of its own: they write the messages of errors."""


app.steps["worker"].add(EndStep)
app.steps["worker"].add(TickStep)
