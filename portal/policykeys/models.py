"""The keys that policies are signed with, and the manifests in which the root vouches for them."""

from django.db import models
from django.db.models.functions import Now


class PolicyKey(models.Model):
    """One Ed25519 key, and what is planned for it: what a manifest says of it is what counts.

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
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "kid",
            "public",
            "sealed",
            "published_at",
            "use_from",
            "drop_at",
            "revoked_at",
        }

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


class KeyManifest(models.Model):
    """A manifest that was taken; the one of the highest version stands. Never changed."""

    version = models.BigIntegerField(unique=True)
    root = models.CharField(max_length=43)
    token = models.TextField()
    expires_at = models.DateTimeField()
    loaded_at = models.DateTimeField(db_default=Now(), editable=False)
    policies_since = models.DateTimeField(null=True)
    """Set where it revokes a key: policies issued earlier are in force no more, whoever signed."""

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "version", "root", "token", "expires_at", "loaded_at", "policies_since"}

    def __str__(self) -> str:
        return str(self.version)
