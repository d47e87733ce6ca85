"""The two halves of every policy: what a cohort shares, and what is personal."""

from django.db import models
from django.db.models.functions import Now


class Cohort(models.Model):
    """People for whom the same facts decide; each subject is in exactly one."""

    digest = models.CharField(max_length=64, unique=True)
    facts = models.JSONField()
    # When something shared begins or ends next by itself, by the clocks of the places.
    turns_at = models.DateTimeField(null=True)
    # A digest of what the newest revision was made with: the rules, and the form of documents.
    rulebook = models.CharField(max_length=64, default="", blank=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "digest", "facts", "turns_at", "rulebook"}

    def __str__(self) -> str:
        return self.digest[:12]


class CohortPolicy(models.Model):
    """One revision of what a cohort shares: law, gates, agreements, allowlist. Never changed."""

    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="policies")
    revision = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    # When it came to hold; for an import, earlier than when it was recorded.
    since = models.DateTimeField(db_default=Now())
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "cohort", "revision", "document", "sha256", "since", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cohort", "revision"], name="cohort_revision_once"),
        ]

    def __str__(self) -> str:
        return f"{self.cohort_id}/{self.revision}"


class RecordedRegistry(models.Model):
    """What the registry of apps said, once for all revisions that name its digest. Never changed.

    Nineteen parts in twenty of what a cohort shares, and the same for every cohort.
    """

    digest = models.CharField(max_length=64, unique=True)
    apps = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "digest", "apps", "recorded_at"}

    def __str__(self) -> str:
        return self.digest[:12]


class CohortMembership(models.Model):
    """From when on a subject was in a cohort: the moves, as they were made. Never changed."""

    subject = models.ForeignKey(
        "consent.Subject", on_delete=models.PROTECT, related_name="memberships"
    )
    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="memberships")
    since = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"since"}
        pseudonymous = {"subject"}
        plain = {"id", "cohort", "recorded_at"}

    class Meta:
        indexes = [models.Index(fields=["subject", "-id"], name="membership_newest")]

    def __str__(self) -> str:
        return f"{self.subject_id} in {self.cohort_id}"


class PersonalPolicy(models.Model):
    """The revision of a subject's own part: rises with each choice, pause and fact."""

    subject = models.OneToOneField(
        "consent.Subject", on_delete=models.PROTECT, related_name="personal_policy"
    )
    revision = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(db_default=Now())

    class Data:
        personal: set[str] = set()
        pseudonymous = {"subject"}
        plain = {"id", "revision", "changed_at"}

    def __str__(self) -> str:
        return f"{self.subject_id}/{self.revision}"
