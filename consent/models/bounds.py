"""What bounds a purpose besides the law: agreements, gates closed by evidence, four eyes."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Agreement(models.Model):
    """A works agreement as caps; it only ever tightens. An empty list caps nothing."""

    code = models.CharField(max_length=60, unique=True)
    title = models.CharField(max_length=200)
    parties = models.CharField(max_length=200)
    jurisdictions = ArrayField(models.CharField(max_length=8))
    purposes = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    apps = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    signals = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    retention_cap_days = models.PositiveIntegerField(null=True)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)
    document_sha256 = models.CharField(max_length=64)
    council_may_veto = models.BooleanField(default=False)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "code",
            "title",
            "parties",
            "jurisdictions",
            "purposes",
            "apps",
            "signals",
            "retention_cap_days",
            "valid_from",
            "valid_until",
            "document_sha256",
            "council_may_veto",
            "recorded_at",
        }

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="agreement_interval_runs_forward",
                condition=models.Q(valid_until__isnull=True)
                | models.Q(valid_until__gt=models.F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class GateEvidence(models.Model):
    """The document that closes one gate of one jurisdiction; the gate reopens when it lapses."""

    gate = models.CharField(max_length=60)
    jurisdiction = models.CharField(max_length=8)
    purpose = models.ForeignKey(
        "consent.Purpose", on_delete=models.PROTECT, related_name="gate_evidence"
    )
    document_title = models.CharField(max_length=200)
    document_sha256 = models.CharField(max_length=64)
    not_applicable_reason = models.CharField(max_length=200, default="", blank=True)
    closed_by = models.UUIDField()
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"closed_by"}
        plain = {
            "id",
            "gate",
            "jurisdiction",
            "purpose",
            "document_title",
            "document_sha256",
            "not_applicable_reason",
            "valid_from",
            "valid_until",
            "recorded_at",
        }

    class Meta:
        indexes = [models.Index(fields=["purpose", "jurisdiction"], name="gate_purpose_place")]

    def __str__(self) -> str:
        return f"{self.jurisdiction}:{self.gate}"


class Proposal(models.Model):
    """A change that widens something: made by one person, approved by another."""

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REJECTED = "rejected"
        VETOED = "vetoed"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    payload = models.JSONField()
    # Approval is of these exact bytes; applying checks them again.
    payload_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField(db_default=Now())
    decided_by = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"proposed_by", "decided_by"}
        plain = {
            "id",
            "uuid",
            "kind",
            "payload",
            "payload_sha256",
            "state",
            "proposed_at",
            "decided_at",
        }

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="requester_is_not_approver",
                condition=models.Q(decided_by__isnull=True)
                | ~models.Q(decided_by=models.F("proposed_by")),
            ),
            models.CheckConstraint(
                name="proposal_decided_by_someone",
                condition=models.Q(state="open", decided_by__isnull=True)
                | models.Q(~models.Q(state="open"), decided_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.uuid}"
