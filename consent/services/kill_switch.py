"""The kill switch: one person stops capture, of a purpose or of everything; two let it go on."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import KillRelease, KillSwitch, Purpose
from consent.services.cohorts import refresh_cohorts
from consent.services.locks import one_change_at_a_time

PULLERS: Final = frozenset({"privacy_officer", "operator", "works_council"})
NEEDED_TO_RELEASE: Final = 2
OTHER: Final = "other"
_REASON: Final = re.compile(r"[a-z][a-z_]{0,39}")


@transaction.atomic
def pull_kill_switch(
    *, purpose: Purpose | None, by: UUID, role: str, reason: str, at: datetime | None = None
) -> KillSwitch:
    """Stop capture for the purpose, or with None for everything, as of the commit.

    A repeat returns the switch that stands. Raises NotToStop for a role that may not pull; nothing
    else about the request delays a stop: a reason that is no code counts as "other".
    """
    if role not in PULLERS:
        raise exceptions.NotToStop
    if standing := _standing(purpose).first():
        return standing
    # From here on nothing is let in by a judgement that did not know of the switch.
    one_change_at_a_time()
    if standing := _standing(purpose).first():  # pulled by somebody else meanwhile
        return standing
    switch = KillSwitch.objects.create(
        purpose=purpose,
        pulled_by=by,
        pulled_as=role,
        reason=reason if _REASON.fullmatch(reason) else OTHER,
        pulled_at=at or timezone.now(),
    )
    ledger.append(
        events.KillSwitchPulled(
            scope=_scope(switch),
            by_role=role,
            reason=switch.reason,
            purpose=purpose.code if purpose else None,
        ),
        actor=Actor.staff(by),
        covers=[switch],
        event_time=at,
    )
    refresh_cohorts(at=switch.pulled_at)
    return switch


@transaction.atomic
def release_kill_switch(*, switch: UUID, officer: UUID) -> KillSwitch:
    """Agree to let capture go on; with the second officer's agreement it does, at once.

    Returns the switch as it then stands: a repeat by the same officer changes nothing. Raises
    KillSwitch.DoesNotExist for one that was never pulled.
    """
    one_change_at_a_time()
    standing = KillSwitch.objects.select_for_update().get(uuid=switch)
    if standing.released_at:
        return standing
    agreement, new = KillRelease.objects.get_or_create(switch=standing, officer=officer)
    if not new:
        return standing
    # Counted under the lock: of two officers agreeing at once one comes second.
    if standing.releases.count() < NEEDED_TO_RELEASE:
        _say(events.KillSwitchReleaseAgreed, standing, [agreement], officer)
        return standing
    standing.released_at = timezone.now()
    standing.save(update_fields=["released_at"])
    _say(events.KillSwitchReleased, standing, [standing, agreement], officer)
    refresh_cohorts(at=standing.released_at)
    return standing


def _standing(purpose: Purpose | None) -> QuerySet[KillSwitch]:
    # `purpose=None` compares as IS NULL: the switch for everything.
    return KillSwitch.objects.filter(released_at__isnull=True, purpose=purpose)


def _scope(switch: KillSwitch) -> str:
    return "purpose" if switch.purpose_id else "everything"


def _say(
    event: type[events.KillSwitchReleaseAgreed | events.KillSwitchReleased],
    switch: KillSwitch,
    covers: list[ledger.Cover],
    officer: UUID,
) -> None:
    ledger.append(
        event(scope=_scope(switch), purpose=switch.purpose.code if switch.purpose else None),
        actor=Actor.staff(officer),
        covers=covers,
    )
