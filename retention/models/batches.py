"""What agents hand in: the judgement on each batch, and the batches that were let in."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Admission(models.Model):
    """The judgement on one batch an agent announced; refused ones have this row and no bytes."""

    class State(models.TextChoices):
        AWAITING_BYTES = "awaiting_bytes"
        ADMITTED = "admitted"
        REFUSED = "refused"
        QUARANTINED = "quarantined"

    batch = models.UUIDField(primary_key=True)
    agent = models.ForeignKey("consent.Agent", on_delete=models.PROTECT, related_name="admissions")
    issued_policy = models.ForeignKey(
        "consent.IssuedPolicy", null=True, on_delete=models.PROTECT, related_name="admissions"
    )
    manifest = models.JSONField()
    manifest_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=State.choices)
    reasons = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    announced_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True)

    is_new = False
    """Whether the very call that returned this made it; no column, and never read back."""

    class Data:
        personal = {"manifest", "reasons"}
        pseudonymous = {"batch", "agent", "issued_policy", "manifest_sha256"}
        plain = {"state", "announced_at", "decided_at"}

    class Meta:
        indexes = [
            models.Index(
                fields=["announced_at"],
                name="admission_set_apart",
                condition=models.Q(state="quarantined"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="refusal_has_a_reason",
                condition=~models.Q(state__in=["refused", "quarantined"])
                | models.Q(reasons__len__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch} {self.state}"


class Batch(models.Model):
    """An admitted batch: where its bytes lie and when they must be gone.

    Partitioned by month of capture, so that what expires together can go together.
    """

    class State(models.TextChoices):
        KEPT = "kept"
        ERASED = "erased"

    pk = models.CompositePrimaryKey("captured_on", "uuid")
    uuid = models.UUIDField(editable=False)
    captured_on = models.DateField()
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="+")
    agent = models.ForeignKey("consent.Agent", on_delete=models.PROTECT, related_name="+")
    issued_policy = models.ForeignKey(
        "consent.IssuedPolicy", on_delete=models.PROTECT, related_name="+"
    )
    # The yes that stood on arrival; a decision of a higher position ends it, whatever clocks say.
    consent_event = models.ForeignKey(
        "consent.ConsentEvent", on_delete=models.PROTECT, related_name="+"
    )
    purpose = models.ForeignKey("consent.Purpose", on_delete=models.PROTECT, related_name="+")
    app = models.ForeignKey("consent.App", on_delete=models.PROTECT, related_name="+")
    signals = models.JSONField()  # signal -> count
    # For pictures and titles: signal -> the apps of all windows that could be seen on them.
    visible = models.JSONField(default=dict)
    captured_from = models.DateTimeField()
    captured_until = models.DateTimeField()
    store = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    imported = models.BooleanField(default=False)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {
            "signals",
            "visible",
            "captured_from",
            "captured_until",
            "captured_on",
            "app",
        }
        pseudonymous = {
            "uuid",
            "subject",
            "agent",
            "issued_policy",
            "consent_event",
            "key",
            "sha256",
        }
        plain = {"purpose", "store", "bytes", "due_at", "state", "imported", "recorded_at"}

    class Meta:
        indexes = [
            models.Index(fields=["subject", "purpose", "state"], name="batch_of_subject"),
            models.Index(fields=["due_at"], name="batch_due", condition=models.Q(state="kept")),
        ]
        constraints = [
            models.CheckConstraint(
                name="batch_interval_runs_forward",
                condition=models.Q(captured_until__gte=models.F("captured_from")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)
