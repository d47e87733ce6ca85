"""The fence's part in PostgreSQL: which Redis counts, and which changes it missed."""

from django.db import models
from django.db.models.functions import Now


class Fence(models.Model):
    """Exactly one row: which Redis server holds for which database, under which epoch.

    Everything in Redis lies under the epoch's name. Another server, or the same one started anew
    or promoted, gets a new epoch, so that nothing that an older one remembers is ever believed.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.CharField(max_length=32, blank=True)
    server = models.CharField(max_length=120, blank=True)
    database = models.CharField(max_length=120, blank=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "epoch", "server", "database"}

    class Meta:
        constraints = [models.CheckConstraint(name="fence_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return self.epoch


class Unmarked(models.Model):
    """A change that its writer could not mark in Redis; every reader does so before it answers."""

    key = models.CharField(max_length=32)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"key"}
        plain = {"id", "recorded_at"}

    def __str__(self) -> str:
        return self.key
