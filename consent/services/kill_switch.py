"""The kill switch: one person stops capture, of a purpose or of everything; two let it go on.

Neither rewrites what cohorts share, nor waits for anybody who does (ADR 30). What is decided asks
which switches stand, and a policy that knew of others than those is not in force.
"""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, hooks
from consent.models import KillRelease, KillSwitch, Purpose
from consent.selectors.stops import release_agreements
from consent.services.refused import in_words

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
    # `purpose=None` compares as IS NULL: the switch for everything.
    switch, pulled = KillSwitch.objects.get_or_create(
        purpose=purpose,
        released_at=None,
        defaults={
            "pulled_by": by,
            "pulled_as": role,
            "reason": reason if _REASON.fullmatch(reason) else OTHER,
            "pulled_at": at or timezone.now(),
        },
    )
    if not pulled:
        return switch
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
    hooks.policy_changing(everybody=True)
    return switch


@in_words
@transaction.atomic
def release_kill_switch(*, switch: UUID, officer: UUID) -> KillSwitch:
    """Agree to let capture go on; with the second officer's agreement it does, at once.

    Who agreed and is no officer any more does not count; who is one again does. Returns the switch
    as it then stands: a repeat by the same officer says nothing new. Raises KillSwitch.DoesNotExist
    for one that was never pulled.
    """
    standing = KillSwitch.objects.select_for_update().get(uuid=switch)
    if standing.released_at:
        return standing
    agreement, new = KillRelease.objects.get_or_create(switch=standing, officer=officer)
    said: list[ledger.Cover] = [agreement] if new else []
    # Counted under the row's lock: of two officers agreeing at once one comes second.
    if len(release_agreements(standing, lock=True)) < NEEDED_TO_RELEASE:
        if new:
            _say(events.KillSwitchReleaseAgreed, standing, said, officer)
        return standing
    standing.released_at = timezone.now()
    standing.save(update_fields=["released_at"])
    _say(events.KillSwitchReleased, standing, [standing, *said], officer)
    hooks.policy_changing(everybody=True)
    return standing


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
