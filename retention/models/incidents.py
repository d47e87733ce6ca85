"""Looks into incidents: what was found of all that were known at an instant."""

from django.db import models
from django.db.models.functions import Now


class IncidentReview(models.Model):
    """A member of the privacy team looked into every incident up to an instant, and says what of.

    Of all, never of one: whose machine it was is told to nobody but that person.
    """

    class Finding(models.TextChoices):
        RESTORED = "restored"
        MENDED = "mended"
        REMOVED = "removed"
        UNEXPLAINED = "unexplained"

    through = models.DateTimeField()
    finding = models.CharField(max_length=12, choices=Finding.choices)
    by = models.UUIDField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"by"}
        plain = {"id", "through", "finding", "recorded_at"}

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="review_of_what_was_there",
                condition=models.Q(through__lt=models.F("recorded_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.finding} through {self.through:%Y-%m-%d %H:%M}"
