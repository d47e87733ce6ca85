"""Changes whose hour has come: made, or failed with the reason; none is tried for ever."""

import logging
from typing import Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.ledger import Actor
from consent.exceptions import ConsentError
from consent.models import Proposal
from consent.selectors.proposals import missing_votes
from consent.services.proposals import carry_out, fail
from consent.services.refused import in_words
from consent.services.rehearsal import REFUSED_BY_DATABASE

logger = logging.getLogger(__name__)

MAKER: Final = Actor.system("policy")
PASSING: Final = (OperationalError, InterfaceError)
"""The database was away or busy, which says nothing about the change: it is tried again."""


def apply_due_proposals() -> int:
    """Make the changes whose hour has come, each in a transaction of its own; return how many.

    One that does not fit what stands, or that is refused as late as at the commit, becomes
    *failed*, visibly; nothing of it is made. One that was approved by somebody who is no officer
    any more waits for another.
    """
    return sum(_make_or_fail(uuid) for uuid in _due().order_by("pk").values_list("uuid", flat=True))


def _due() -> QuerySet[Proposal]:
    return Proposal.objects.filter(state=Proposal.State.APPROVED, effective_at__lte=timezone.now())


def _make_or_fail(uuid: UUID) -> bool:
    try:
        return _make_if_due(uuid)
    except PASSING:
        raise
    except ConsentError as refusal:
        return _fail_if_due(uuid, refusal.code)
    except REFUSED_BY_DATABASE:
        logger.exception("proposal_refused proposal=%s", uuid)
        return _fail_if_due(uuid, "refused_by_database")
    except Exception:
        logger.exception("proposal_broken proposal=%s", uuid)
        return _fail_if_due(uuid, "cannot_be_made")


@in_words
@transaction.atomic
def _make_if_due(uuid: UUID) -> bool:
    # Whoever holds the row is deciding about it now; the next round finds it if it stays due.
    proposal = _due().select_for_update(skip_locked=True).filter(uuid=uuid).first()
    if proposal is None or not missing_votes(proposal, lock=True).nobody:
        return False
    carry_out(proposal, actor=MAKER)
    return True


@transaction.atomic
def _fail_if_due(uuid: UUID, reason: str) -> bool:
    """Say that it failed, unless it was made all the same: the error may have come after that."""
    proposal = _due().select_for_update().filter(uuid=uuid).first()
    if proposal is None:
        return False
    fail(proposal, reason, actor=MAKER)
    return True
