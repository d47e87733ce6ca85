"""Purposes and the notices that describe them."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Purpose(models.Model):
    """What the captured data is for (GDPR Art. 5(1)(b)); consent is given per purpose."""

    code = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=120)
    description = models.TextField()
    lawful_basis = models.CharField(max_length=60, default="consent")
    retention_days = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField(default=0)
    published_at = models.DateTimeField(null=True)
    # Since when nobody is asked any more: some laws say how soon what is held has to go then.
    retired_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "code",
            "title",
            "description",
            "lawful_basis",
            "retention_days",
            "position",
            "published_at",
            "retired_at",
        }

    class Meta:
        ordering = ["position", "code"]
        constraints = [
            models.CheckConstraint(
                name="purpose_asks_or_is_retired",
                condition=models.Q(published_at__isnull=True) | models.Q(retired_at__isnull=True),
            ),
            models.CheckConstraint(
                name="purpose_retention_bounded",
                condition=models.Q(retention_days__gte=1, retention_days__lte=365),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Notice(models.Model):
    """One version of what people are told about a purpose; once published it cannot change."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, related_name="notices")
    version = models.PositiveIntegerField()
    prepared_on = models.DateField()
    published_at = models.DateTimeField(null=True)
    # Of the texts in all languages, so that a receipt can say exactly what was shown.
    sha256 = models.CharField(max_length=64, default="", blank=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "uuid", "purpose", "version", "prepared_on", "published_at", "sha256"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purpose", "version"], name="notice_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose_id}/{self.version}"


class NoticeText(models.Model):
    """A notice in one language: the sections of the content union, each a required field."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="texts")
    language = models.CharField(max_length=12)
    title = models.CharField(max_length=200)
    # Section code -> text; which codes are required is in consent.notices.
    sections = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "notice", "language", "title", "sections", "recorded_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notice", "language"], name="notice_text_once"),
        ]

    def __str__(self) -> str:
        return f"{self.notice_id}/{self.language}"
