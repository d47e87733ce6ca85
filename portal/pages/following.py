"""Which of a person's machines follow their latest choice, for that person alone to see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from consent.models import Agent, IssuedPolicy, PersonalPolicy, PolicyAcknowledgement, Subject


@dataclass(frozen=True)
class Following:
    """Where one machine stands.

    `follows`: it says that it obeys a policy made after the latest choice, since `at`. `ended`: no
    policy from before that choice runs any more, so it records nothing by one. `told`: it got the
    new policy `at` and has not said that it obeys. `silent`: it was last heard of `at`, before the
    choice; `lease_until` is when what it may still go by ends. `new`: it never had a policy.
    """

    state: Literal["follows", "ended", "told", "silent", "new"]
    stopped: bool
    """Whether nothing that it may still go by allows anything."""
    at: datetime | None = None
    purged: bool = False
    ran_out: bool = False
    """Whether what it follows allowed something and has ended: it never said that it stopped."""
    lease_until: datetime | None = None

    @property
    def is_sure(self) -> bool:
        """Whether nothing is recorded by an older choice any more."""
        return self.state in {"follows", "ended", "new"}


@dataclass(frozen=True)
class Heard:
    """What was heard of one machine; all None where it never asked for a policy."""

    last_seen: datetime | None
    """When it last got a policy or spoke of one; what changed nothing is not written."""
    version: int | None
    lease_until: datetime | None
    """Of the newest policy that it got."""
    follows: Following | None
    """None unless it is in good standing: all others are cut off."""


def heard_of(subject: Subject, *, now: datetime) -> dict[int, Heard]:
    """Return what is known of each of their machines, by its key, in two queries for all."""
    half = PersonalPolicy.objects.filter(subject=subject).values_list("revision", flat=True).first()
    return {row["pk"]: _heard(row) for row in _rows(subject, half or 0, now)}


def _rows(subject: Subject, revision: int, now: datetime) -> QuerySet[Agent, dict[str, Any]]:
    policies = IssuedPolicy.objects.filter(agent=OuterRef("pk"))
    words = PolicyAcknowledgement.objects.filter(agent=OuterRef("pk"))
    newest = policies.order_by("-version")
    word = words.order_by("-version", "-purged")
    allowing = policies.exclude(allow={})
    running = policies.filter(lease_until__gt=now)
    # What was issued after the choice that stands, and the first word of it or of a later one.
    first = policies.filter(personal_revision__gte=revision).order_by("version")
    said = words.filter(version__gte=OuterRef("first_version")).order_by("version", "pk")
    before = running.filter(personal_revision__lt=revision).order_by("-lease_until")
    known = Agent.objects.filter(subject=subject).annotate(
        version=Subquery(newest.values("version")[:1]),
        lease_until=Subquery(newest.values("lease_until")[:1]),
        last_seen=Greatest(
            Subquery(newest.values("issued_at")[:1]),
            Subquery(words.order_by("-pk").values("recorded_at")[:1]),
        ),
        word_version=Subquery(word.values("version")[:1]),
        purged=Subquery(word.values("purged")[:1]),
        first_version=Subquery(first.values("version")[:1]),
        first_at=Subquery(first.values("issued_at")[:1]),
        begun=Subquery(said.values("applied_at")[:1]),
        spoken=Exists(allowing.filter(version=OuterRef("word_version"))),
        may_record=Exists(
            allowing.filter(lease_until__gt=now, version__gte=Coalesce(OuterRef("word_version"), 0))
        ),
        before_until=Subquery(before.values("lease_until")[:1]),
    )
    found: QuerySet[Agent, dict[str, Any]] = known.values(
        "pk",
        "standing",
        *("version", "lease_until", "last_seen", "word_version", "purged", "first_version"),
        *("first_at", "begun", "spoken", "may_record", "before_until"),
    )
    return found


def _heard(row: dict[str, Any]) -> Heard:
    active = row["standing"] == Agent.Standing.ACTIVE
    follows = _following(row) if active else None
    return Heard(row["last_seen"], row["version"], row["lease_until"], follows)


def _following(row: dict[str, Any]) -> Following:
    stopped = not row["may_record"]
    if row["version"] is None:
        return Following("new", stopped)
    if row["begun"] is not None:
        ran_out = stopped and row["spoken"]
        return Following("follows", stopped, at=row["begun"], purged=row["purged"], ran_out=ran_out)
    if row["before_until"] is None:
        return Following("ended", stopped)
    if row["first_version"] is not None:
        return Following("told", stopped, at=row["first_at"], lease_until=row["before_until"])
    return Following("silent", stopped, at=row["last_seen"], lease_until=row["before_until"])
