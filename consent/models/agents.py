"""Capture agents and the policies issued to them."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from consent.policy.types import Platform


class Agent(models.Model):
    """A capture program on one machine, enrolled by the person it belongs to."""

    class Standing(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        QUARANTINED = "quarantined"
        REVOKED = "revoked"

    class KeyKind(models.TextChoices):
        ED25519 = "ed25519", "Ed25519"
        P256 = "p-256", "P-256"

    ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="agents")
    name = models.CharField(max_length=80)
    platform = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Platform])
    # Ed25519: the 32 bytes of RFC 8032; P-256: the uncompressed point, 65 bytes.
    public_key = models.BinaryField(max_length=65)
    key_kind = models.CharField(max_length=8, choices=KeyKind.choices, default=KeyKind.ED25519)
    standing = models.CharField(max_length=12, choices=Standing.choices, default=Standing.PENDING)
    enrolled_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal = {"name"}
        pseudonymous = {"ref", "subject", "public_key"}
        plain = {"id", "platform", "key_kind", "standing", "enrolled_at", "revoked_at"}

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="agent_key_kind_known",
                condition=models.Q(key_kind__in=("ed25519", "p-256")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.ref)


class IssuedPolicy(models.Model):
    """A policy as issued: written on change or renewal, never on a 304. Never changed."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="policies")
    # Strictly rising per agent: max(previous + 1, unix milliseconds).
    version = models.BigIntegerField()
    cohort_policy = models.ForeignKey(
        "consent.CohortPolicy", on_delete=models.PROTECT, related_name="issued", null=True
    )
    personal_revision = models.PositiveIntegerField()
    # The subject's newest decision that it knew of; empty in policies of versions before this one.
    consent_position = models.PositiveIntegerField(null=True)
    # The kill switches that stood when it was decided, rising: it says what is true while those
    # stand and no others.
    switches = ArrayField(models.BigIntegerField(), default=list, blank=True)
    issued_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    # What was allowed, as purpose -> app -> {signal: retention days}; all else was denied.
    allow = models.JSONField()
    sha256 = models.CharField(max_length=64)

    class Data:
        personal = {"allow"}
        pseudonymous = {"agent", "version", "sha256"}
        plain = {
            "id",
            "cohort_policy",
            "personal_revision",
            "consent_position",
            "switches",
            "issued_at",
            "lease_until",
        }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "version"], name="policy_version_once"),
            models.CheckConstraint(
                name="lease_ends_after_issue",
                condition=models.Q(lease_until__gt=models.F("issued_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id}/{self.version}"


class PolicyAcknowledgement(models.Model):
    """An agent says that it applied a version, and whether it purged what that version forbids.

    One that had not purged yet says it again once it has: that is a second row.
    """

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="acknowledgements")
    version = models.BigIntegerField()
    applied_at = models.DateTimeField()
    purged = models.BooleanField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"agent", "version"}
        plain = {"id", "applied_at", "purged", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "version", "purged"], name="acknowledged_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id}/{self.version}"
