"""Apps, how to recognise them, and which signals of them a purpose may ask for."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from consent.policy.types import (
    NEVER_CATEGORIES,
    AppCategory,
    DataOf,
    MatcherKind,
    Platform,
    Signal,
)


class App(models.Model):
    """A program or web application. A category in NEVER_CATEGORIES is never captured."""

    code = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    category = models.CharField(
        max_length=24,
        choices=[(c.value, c.value) for c in AppCategory],
        default=AppCategory.UNKNOWN.value,
    )
    data_of = models.CharField(
        max_length=12, choices=[(d.value, d.value) for d in DataOf], default=DataOf.CUSTOMERS.value
    )
    # Where the other people are whose words it shows; null: not known, which denies their words.
    counterparties = ArrayField(models.CharField(max_length=8), null=True)
    # A plan that permits nothing: no redaction profile drops the words of others (ADR 28).
    counterparties_masked = models.BooleanField(default=False)
    # Anyone's report that a never-category app was mistaken for a harmless one blocks at once.
    blocked_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {
            "id",
            "code",
            "name",
            "category",
            "data_of",
            "counterparties",
            "counterparties_masked",
            "blocked_at",
        }

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="app_category_known",
                condition=models.Q(category__in=[c.value for c in AppCategory]),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def never(self) -> bool:
        """Whether no rule, agreement or person can ever allow capture of this app."""
        return AppCategory(self.category) in NEVER_CATEGORIES


class StandingMatchers(models.Manager["AppMatcher"]):
    """The marks that count now; `app.matchers` has only these."""

    def get_queryset(self) -> models.QuerySet["AppMatcher"]:
        """Leave out what was retired."""
        return super().get_queryset().filter(retired_at__isnull=True)


class AppMatcher(models.Model):
    """One window fact by which agents recognise an app, from when it was listed until retired."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="matchers")
    platform = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Platform])
    kind = models.CharField(max_length=12, choices=[(k.value, k.value) for k in MatcherKind])
    value = models.CharField(max_length=253)
    # The catalogue says that what it fits is never captured; whoever decides so said otherwise.
    despite_catalogue = models.BooleanField(default=False)
    retired_at = models.DateTimeField(null=True)

    objects = StandingMatchers()
    ever = models.Manager["AppMatcher"]()

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "app", "platform", "kind", "value", "despite_catalogue", "retired_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "kind", "value"],
                # A signer signs many programs; any other mark is one app's alone.
                condition=models.Q(retired_at__isnull=True) & ~models.Q(kind="signer"),
                name="matcher_means_one_app",
            ),
            models.UniqueConstraint(
                fields=["app", "platform", "kind", "value"],
                condition=models.Q(retired_at__isnull=True),
                name="matcher_once_an_app",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform}:{self.kind}:{self.value}"


class AppReport(models.Model):
    """Somebody says that an app shows what must never be captured; it is blocked at once."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="reports")
    reporter = models.UUIDField()
    suspected = models.CharField(max_length=24, choices=[(c.value, c.value) for c in AppCategory])
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    settled_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"reporter"}
        plain = {"id", "app", "suspected", "recorded_at", "settled_at"}

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="report_suspects_a_never_category",
                condition=models.Q(suspected__in=sorted(c.value for c in NEVER_CATEGORIES)),
            ),
        ]

    def __str__(self) -> str:
        return f"report about {self.app_id}"


class AllowlistEntry(models.Model):
    """A purpose may ask for this signal of this app. What is not listed is denied."""

    purpose = models.ForeignKey(
        "consent.Purpose", on_delete=models.PROTECT, related_name="allowlist"
    )
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="allowlist")
    signal = models.CharField(max_length=20, choices=[(s.value, s.value) for s in Signal])
    listed_at = models.DateTimeField(db_default=Now())
    delisted_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous: set[str] = set()
        plain = {"id", "purpose", "app", "signal", "listed_at", "delisted_at"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "app", "signal"],
                condition=models.Q(delisted_at__isnull=True),
                name="allowlist_entry_once",
            ),
            models.CheckConstraint(
                name="allowlist_signal_known",
                condition=models.Q(signal__in=[s.value for s in Signal]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose_id}:{self.app_id}:{self.signal}"
