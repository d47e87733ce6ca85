"""Tickets that let machines ask, and the machines that asked and are nobody's yet."""

import uuid

from django.db import models
from django.db.models.functions import Now

from consent.models import Agent, Cohort


class TicketSet(models.Model):
    """Tickets made at once, one for each machine, for one site, one cohort or a list of serials."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    label = models.CharField(max_length=80)
    request = models.UUIDField(unique=True)
    """By whoever asked: where the answer got lost, the same question makes no second set."""
    asked_sha256 = models.BinaryField(max_length=32)
    """What was asked for, so that another question under the same number is known as one."""
    made_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"asked_sha256"}
        plain = {"id", "uuid", "label", "request", "made_at"}

    def __str__(self) -> str:
        return str(self.uuid)


class EnrolmentTicket(models.Model):
    """Lets one machine be enrolled up to a person's word: that of a serial number, or of a group.

    The group is a site's people, or a cohort: those for whom the same rules decide. A ticket of no
    set was made before each was good for one machine, and has the places that it was given then.

    Stored as a hash. It says when it was used and with which key, never with what outcome.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticket_set = models.ForeignKey(
        TicketSet, null=True, on_delete=models.PROTECT, related_name="tickets"
    )
    number = models.PositiveIntegerField(null=True)
    label = models.CharField(max_length=80, blank=True)
    sha256 = models.BinaryField(max_length=32, unique=True)
    serial_sha256 = models.BinaryField(max_length=32, null=True)
    site = models.CharField(max_length=80, blank=True)
    cohort = models.ForeignKey(Cohort, null=True, on_delete=models.PROTECT, related_name="+")
    places = models.PositiveIntegerField(default=1)
    used = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True)
    shown_again_at = models.DateTimeField(null=True)
    """When another machine showed it after it was used: there may be a copy."""
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"sha256", "serial_sha256"}
        plain = {
            "id",
            "uuid",
            "ticket_set",
            "number",
            "label",
            "site",
            "cohort",
            "places",
            "used",
            "last_used_at",
            "shown_again_at",
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
            models.CheckConstraint(
                name="ticket_single_use",
                condition=models.Q(ticket_set=None, number=None)
                | models.Q(ticket_set__isnull=False, number__isnull=False, places=1),
            ),
            models.UniqueConstraint(fields=["ticket_set", "number"], name="ticket_number_once"),
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
