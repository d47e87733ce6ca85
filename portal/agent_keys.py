"""An agent's own key: by which one it proves itself, and how that changes without a loss."""

import logging

from django.db import transaction
from django.utils import timezone

from consent import services
from consent.models import Agent
from portal.api import proofs
from portal.api.authentication import as_problem
from portal.api.errors import Problem
from portal.endpoint import answer
from portal.holders import Holder
from portal.models import AgentKey

logger = logging.getLogger(__name__)


def check_by_agent(holder: Holder, proof: str, *, typ: str, secret: str) -> None:
    """Raise Problem unless a proof is by the holder's agent; write what the proof shows.

    By its key to come it makes that one its key. By one that it gave up it is a copy's: then the
    agent is put into quarantine.
    """
    agent = Agent.objects.select_related("subject").get(pk=holder.agent)
    try:
        _check(agent.public_key, agent.key_kind, proof, typ, secret)
    except Problem:
        known = _who_signed(agent, proof, typ, secret)
        if known is None:
            raise
        if known.given_up_at is None:
            _first_use(agent, known)
        else:
            _refuse_given_up(agent, known)


@transaction.atomic
def plan_key(*, holder: Holder, public_key: bytes, key_kind: Agent.KeyKind) -> None:
    """Let a key be the agent's next one; it counts from its first use, and the old one till then.

    Asking again with the same key changes nothing, with another one replaces what was planned.
    Raises Problem for a key that the agent has, or gave up.
    """
    agent = Agent.objects.select_for_update(of=("self",)).get(pk=holder.agent)
    given_up = AgentKey.objects.filter(agent=agent, given_up_at__isnull=False)
    if bytes(agent.public_key) == public_key or given_up.filter(public_key=public_key).exists():
        raise Problem(
            status_code=409,
            code="key_not_new",
            detail="This agent has that key, or had it before.",
            next_step="Make a new key and prove that.",
        )
    AgentKey.objects.update_or_create(
        agent=agent,
        given_up_at=None,
        defaults={"public_key": public_key, "key_kind": key_kind.value},
    )


def _check(key: bytes | memoryview, kind: str, proof: str, typ: str, secret: str) -> None:
    proofs.check(proof, typ=typ, kind=Agent.KeyKind(kind), key=bytes(key), secret=secret)


def _who_signed(agent: Agent, proof: str, typ: str, secret: str) -> AgentKey | None:
    """Return the key to come, or the one given up, that a proof is by; None for any other."""
    for key in AgentKey.objects.filter(agent=agent).order_by("-pk"):
        try:
            _check(key.public_key, key.key_kind, proof, typ, secret)
        except Problem:
            continue
        return key
    return None


@transaction.atomic
def _first_use(agent: Agent, coming: AgentKey) -> None:
    """Make the key to come the agent's own; the old one is given up from now on."""
    locked = Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)
    key = AgentKey.objects.select_for_update().get(pk=coming.pk)
    if key.given_up_at is not None or bytes(key.public_key) != bytes(coming.public_key):
        return  # another request was faster
    old, kind = bytes(locked.public_key), locked.key_kind
    now = timezone.now()
    services.change_agent_key(
        agent=locked,
        public_key=bytes(key.public_key),
        key_kind=Agent.KeyKind(key.key_kind),
        at=now,
    )
    key.public_key, key.key_kind, key.given_up_at = old, kind, now
    key.save(update_fields=["public_key", "key_kind", "given_up_at"])


def _refuse_given_up(agent: Agent, key: AgentKey) -> None:
    if key.given_up_at and timezone.now() < key.given_up_at + AgentKey.GRACE:
        raise Problem(
            status_code=409,
            code="key_given_up",
            detail="This machine has begun to use the key that came after this one.",
            next_step="Prove by the new key, and by this one never again.",
        )
    services.quarantine_agent(agent=agent, reason="key_reused")
    logger.error("agent_quarantined reason=key_reused")
    raise as_problem(answer.QUARANTINED)
