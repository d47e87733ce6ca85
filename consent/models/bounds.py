"""What bounds a purpose: agreements, gates closed by evidence, adopted rules, settings."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from consent.policy.types import Signal


class Agreement(models.Model):
    """A works agreement as caps. An empty list caps nothing.

    One more never permits anything: only one that replaces another, or says that it completes the
    others, may, and that one waits for votes.
    """

    code = models.CharField(max_length=60, unique=True)
    title = models.CharField(max_length=200)
    parties = models.CharField(max_length=200)
    jurisdictions = ArrayField(models.CharField(max_length=8))
    # Only people of these sites are covered; nobody else's capture is bound by it.
    sites = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    purposes = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    apps = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    signals = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    retention_cap_days = models.PositiveIntegerField(null=True)
    # Outside of these nothing is recorded; null says nothing about hours.
    working_hours = models.JSONField(null=True)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)
    document_sha256 = models.CharField(max_length=64)
    council_may_veto = models.BooleanField(default=False)
    # The units whose council must agree to what widens; silence never approves.
    council_units = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    # From this one's first day on the agreement it replaces binds no more.
    replaces = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="replaced_by"
    )
    # It speaks for the people and purposes too that agreements before it leave out.
    completes = models.BooleanField(default=False)
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
            "sites",
            "purposes",
            "apps",
            "signals",
            "retention_cap_days",
            "working_hours",
            "valid_from",
            "valid_until",
            "document_sha256",
            "council_may_veto",
            "council_units",
            "replaces",
            "completes",
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
    # Who asked for it and who agreed; null where it was recorded without a proposal.
    proposal = models.ForeignKey(
        "consent.Proposal", null=True, on_delete=models.PROTECT, related_name="+"
    )
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
            "proposal",
            "valid_from",
            "valid_until",
            "recorded_at",
        }

    class Meta:
        indexes = [models.Index(fields=["purpose", "jurisdiction"], name="gate_purpose_place")]

    def __str__(self) -> str:
        return f"{self.jurisdiction}:{self.gate}"


class GateReopening(models.Model):
    """Evidence taken back before it lapses: its gate is open again at once."""

    evidence = models.OneToOneField(
        GateEvidence, on_delete=models.PROTECT, related_name="reopening"
    )
    reopened_by = models.UUIDField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"reopened_by"}
        plain = {"id", "evidence", "recorded_at"}

    def __str__(self) -> str:
        return f"reopening of {self.evidence_id}"


class SignalOverride(models.Model):
    """The signed-off exception that a law asks for before a restricted signal may be recorded."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    jurisdiction = models.CharField(max_length=8)
    purpose = models.ForeignKey(
        "consent.Purpose", on_delete=models.PROTECT, related_name="overrides"
    )
    signal = models.CharField(max_length=20)
    # Empty only in exceptions from before one was asked for.
    reason = models.CharField(max_length=500, default="", blank=True)
    document_title = models.CharField(max_length=200)
    document_sha256 = models.CharField(max_length=64)
    valid_from = models.DateField()
    valid_until = models.DateField()  # an exception always ends
    # Who asked for it and who agreed; null where it was recorded without a proposal.
    proposal = models.ForeignKey(
        "consent.Proposal", null=True, on_delete=models.PROTECT, related_name="+"
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "uuid",
            "jurisdiction",
            "purpose",
            "signal",
            "reason",
            "proposal",
            "document_title",
            "document_sha256",
            "valid_from",
            "valid_until",
            "recorded_at",
        }

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="override_interval_runs_forward",
                condition=models.Q(valid_until__gt=models.F("valid_from")),
            ),
            models.CheckConstraint(
                name="override_signal_known",
                condition=models.Q(signal__in=[s.value for s in Signal]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.jurisdiction}:{self.signal}"


class OverrideRevocation(models.Model):
    """An exception taken back before it lapses: what it lifted is restricted again at once."""

    override = models.OneToOneField(
        SignalOverride, on_delete=models.PROTECT, related_name="revocation"
    )
    revoked_by = models.UUIDField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"revoked_by"}
        plain = {"id", "override", "recorded_at"}

    def __str__(self) -> str:
        return f"revocation of {self.override_id}"


class AdoptedRule(models.Model):
    """One jurisdiction's file as the organisation adopted it; the newest of a code is in force.

    A shipped file that differs tightens at once and widens only when it, too, is adopted.
    """

    code = models.CharField(max_length=12)  # a jurisdiction, or "meta" or "gates"
    pack_version = models.CharField(max_length=20)
    sha256 = models.CharField(max_length=64)
    table = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "code", "pack_version", "sha256", "table", "recorded_at"}

    class Meta:
        indexes = [models.Index(fields=["code", "-id"], name="adopted_rule_newest")]

    def __str__(self) -> str:
        return f"{self.code}@{self.pack_version}"


class RecordedRulebook(models.Model):
    """What a rulebook that decided said, so that it can be read again by its digest. Never changed.

    Two packs where the shipped files were not, or not wholly, those that were adopted.
    """

    digest = models.CharField(max_length=64, unique=True)
    packs = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "digest", "packs", "recorded_at"}

    def __str__(self) -> str:
        return self.digest[:12]


class Setting(models.Model):
    """A setting of the organisation, as last decided; absent means the shipped default."""

    key = models.CharField(max_length=100, unique=True)
    value = models.JSONField()
    changed_at = models.DateTimeField(db_default=Now())

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "key", "value", "changed_at"}

    def __str__(self) -> str:
        return self.key
