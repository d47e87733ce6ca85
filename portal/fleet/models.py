"""Tickets that let machines ask, and the machines that asked and are nobody's yet."""

import uuid

from django.db import models
from django.db.models.functions import Now

from consent.models import Agent, Cohort


class EnrolmentTicket(models.Model):
    """Lets machines be enrolled up to a person's word: one of a serial number, or some of a group.

    The group is a site's people, or a cohort: those for whom the same rules decide.

    Stored as a hash. It says how often and when it was used, never by whom or with what outcome.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    label = models.CharField(max_length=80)
    sha256 = models.BinaryField(max_length=32, unique=True)
    serial_sha256 = models.BinaryField(max_length=32, null=True)
    site = models.CharField(max_length=80, blank=True)
    cohort = models.ForeignKey(Cohort, null=True, on_delete=models.PROTECT, related_name="+")
    places = models.PositiveIntegerField(default=1)
    used = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"sha256", "serial_sha256"}
        plain = {
            "id",
            "uuid",
            "label",
            "site",
            "cohort",
            "places",
            "used",
            "last_used_at",
            "made_at",
            "expires_at",
            "revoked_at",
        }

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="ticket_not_overused", condition=models.Q(used__lte=models.F("places"))
            ),
            models.CheckConstraint(
                name="ticket_bound",
                condition=models.Q(serial_sha256__isnull=False, site="", cohort=None, places=1)
                | (models.Q(serial_sha256__isnull=True, cohort=None) & ~models.Q(site=""))
                | models.Q(serial_sha256__isnull=True, site="", cohort__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class PendingMachine(models.Model):
    """A machine that enrolled by a ticket: denied everything until its person approves it."""

    class Outcome(models.TextChoices):
        APPROVED = "approved"
        DECLINED = "declined"

    ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticket = models.ForeignKey(EnrolmentTicket, on_delete=models.PROTECT, related_name="machines")
    name = models.CharField(max_length=80)
    platform = models.CharField(max_length=12)
    public_key = models.BinaryField(max_length=65)
    key_kind = models.CharField(max_length=8, choices=Agent.KeyKind.choices)
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    code_sha256 = models.BinaryField(max_length=32, unique=True)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)

    class Data:
        personal = {"name"}
        pseudonymous = {"ref", "public_key", "token_sha256", "code_sha256"}
        plain = {"id", "ticket", "platform", "key_kind", "asked_at", "expires_at", "outcome"}

    class Meta:
        constraints = [
            # A ticket takes the same machine's question again, where the answer got lost.
            models.UniqueConstraint(fields=["ticket", "public_key"], name="machine_asks_once"),
        ]

    def __str__(self) -> str:
        return str(self.ref)
