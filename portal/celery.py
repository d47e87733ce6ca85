"""The Celery application: wakes workers early. What must happen is a row, not a message."""

import os

from celery import Celery

from portal.tick import TickStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(TickStep)
