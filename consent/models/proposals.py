"""Four eyes: proposals, the votes on them, council seats, and the kill switch."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Proposal(models.Model):
    """A change made by one person and decided by others.

    What widens waits for them; what tightens acted at once and is reviewed afterwards.
    """

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"  # by all who must; waits for its hour
        APPLIED = "applied"
        REJECTED = "rejected"
        VETOED = "vetoed"
        WITHDRAWN = "withdrawn"  # by its own author
        FAILED = "failed"  # approved, and could not be made: `failure` says why

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    payload = models.JSONField()
    # Approval is of these exact bytes; applying checks them again.
    payload_sha256 = models.CharField(max_length=64)
    # What stood when it was proposed; a revert goes back to it.
    before = models.JSONField(null=True)
    # What will stand: applying must lead exactly there, or it is undone.
    after = models.JSONField(null=True)
    impact = models.JSONField(null=True)  # counts of groups, as those who decide saw them
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    tightens = models.BooleanField(default=False)
    approvals_needed = models.PositiveSmallIntegerField(default=1)
    council_units = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    effective_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=40, default="", db_default="", blank=True)
    reverts = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="reverted_by"
    )
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
            "before",
            "after",
            "impact",
            "state",
            "tightens",
            "approvals_needed",
            "council_units",
            "effective_at",
            "applied_at",
            "failed_at",
            "failure",
            "reverts",
            "proposed_at",
            "decided_at",
        }

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="requester_is_not_approver",
                condition=models.Q(decided_by__isnull=True)
                | models.Q(state="withdrawn")
                | ~models.Q(decided_by=models.F("proposed_by")),
            ),
            models.CheckConstraint(
                name="proposal_decided_by_someone",
                condition=models.Q(state="open", decided_by__isnull=True)
                | models.Q(~models.Q(state="open"), decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="proposal_needs_one_or_two",
                condition=models.Q(approvals_needed__in=[1, 2]),
            ),
            models.CheckConstraint(
                name="applied_proposal_was_applied",
                condition=~models.Q(state="applied") | models.Q(applied_at__isnull=False),
            ),
            models.CheckConstraint(
                # Those that failed before this was kept have neither.
                name="failed_proposal_says_why",
                condition=models.Q(failure="", failed_at__isnull=True)
                | models.Q(~models.Q(failure=""), state="failed", failed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.uuid}"


class ProposalVote(models.Model):
    """What one person said of a proposal, for the privacy team or for a unit's council."""

    class Vote(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"
        VETO = "veto"

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="votes")
    voter = models.UUIDField()
    # The unit that a council seat speaks for; empty: a privacy officer.
    unit = models.CharField(max_length=80, default="", blank=True)
    vote = models.CharField(max_length=8, choices=Vote.choices)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"voter"}
        plain = {"id", "proposal", "unit", "vote", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "voter", "unit"], name="one_vote_each"),
            models.CheckConstraint(
                name="only_a_council_vetoes",
                condition=~models.Q(vote="veto") | ~models.Q(unit=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vote} on {self.proposal_id}"


class CouncilSeat(models.Model):
    """Somebody speaks for one unit's works council, from when to when."""

    person = models.UUIDField()
    unit = models.CharField(max_length=80)
    valid_from = models.DateField()
    ended_at = models.DateTimeField(null=True)
    # Who of the council gave or ended it; null: whoever runs the machine, by the command.
    given_by = models.UUIDField(null=True)
    ended_by = models.UUIDField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"person", "given_by", "ended_by"}
        plain = {"id", "unit", "valid_from", "ended_at", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "unit"],
                condition=models.Q(ended_at__isnull=True),
                name="council_seat_once",
            ),
            models.CheckConstraint(
                name="nobody_seats_themselves",
                condition=models.Q(given_by__isnull=True) | ~models.Q(given_by=models.F("person")),
            ),
        ]

    def __str__(self) -> str:
        return f"seat for {self.unit}"


class KillSwitch(models.Model):
    """Capture stopped for one purpose, or for everything: pulled by one, released by two."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purpose = models.ForeignKey(
        "consent.Purpose", null=True, on_delete=models.PROTECT, related_name="kill_switches"
    )
    pulled_by = models.UUIDField()
    pulled_as = models.CharField(max_length=20)
    reason = models.CharField(max_length=40)
    pulled_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"pulled_by"}
        plain = {
            "id",
            "uuid",
            "purpose",
            "pulled_as",
            "reason",
            "pulled_at",
            "released_at",
            "recorded_at",
        }

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purpose"],
                condition=models.Q(released_at__isnull=True),
                nulls_distinct=False,
                name="one_switch_pulled_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"switch of {self.purpose_id or 'everything'}"


class KillRelease(models.Model):
    """One privacy officer agrees to release a switch; with the second one it is released."""

    switch = models.ForeignKey(KillSwitch, on_delete=models.PROTECT, related_name="releases")
    officer = models.UUIDField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"officer"}
        plain = {"id", "switch", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["switch", "officer"], name="one_release_each"),
        ]

    def __str__(self) -> str:
        return f"release of {self.switch_id}"
