"""Settings of the organisation: changed by a decided proposal, effective at the next policy."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.digests import digest
from consent.models import Setting
from consent.services.cohorts import refresh_cohorts

SHIPPED: Final = "shipped"
"""Stands in the table for a setting that went back to its shipped value: rows are never deleted."""


@transaction.atomic
def change_setting(
    *, key: str, value: int | None, actor: Actor, at: datetime | None = None
) -> Setting:
    """Set a setting; None goes back to the shipped value. Bounds are checked with the proposal."""
    stored = SHIPPED if value is None else value
    row, _ = Setting.objects.update_or_create(
        key=key, defaults={"value": stored, "changed_at": at or timezone.now()}
    )
    ledger.append(
        events.SettingChanged(key=key, digest=digest(stored)),
        actor=actor,
        covers=[row],
        event_time=at,
    )
    # Leases given for longer than they are to last now are not waited for: all get new ones.
    refresh_cohorts(at=at or timezone.now())
    return row
