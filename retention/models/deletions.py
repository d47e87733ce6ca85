"""What must be erased, who is at it, and the proof that it is gone."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class DeletionCase(models.Model):
    """One cause for erasing; written in the cause's own transaction, expanded by workers."""

    class Cause(models.TextChoices):
        WITHDRAWAL = "withdrawal"  # or a no, or a not now, where a yes stood
        NARROWING = "narrowing"  # a new yes to less than before
        STRIKE = "strike"  # the last minutes, which the person had forgotten
        REVOCATION = "revocation"  # somebody else ended the yes, as when the person leaves
        PROTECTED = "protected"  # the app turned out to be one that is never captured
        EXPIRY = "expiry"

    class State(models.TextChoices):
        OWED = "owed"
        EXPANDED = "expanded"
        DONE = "done"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    cause = models.CharField(max_length=12, choices=Cause.choices)
    # Both empty for expiry and for a protected app, which are about batches of anyone.
    subject = models.ForeignKey(
        "consent.Subject", null=True, on_delete=models.PROTECT, related_name="+"
    )
    purpose = models.ForeignKey(
        "consent.Purpose", null=True, on_delete=models.PROTECT, related_name="+"
    )
    # The decision that ended consent: what was admitted under an earlier one is owed.
    consent_event = models.ForeignKey(
        "consent.ConsentEvent", null=True, on_delete=models.PROTECT, related_name="+"
    )
    # For a strike, over all purposes: what was captured in its interval is owed.
    strike = models.OneToOneField(
        "consent.Strike", null=True, on_delete=models.PROTECT, related_name="+"
    )
    # For a protected app: which; else empty.
    app = models.ForeignKey("consent.App", null=True, on_delete=models.PROTECT, related_name="+")
    # For narrowing: the pairs "app:signal" that the new yes no longer covers; else empty.
    pairs = ArrayField(models.CharField(max_length=90), default=list, blank=True)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OWED)
    opened_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True)

    class Data:
        personal = {"pairs"}
        pseudonymous = {"uuid", "subject", "consent_event", "strike"}
        plain = {"id", "cause", "purpose", "app", "due_at", "state", "opened_at", "closed_at"}

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="case_open", condition=~models.Q(state="done")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["consent_event", "cause"], name="one_case_per_cause"),
            models.CheckConstraint(
                name="case_is_about_someone_or_anyone",
                condition=models.Q(cause="expiry")
                | models.Q(cause="strike", subject__isnull=False, strike__isnull=False)
                | models.Q(cause="protected", app__isnull=False)
                | models.Q(
                    subject__isnull=False, purpose__isnull=False, consent_event__isnull=False
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.uuid}"


class DeletionJob(models.Model):
    """One slice of a case in one store: claimed under a lease, finished under a fence."""

    class State(models.TextChoices):
        DUE = "due"
        HELD = "held"
        CERTIFIED = "certified"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(DeletionCase, on_delete=models.PROTECT, related_name="jobs")
    store = models.CharField(max_length=40)
    batches = ArrayField(models.UUIDField())
    state = models.CharField(max_length=10, choices=State.choices, default=State.DUE)
    lease_until = models.DateTimeField(null=True)
    fence = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())
    # The last failure's stable code; set means "visibly failed" until an attempt succeeds.
    failure = models.CharField(max_length=40, default="", blank=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"uuid", "batches"}
        plain = {
            "id",
            "case",
            "store",
            "state",
            "lease_until",
            "fence",
            "attempts",
            "next_at",
            "failure",
        }

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], name="job_due", condition=models.Q(state="due")),
        ]

    def __str__(self) -> str:
        return f"{self.uuid} {self.state}"


class Certificate(models.Model):
    """The proof that one job's bytes are gone; one per job, never changed."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    job = models.OneToOneField(DeletionJob, on_delete=models.PROTECT, related_name="certificate")
    # E1 store acknowledged, E2 unreadable, E3 byte scan clean, E4 keys and backups gone.
    evidence_level = models.CharField(max_length=2)
    statement = models.JSONField()
    sha256 = models.CharField(max_length=64)
    nothing_remains_after = models.DateField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"uuid"}
        plain = {
            "id",
            "job",
            "evidence_level",
            "statement",
            "sha256",
            "nothing_remains_after",
            "recorded_at",
        }

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="evidence_level_known",
                condition=models.Q(evidence_level__in=["E1", "E2", "E3", "E4"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.uuid} {self.evidence_level}"


class Hold(models.Model):
    """A legal hold: what it covers can be neither deleted nor used until it is lifted."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="+")
    purpose = models.ForeignKey(
        "consent.Purpose", null=True, on_delete=models.PROTECT, related_name="+"
    )
    reason_code = models.CharField(max_length=40)
    placed_by = models.UUIDField()
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    lifted_by = models.UUIDField(null=True)
    lifted_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"uuid", "subject", "placed_by", "lifted_by"}
        plain = {"id", "purpose", "reason_code", "placed_at", "lifted_at"}

    def __str__(self) -> str:
        return str(self.uuid)
