"""The keys that policies are signed with; what each is for follows from its instants alone."""

from django.db import models
from django.db.models.functions import Now


class PolicyKey(models.Model):
    """One Ed25519 key. It signs from `use_from` until the next one does, and is published longer.

    The private half lies sealed under the installation's key-encryption key, so that every process
    on every machine has it at once; it goes when the key signs no more. The first key of an
    installation is a file, and its private half never lies here.
    """

    kid = models.CharField(max_length=16, unique=True)
    public = models.BinaryField(max_length=32)
    sealed = models.BinaryField(null=True)
    published_at = models.DateTimeField(db_default=Now(), editable=False)
    use_from = models.DateTimeField()
    drop_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "kid", "public", "sealed", "published_at", "use_from", "drop_at"}

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="policy_key_used_before_dropped",
                condition=models.Q(drop_at__isnull=True)
                | models.Q(drop_at__gt=models.F("use_from")),
            ),
        ]

    def __str__(self) -> str:
        return self.kid
