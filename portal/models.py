"""Who talks to us: people who sign in, their roles, and agents' tokens."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Now

from consent.models import Agent, Purpose
from portal.endpoint.models import Fence, Unmarked
from portal.fleet.models import EnrolmentTicket, PendingMachine, TicketSet
from portal.policykeys.models import KeyManifest, PolicyKey

__all__ = [
    "AgentKey",
    "AgentToken",
    "EnrolmentTicket",
    "Fence",
    "KeyManifest",
    "PendingMachine",
    "PolicyKey",
    "PublishedAnswers",
    "PublishedCount",
    "Role",
    "RoleGrant",
    "ServiceToken",
    "TicketSet",
    "Unmarked",
    "User",
    "UserManager",
]


class UserManager(BaseUserManager["User"]):
    """Makes logins; who may do what is a RoleGrant, never a flag on the login."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a saved login; without a password it can only sign in through SSO."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A login. What the person decided hangs on `subject`, not here."""

    ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    subject = models.OneToOneField(
        "consent.Subject", null=True, on_delete=models.PROTECT, related_name="user"
    )
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Data:
        personal = {"email", "name", "password", "last_login"}
        pseudonymous = {"ref", "subject"}
        plain = {"id", "is_active", "joined_at"}

    def __str__(self) -> str:
        return str(self.ref)

    def get_full_name(self) -> str:
        """Return the name shown to the person themselves and to nobody else."""
        return self.name


class Role(models.TextChoices):
    """DESIGN section 6. Employees need no grant: they see their own data and nothing else."""

    MANAGER = "manager"
    PRIVACY_OFFICER = "privacy_officer"
    WORKS_COUNCIL = "works_council"
    ML_STEWARD = "ml_steward"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class RoleGrant(models.Model):
    """A role someone holds, from when to when."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=20, choices=Role.choices)
    granted_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal = {"role"}
        pseudonymous = {"user"}
        plain = {"id", "granted_at", "revoked_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=models.Q(revoked_at__isnull=True),
                name="role_granted_once",
            ),
            models.CheckConstraint(name="role_known", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}:{self.role}"


class AgentToken(models.Model):
    """An agent's poll token, as a hash: what is stored here opens nothing.

    Each is of a generation. A new one is *pending* until it is first used; until then, and for
    `OVERLAP` at most, the one before it works as well. From then on the one before it is
    *superseded*: whoever still shows it after `GRACE` holds a copy.
    """

    OVERLAP: ClassVar = timedelta(days=7)
    GRACE: ClassVar = timedelta(seconds=60)

    agent = models.ForeignKey("consent.Agent", on_delete=models.PROTECT, related_name="tokens")
    sha256 = models.BinaryField(max_length=32, unique=True)
    generation = models.PositiveIntegerField(default=1)
    # Of the proof that asked for this token: no proof is good for two.
    proof_sha256 = models.BinaryField(max_length=32, unique=True, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    used_at = models.DateTimeField(null=True, db_default=Now())
    ends_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"agent", "sha256", "proof_sha256"}
        plain = {"id", "generation", "created_at", "used_at", "ends_at", "revoked_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "generation"], name="token_generation_once"),
        ]

    def __str__(self) -> str:
        return f"token {self.generation} of {self.agent_id}"


class AgentKey(models.Model):
    """A key of an agent's beside the one it proves itself by: one to come, or one given up.

    One to come is *pending* until it is first used. From then on the one before it is *given up*:
    whoever still proves anything by it after `GRACE` holds a copy.
    """

    # As long as a proof is good for: one may have been under way as the new key was first used.
    GRACE: ClassVar = timedelta(seconds=300)

    agent = models.ForeignKey("consent.Agent", on_delete=models.PROTECT, related_name="keys")
    public_key = models.BinaryField(max_length=65)
    key_kind = models.CharField(max_length=8, choices=Agent.KeyKind.choices)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    given_up_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"agent", "public_key"}
        plain = {"id", "key_kind", "asked_at", "given_up_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "public_key"], name="agent_key_once"),
            models.UniqueConstraint(
                fields=["agent"],
                condition=models.Q(given_up_at__isnull=True),
                name="agent_key_one_to_come",
            ),
        ]

    def __str__(self) -> str:
        return f"key of {self.agent_id}"


class ServiceToken(models.Model):
    """What another system of the organisation signs its requests with, as a hash, and for what."""

    class Scope(models.TextChoices):
        FACTS = "facts"  # dated facts about people, as a personnel system knows them
        TICKETS = "tickets"  # tickets with which machines ask, as who hands machines out needs them

    name = models.SlugField(max_length=40)
    scope = models.CharField(max_length=20, choices=Scope.choices)
    sha256 = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "name", "scope", "sha256", "created_at", "revoked_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked_at__isnull=True),
                name="one_token_a_service",
            ),
            models.CheckConstraint(
                name="scope_known", condition=models.Q(scope__in=["facts", "tickets"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.scope}"


class PublishedAnswers(models.Model):
    """How many people answered what to a purpose, as it is told until it is told anew (ADR 24).

    Never changed afterwards. What is hidden is null.
    """

    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, related_name="+")
    until = models.DateTimeField()
    total = models.IntegerField(null=True)
    cells = models.JSONField()
    newest_event = models.BigIntegerField()
    """The newest answer that was counted: who answered after it may bring the next figures."""
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "purpose", "until", "total", "cells", "newest_event", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purpose", "until"], name="answers_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose_id} until {self.until:%Y-%m-%d}"


class PublishedCount(models.Model):
    """A count of what people did, as it is told until it is told anew (ADR 24).

    Never changed afterwards. What is hidden is null.
    """

    name = models.CharField(max_length=40)
    counted_at = models.DateTimeField()
    value = models.BigIntegerField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "name", "counted_at", "value"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "counted_at"], name="count_once_an_instant"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.counted_at:%Y-%m-%d}"
