"""Intervals that a subject had forgotten: what was captured in them may be kept by nobody."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Strike(models.Model):
    """One "forget the last minutes"; half-open, for every purpose and machine. Never changed."""

    ref = models.UUIDField(default=uuid.uuid4, editable=False)
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="strikes")
    # The machine it was asked for on; empty where it was asked for in the browser.
    agent = models.ForeignKey("consent.Agent", null=True, on_delete=models.PROTECT)
    struck_from = models.DateTimeField()
    struck_until = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"struck_from", "struck_until"}
        pseudonymous = {"ref", "subject", "agent"}
        plain = {"id", "recorded_at"}

    class Meta:
        indexes = [models.Index(fields=["subject", "struck_until"], name="strike_of_subject")]
        constraints = [
            models.UniqueConstraint(fields=["subject", "ref"], name="strike_once"),
            models.CheckConstraint(
                name="strike_runs_forward",
                condition=models.Q(struck_until__gt=models.F("struck_from")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.ref)
