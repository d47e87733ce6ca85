"""Terms of a purpose that change after it was published, and purposes that stop asking."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.digests import digest
from consent.exceptions import NoticeNeeded
from consent.models import Purpose
from consent.selectors.choices import current_notice
from consent.services.cohorts import refresh_cohorts
from consent.services.locks import locked_purpose
from consent.services.publishing import Texts, publish_notice

TERMS = ("title", "description", "retention_days")


@transaction.atomic
def change_purpose(
    *,
    purpose: Purpose,
    fields: Mapping[str, str | int],
    actor: Actor,
    texts: Texts | None = None,
    at: datetime | None = None,
) -> Purpose:
    """Change title, description or retention_days, with the notice's next version where one is due.

    Who said yes keeps their yes where it is only kept more shortly. Raises NoticeNeeded where it
    is called otherwise or kept longer than people were told, and no new `texts` tell them: so
    while a yes counts, the term is at most what it was when that yes was given.
    """
    changed = locked_purpose(purpose.pk)
    if unknown := set(fields) - set(TERMS):
        raise ValueError(f"{min(unknown)} is not a term of a purpose that changes")
    if texts is None and needs_notice(changed, fields):
        raise NoticeNeeded
    for name in fields:
        setattr(changed, name, fields[name])
    changed.save(update_fields=list(fields))
    _say(changed, tuple(sorted(fields)), actor=actor, at=at)
    if texts is not None:
        publish_notice(purpose=changed, texts=texts, actor=actor, at=at)
    return changed


def needs_notice(purpose: Purpose, fields: Mapping[str, str | int]) -> bool:
    """Say whether people must be told of these terms anew: all but a shorter time to keep.

    A purpose without a notice has nobody's yes. A retired one has: it may ask again.
    """
    told = any(
        int(value) > purpose.retention_days
        if name == "retention_days"
        else value != getattr(purpose, name)
        for name, value in fields.items()
    )
    return told and current_notice(purpose) is not None


@transaction.atomic
def retire_purpose(*, purpose: Purpose, actor: Actor, at: datetime | None = None) -> Purpose:
    """Ask nobody any more and record nothing for it; answers stay on record. Repeats are quiet.

    Where a law says how soon after that what is held must be gone, it is owed in this transaction.
    """
    retired = locked_purpose(purpose.pk)
    if retired.published_at is None:
        return retired
    retired.published_at, retired.retired_at = None, at or timezone.now()
    retired.save(update_fields=["published_at", "retired_at"])
    _say(retired, ("published",), actor=actor, at=at)
    return retired


@transaction.atomic
def reopen_purpose(*, purpose: Purpose, actor: Actor, at: datetime | None = None) -> Purpose:
    """Ask again for a purpose that was retired: who still says yes is recorded again.

    What was to be gone because it had ended is gone by then all the same.
    """
    reopened = locked_purpose(purpose.pk)
    if reopened.published_at is not None:
        return reopened
    reopened.published_at, reopened.retired_at = at or timezone.now(), None
    reopened.save(update_fields=["published_at", "retired_at"])
    _say(reopened, ("published",), actor=actor, at=at)
    return reopened


def _say(purpose: Purpose, fields: tuple[str, ...], *, actor: Actor, at: datetime | None) -> None:
    published = purpose.published_at is not None
    terms = [purpose.title, purpose.description, purpose.retention_days, published]
    ledger.append(
        events.PurposeChanged(
            purpose=purpose.code, fields=fields, digest=digest([purpose.code, *terms])
        ),
        actor=actor,
        covers=[purpose],
        event_time=at,
    )
    refresh_cohorts(at=at or timezone.now())
