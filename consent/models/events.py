"""What people decided: an append-only list of events, whose fold is the current state."""

import uuid

from django.db import models
from django.db.models.functions import Now

from consent.policy.types import ConsentState, Signal


class ConsentEvent(models.Model):
    """One decision about one purpose (ISO/IEC TS 27560 event). Never changed, never deleted."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="events")
    position = models.PositiveIntegerField()
    purpose = models.ForeignKey("consent.Purpose", on_delete=models.PROTECT, related_name="events")
    notice = models.ForeignKey("consent.Notice", on_delete=models.PROTECT, related_name="events")
    language = models.CharField(max_length=12)
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in ConsentState])
    event_time = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    valid_until = models.DateTimeField(null=True)
    imported = models.BooleanField(default=False)
    # The rules that decided about the person then; empty in events from before it was kept, and
    # where no rules were in force for them.
    pack_digest = models.CharField(max_length=64, default="", blank=True)
    pack_version = models.CharField(max_length=120, default="", blank=True)
    # What they shared with others then: places, and the purpose's title and term.
    # Null in events from before it was kept, and for who was in no cohort.
    cohort_policy = models.ForeignKey(
        "consent.CohortPolicy", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Data:
        personal = {"state", "language"}
        pseudonymous = {"uuid", "subject", "cohort_policy"}
        plain = {
            "id",
            "position",
            "purpose",
            "notice",
            "event_time",
            "recorded_at",
            "valid_until",
            "imported",
            "pack_digest",
            "pack_version",
        }

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "position"], name="event_position_once"),
            models.CheckConstraint(
                name="event_state_recordable",
                condition=models.Q(
                    state__in=[s.value for s in ConsentState if s is not ConsentState.UNKNOWN]
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["subject", "purpose", "-position"], name="event_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}#{self.position} {self.state}"


class ConsentScope(models.Model):
    """One pair that a *given* event covers: clicks in A and scrolling in B grant no clicks in B."""

    event = models.ForeignKey(ConsentEvent, on_delete=models.PROTECT, related_name="scopes")
    app = models.ForeignKey("consent.App", on_delete=models.PROTECT, related_name="scopes")
    signal = models.CharField(max_length=20, choices=[(s.value, s.value) for s in Signal])
    # The entry of the list by which it was asked for: once that is taken off, this counts no more,
    # even if the pair is listed again. By number, not by time. Null: unknown, which never counts.
    listing = models.ForeignKey(
        "consent.AllowlistEntry", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Data:
        personal = {"app", "signal"}
        pseudonymous = {"event"}
        plain = {"id", "listing"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "app", "signal"], name="scope_pair_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}:{self.app_id}:{self.signal}"


class Acknowledgement(models.Model):
    """The subject confirms having received a notice. It is not consent, and no consent is it."""

    subject = models.ForeignKey(
        "consent.Subject", on_delete=models.PROTECT, related_name="acknowledgements"
    )
    notice = models.ForeignKey(
        "consent.Notice", on_delete=models.PROTECT, related_name="acknowledgements"
    )
    acknowledged_at = models.DateTimeField(db_default=Now())
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"subject"}
        plain = {"id", "notice", "acknowledged_at", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "notice"], name="acknowledged_notice_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}:{self.notice_id}"


class NoticeWaiver(models.Model):
    """The subject agrees to a shorter notice period, or takes that back; the newest row counts."""

    subject = models.ForeignKey(
        "consent.Subject", on_delete=models.PROTECT, related_name="notice_waivers"
    )
    notice = models.ForeignKey("consent.Notice", on_delete=models.PROTECT, related_name="waivers")
    agreed = models.BooleanField()
    # The first day of the period that it is about: a later one, as after a move, takes a new act.
    told_on = models.DateField()
    event_time = models.DateTimeField(db_default=Now())
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"agreed"}
        pseudonymous = {"subject"}
        plain = {"id", "notice", "told_on", "event_time", "recorded_at"}

    class Meta:
        indexes = [
            models.Index(fields=["subject", "notice", "-id"], name="waiver_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}:{self.notice_id} {'agreed' if self.agreed else 'taken back'}"


class Pause(models.Model):
    """The subject's own pause over every purpose; unlimited unless they end it."""

    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="pauses")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal = {"started_at", "ended_at"}
        pseudonymous = {"subject"}
        plain = {"id", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=models.Q(ended_at__isnull=True),
                name="one_pause_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} from {self.started_at:%Y-%m-%d}"


class ToldPause(models.Model):
    """That a machine told of a pause, under a name of its own: told again, it changes nothing."""

    subject = models.ForeignKey("consent.Subject", on_delete=models.PROTECT, related_name="+")
    ref = models.UUIDField(editable=False)
    after_version = models.BigIntegerField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"subject", "ref"}
        plain = {"id", "after_version", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "ref"], name="told_pause_once"),
        ]

    def __str__(self) -> str:
        return str(self.ref)
