"""Stricter terms that came to hold for what is kept already, until every batch follows them."""

from django.db import models
from django.db.models.functions import Now


class Tightening(models.Model):
    """Somebody came under other rules, or the rules of a cohort became stricter.

    So they do as well when a purpose ends under a rule that says how soon after it data must go.

    Owed in the transaction of its cause, carried out by workers in slices, so that no move is
    slow. The terms are those of the revision it names, whatever comes later: the stricter of old
    and new holds for what is kept, and nothing ever makes a term longer.
    """

    class Cause(models.TextChoices):
        MOVED = "moved"
        RULES = "rules"

    class State(models.TextChoices):
        OWED = "owed"
        HELD = "held"  # a legal hold keeps some batches as they are; looked at again later
        DONE = "done"

    cause = models.CharField(max_length=8, choices=Cause.choices)
    # Empty: everybody who was in the revision's cohort when this was owed.
    subject = models.ForeignKey(
        "consent.Subject", null=True, on_delete=models.PROTECT, related_name="+"
    )
    cohort_policy = models.ForeignKey(
        "consent.CohortPolicy", on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.OWED)
    # How far the work has come: the last batch that was looked at, in the order of the table.
    after_day = models.DateField(null=True)
    after_batch = models.UUIDField(null=True)
    met_a_hold = models.BooleanField(default=False)
    next_at = models.DateTimeField(db_default=Now())
    opened_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True)

    class Data:
        personal: set[str] = set()
        pseudonymous = {"subject", "after_batch"}
        plain = {
            "id",
            "cause",
            "cohort_policy",
            "state",
            "after_day",
            "met_a_hold",
            "next_at",
            "opened_at",
            "closed_at",
        }

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="tightening_open", condition=~models.Q(state="done")),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.state}"
