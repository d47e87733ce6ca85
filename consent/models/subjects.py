"""Subjects and the dated facts about them."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Subject(models.Model):
    """An employee; outside this table only `ref`, a random pseudonym, stands for them."""

    ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    language = models.CharField(max_length=12, default="en")
    cohort = models.ForeignKey(
        "consent.Cohort", null=True, on_delete=models.PROTECT, related_name="subjects"
    )
    # Position of the newest consent event: taken under this row's lock, so that it never repeats.
    position = models.PositiveIntegerField(default=0)
    # When a fact begins or ends next, by the clocks of their places: then the cohort must be looked
    # at anew.
    turns_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    # From when on the person is no longer of the organisation, ahead or past; `Departure` has why.
    departed_at = models.DateTimeField(null=True)

    class Data:
        personal = {"language", "turns_at"}
        pseudonymous = {"ref", "departed_at"}
        plain = {"id", "cohort", "position", "recorded_at"}

    class Meta:
        indexes = [
            models.Index(
                fields=["turns_at"],
                name="subject_turns",
                condition=models.Q(turns_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="subject_language_not_empty", condition=~models.Q(language="")
            ),
        ]

    def __str__(self) -> str:
        return str(self.ref)


class SubjectFact(models.Model):
    """Something dated about a subject that decides which law and agreement apply."""

    class Kind(models.TextChoices):
        WORK_LOCATION = "work_location"
        RESIDENCE = "residence"
        ESTABLISHMENT = "establishment"  # the employer's, that employs them
        DEVICE_LOCATION = "device_location"
        TRAVEL = "travel"
        SITE = "site"
        UNIT = "unit"  # for statistics of groups and for agreements

    JURISDICTION_KINDS = (
        Kind.WORK_LOCATION,
        Kind.RESIDENCE,
        Kind.ESTABLISHMENT,
        Kind.DEVICE_LOCATION,
        Kind.TRAVEL,
    )

    SEVERAL_AT_ONCE = (Kind.DEVICE_LOCATION, Kind.TRAVEL)
    """Kinds of which several may hold at a time; of any other the newest one ends the others."""

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="facts")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    value = models.CharField(max_length=80)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)  # half-open: not valid on this day any more
    source = models.CharField(max_length=40)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    # When another system had it, of imports; null: it was known from `recorded_at` on.
    event_time = models.DateTimeField(null=True)
    # When its end was recorded, if later than the fact itself: until then it was known to go on.
    end_recorded_at = models.DateTimeField(null=True)

    class Data:
        personal = {"value", "kind", "valid_from", "valid_until"}
        pseudonymous = {"subject"}
        plain = {"id", "source", "recorded_at", "event_time", "end_recorded_at"}

    class Meta:
        indexes = [models.Index(fields=["subject", "kind"], name="fact_subject_kind")]
        constraints = [
            # Half-open: a fact that ends on its first day never held, such as one put right.
            models.CheckConstraint(
                name="fact_interval_runs_forward",
                condition=models.Q(valid_until__isnull=True)
                | models.Q(valid_until__gte=models.F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} from {self.valid_from}"


class Departure(models.Model):
    """The person leaves the organisation at an instant, until they come back or stay after all."""

    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="departures")
    left_at = models.DateTimeField()
    source = models.CharField(max_length=40)
    # When what follows from it was done: consents ended, deletions owed. Null: it is still ahead.
    settled_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"left_at", "ended_at"}
        pseudonymous = {"subject"}
        plain = {"id", "source", "settled_at", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=models.Q(ended_at__isnull=True),
                name="one_departure_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["left_at"],
                name="departure_ahead",
                condition=models.Q(settled_at__isnull=True, ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"departure of {self.subject_id}"


class FactDoubt(models.Model):
    """A person says that a fact about them is wrong, until the privacy team has looked at it."""

    class Outcome(models.TextChoices):
        CORRECTED = "corrected"
        STANDS = "stands"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    fact = models.ForeignKey(SubjectFact, on_delete=models.PROTECT, related_name="doubts")
    note = models.CharField(max_length=500, blank=True, default="")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.UUIDField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"note"}
        pseudonymous = {"fact", "settled_by"}
        plain = {"id", "uuid", "outcome", "settled_at", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fact"],
                condition=models.Q(settled_at__isnull=True),
                name="one_open_doubt_a_fact",
            ),
            models.CheckConstraint(
                name="doubt_settled_with_an_outcome",
                condition=models.Q(settled_at__isnull=True, outcome="", settled_by__isnull=True)
                | models.Q(
                    settled_at__isnull=False,
                    outcome__in=["corrected", "stands"],
                    settled_by__isnull=False,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"doubt about {self.fact_id}"
