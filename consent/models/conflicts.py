"""Where laws collide and no number resolves it: tasks for people, from when until when."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class RetentionConflict(models.Model):
    """A minimum period that is longer than a purpose may keep recordings of the same people.

    Nothing is kept longer for it. It ends by itself once the two collide no longer.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    jurisdictions = ArrayField(models.CharField(max_length=8))  # whose rules ask for the minimum
    purpose = models.ForeignKey(
        "consent.Purpose", on_delete=models.PROTECT, related_name="conflicts"
    )
    floor_days = models.PositiveIntegerField()
    cap_days = models.PositiveIntegerField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "uuid",
            "jurisdictions",
            "purpose",
            "floor_days",
            "cap_days",
            "recorded_at",
            "ended_at",
        }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["jurisdictions", "purpose", "floor_days", "cap_days"],
                condition=models.Q(ended_at__isnull=True),
                name="one_open_task_a_conflict",
            ),
            models.CheckConstraint(
                name="floor_is_above_the_cap",
                condition=models.Q(floor_days__gt=models.F("cap_days")),
            ),
        ]

    def __str__(self) -> str:
        return f"{'+'.join(self.jurisdictions)}: {self.floor_days} over {self.cap_days}"
