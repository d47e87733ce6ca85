"""Addresses that were given out for bytes, until nothing can arrive there any more."""

from django.db import models
from django.db.models.functions import Now


class Upload(models.Model):
    """Somebody may put the bytes of a batch into a store directly, until then.

    Written before the address is told, and gone once what became of it was looked at: so bytes
    that nobody reported are found, and bytes that came after a refusal. A key is of one machine
    and one batch.
    """

    key = models.CharField(max_length=200, primary_key=True)
    batch = models.UUIDField(db_index=True)
    store = models.CharField(max_length=40)
    until = models.DateTimeField()
    next_at = models.DateTimeField()
    given_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"batch", "key"}
        plain = {"store", "until", "next_at", "given_at"}

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="upload_to_settle")]

    def __str__(self) -> str:
        return str(self.batch)
