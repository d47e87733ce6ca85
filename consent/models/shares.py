"""What a person lets the privacy team see of their own half: one question, for a while."""

import uuid
from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models.functions import Now

from consent.policy.types import Signal

LONGEST_SHARE: Final = timedelta(days=30)


class ExplanationShare(models.Model):
    """The person's leave to explain one app and signal, on one day, with their own half in it."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="shares")
    app = models.ForeignKey("consent.App", on_delete=models.PROTECT, related_name="+")
    signal = models.CharField(max_length=20)
    day = models.DateField()
    """The day, in UTC, whose instants may be asked about."""
    shared_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"app", "signal", "day", "shared_at", "until", "ended_at"}
        pseudonymous = {"uuid", "subject"}
        plain = {"id", "recorded_at"}

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("shared_at"))
                & models.Q(until__lte=models.F("shared_at") + LONGEST_SHARE),
                name="share_ends_by_itself",
            ),
            models.CheckConstraint(
                name="share_signal_known",
                condition=models.Q(signal__in=[s.value for s in Signal]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}: {self.signal} on {self.day}"
