"""Giving an agent a new poll token, so that no answer that is lost loses the machine."""

from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agent
from portal.api import proofs
from portal.api.tokens import new_token, token_hash
from portal.endpoint import marks
from portal.holders import Holder
from portal.models import AgentToken


class ProofUsed(Exception):
    """The proof has brought a token already."""


class TokenGivenUp(Exception):
    """A newer token was used meanwhile."""


class Rotated(NamedTuple):
    """A new token, and until when the old one works if the new one is never used."""

    token: str
    old_until: datetime


def rotate_token(*, holder: Holder, proof: str) -> Rotated:
    """Return a new, pending token of the holder's agent; the old one works until it is used.

    Asking again replaces a token that nobody used yet, and never lengthens the old one's time.
    Raises ProofUsed for a proof that was used before, TokenGivenUp where the new token of an
    earlier question was used while this one was under way.
    """
    digest = proofs.identity(proof)
    token = new_token()
    try:
        old = _rotate(holder, token_hash(token), digest)
    except IntegrityError as error:
        if AgentToken.objects.filter(proof_sha256=digest).exists():
            raise ProofUsed from error
        raise
    return Rotated(token, old)


@transaction.atomic
def _rotate(holder: Holder, sha256: bytes, proof: bytes) -> datetime:
    # First: what is kept of the old token does not know yet that it ends.
    marks.policy_changing(subject=holder.subject)
    # Rotations and first uses of one agent go one after the other: one pending token stands.
    agent = (
        Agent.objects.select_for_update(of=("self",)).select_related("subject").get(pk=holder.agent)
    )
    if agent.tokens.filter(generation__gt=holder.generation, used_at__isnull=False).exists():
        raise TokenGivenUp
    now = timezone.now()
    tokens = AgentToken.objects.filter(agent=agent)
    tokens.filter(used_at=None, revoked_at=None).update(revoked_at=now)
    old = tokens.get(pk=holder.token)
    if old.ends_at is None:
        old.ends_at = now + AgentToken.OVERLAP
        old.save(update_fields=["ends_at"])
    newest: int = tokens.aggregate(newest=Max("generation"))["newest"]
    made = AgentToken.objects.create(
        agent=agent, sha256=sha256, generation=newest + 1, proof_sha256=proof, used_at=None
    )
    ledger.append(
        events.AgentTokenRotated(generation=made.generation, agent=agent.ref),
        actor=Actor.agent(agent.ref),
        subject=agent.subject.ref,
    )
    return old.ends_at
