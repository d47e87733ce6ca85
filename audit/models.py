"""The ledger's tables: leaves that last, and beside them what can be erased. Only audit reads them.

What may be done to each row is held by triggers and grants: see protection.py.
"""

import uuid

from django.db import models
from django.db.models import F, Q

from audit.fields import ClockTimestamp, CurrentXid, LeafHash, Xid8Field
from audit.tiles import TILE_WIDTH
from audit.tree import HASH_SIZE


class Entry(models.Model):
    """One act, as it stands in the leaf. Never changed, never deleted, nothing personal inside."""

    id = models.BigAutoField(primary_key=True)
    xid = Xid8Field(db_default=CurrentXid(), editable=False)
    recorded_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    event_time = models.DateTimeField(null=True)
    imported = models.BooleanField(db_default=False)
    type = models.CharField(max_length=64)
    body = models.BinaryField()
    leaf_hash = models.GeneratedField(
        expression=LeafHash(F("body")), output_field=models.BinaryField(), db_persist=True
    )

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id", "xid", "recorded_at", "event_time", "imported", "type", "body", "leaf_hash",
        }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["type", "id"], name="audit_entry_by_type"),
            models.Index(fields=["recorded_at"], name="audit_entry_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class Coverage(models.Model):
    """Which row of which table an entry accounts for; the gate at commit looks here."""

    id = models.BigAutoField(primary_key=True)
    # No constraint: the gate itself demands that the entry exists in the same transaction.
    entry = models.ForeignKey(Entry, on_delete=models.DO_NOTHING, db_constraint=False)
    xid = Xid8Field(db_default=CurrentXid(), editable=False)
    table_name = models.CharField(max_length=63)
    row_pk = models.CharField(max_length=64)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"row_pk"}
        plain = {"id", "entry", "xid", "table_name"}

    class Meta:
        indexes = [
            models.Index(fields=["table_name", "row_pk", "xid"], name="audit_coverage_gate"),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_pk}"


class SealKey(models.Model):
    """A key for sealed details: one for each person, or one for a month of entries about nobody."""

    # Random, so that a key remembered from another database never passes for one of this.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    ref = models.UUIDField(null=True, unique=True)
    month = models.CharField(max_length=7, default="", blank=True)
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    destroyed_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"ref"}
        plain = {"id", "month", "wrapped", "created_at", "destroyed_at"}

    class Meta:
        indexes = [models.Index(fields=["month"], name="audit_sealkey_by_month")]
        constraints = [
            models.CheckConstraint(
                name="audit_sealkey_for_person_or_month",
                condition=Q(ref__isnull=False, month="") | (Q(ref=None) & ~Q(month="")),
            ),
            models.CheckConstraint(
                name="audit_sealkey_destroyed_is_gone",
                condition=Q(destroyed_at=None, wrapped__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Private(models.Model):
    """Who and what an entry is about: erased with the person, while the entry stays."""

    entry = models.OneToOneField(
        Entry, primary_key=True, on_delete=models.DO_NOTHING, related_name="private"
    )
    actor_kind = models.CharField(max_length=16)
    actor_ref = models.CharField(max_length=64, null=True)  # noqa: DJ001  null is: erased
    actor_salt = models.BinaryField(null=True)
    subject_ref = models.UUIDField(null=True)
    subject_salt = models.BinaryField(null=True)
    sealed = models.BinaryField(null=True)
    # No constraint: its check would lock the month's shared key at every append.
    key = models.ForeignKey(
        SealKey, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )

    class Data:
        personal = {"sealed"}
        pseudonymous = {"actor_ref", "actor_salt", "subject_ref", "subject_salt"}
        plain = {"entry", "actor_kind", "key"}

    class Meta:
        indexes = [
            models.Index(
                fields=["subject_ref", "entry"],
                name="audit_private_by_subject",
                condition=Q(subject_ref__isnull=False),
            ),
            models.Index(
                fields=["actor_ref", "entry"],
                name="audit_private_by_actor",
                condition=Q(actor_ref__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"beside {self.entry_id}"


class Pending(models.Model):
    """An entry that has no place in the tree yet. Put here by a trigger, visible once committed."""

    entry = models.OneToOneField(
        Entry, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False
    )

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"entry"}

    def __str__(self) -> str:
        return str(self.entry_id)


class Leaf(models.Model):
    """The place of an entry in the tree, gapless from 0, and its link of the record chain."""

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.DO_NOTHING, related_name="leaf")
    chain = models.BinaryField()

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"index", "entry", "chain"}

    class Meta:
        constraints = [
            models.CheckConstraint(name="audit_leaf_index_counts_up", condition=Q(index__gte=0))
        ]

    def __str__(self) -> str:
        return str(self.index)


class Tile(models.Model):
    """Up to 256 neighbouring hashes of the tree. Only ever grows, and a full one is final."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    data = models.BinaryField()

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"level", "index", "data"}

    FULL = TILE_WIDTH * HASH_SIZE

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class LedgerKey(models.Model):
    """A public key the ledger is signed by; the private half only the sequencer can read."""

    id = models.BigAutoField(primary_key=True)
    vkey = models.CharField(max_length=512, unique=True)
    origin = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "vkey", "origin", "created_at"}

    def __str__(self) -> str:
        return self.vkey


class Checkpoint(models.Model):
    """The signed head of the tree at one size, and the signed head of the record chain."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    chain = models.BinaryField()
    note = models.TextField()
    record_note = models.TextField()
    recorded_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"size", "root", "chain", "note", "record_note", "recorded_at"}

    def __str__(self) -> str:
        return str(self.size)


class Report(models.Model):
    """A report that was asked for: work is this row, claimed under a lease with a fence."""

    class State(models.TextChoices):
        REQUESTED = "requested"
        RENDERING = "rendering"
        READY = "ready"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    period_from = models.DateTimeField(null=True)
    period_until = models.DateTimeField(null=True)
    params = models.JSONField(default=dict)
    requested_by = models.UUIDField(null=True)
    requested_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    state = models.CharField(
        max_length=16, choices=State, default=State.REQUESTED, db_default=State.REQUESTED
    )
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0, db_default=0)
    attempts = models.IntegerField(default=0, db_default=0)
    next_at = models.DateTimeField(db_default=ClockTimestamp())
    failure = models.CharField(max_length=64, default="", blank=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"requested_by", "params", "title"}
        plain = {
            "id", "uuid", "kind", "period_from", "period_until", "requested_at", "state",
            "lease_until", "fence", "attempts", "next_at", "failure",
        }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(
                fields=["next_at"],
                name="audit_report_due",
                condition=Q(state__in=["requested", "rendering"]),
            ),
            models.Index(fields=["requested_by", "-id"], name="audit_report_by_person"),
        ]
        constraints = [
            models.CheckConstraint(
                name="audit_report_state_known",
                condition=Q(state__in=["requested", "rendering", "ready", "failed"]),
            ),
            models.CheckConstraint(
                name="audit_report_period_runs_forward",
                condition=Q(period_from=None)
                | Q(period_until=None)
                | Q(period_from__lt=F("period_until")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}"


class ReportFile(models.Model):
    """One form of a report that was rendered."""

    class Format(models.TextChoices):
        PDF = "pdf"
        CSV = "csv"

    id = models.BigAutoField(primary_key=True)
    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="files")
    format = models.CharField(max_length=8, choices=Format)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Data:
        personal = {"content"}
        pseudonymous: set[str] = set()
        plain = {"id", "report", "format", "sha256", "created_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "format"], name="audit_reportfile_one_each"),
            models.CheckConstraint(
                name="audit_reportfile_format_known", condition=Q(format__in=["pdf", "csv"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.report_id}.{self.format}"
