"""Settings of the organisation: changed by a decided proposal, effective at the next policy."""

from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.digests import digest
from consent.models import Setting
from consent.policy.hours import WorkingHours
from consent.selectors.settings import HOURS
from consent.services.cohorts import refresh_cohorts

SHIPPED: Final = "shipped"
"""Stands in the table for a setting that went back to its shipped value: rows are never deleted."""


@transaction.atomic
def change_setting(
    *, key: str, value: int | None, actor: Actor, at: datetime | None = None
) -> Setting:
    """Set a setting; None goes back to the shipped value. Bounds are checked with the proposal."""
    return _store(key, SHIPPED if value is None else value, actor, at)


@transaction.atomic
def set_working_hours(
    *,
    whom: str,
    hours: WorkingHours | None,
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> Setting:
    """Bind recording of a place, a site or everybody to hours; None binds it to none any more.

    Agents hear of it with their next policy; what was recorded outside from now on is refused.
    """
    return _store(HOURS + whom, hours.as_json() if hours else SHIPPED, actor, at, imported=imported)


def _store(
    key: str, stored: object, actor: Actor, at: datetime | None, *, imported: bool = False
) -> Setting:
    row, _ = Setting.objects.update_or_create(
        key=key, defaults={"value": stored, "changed_at": at or timezone.now()}
    )
    ledger.append(
        events.SettingChanged(key=key, digest=digest(stored)),
        actor=actor,
        covers=[row],
        event_time=at,
        imported=imported,
    )
    # Leases given for longer than they are to last now are not waited for: all get new ones.
    refresh_cohorts(at=at or timezone.now())
    return row
