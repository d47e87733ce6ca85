"""Tokens of the organisation's other systems: each opens one kind of request."""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from audit import events, ledger
from audit.ledger import Actor
from portal.api.tokens import new_token, token_hash
from portal.models import ServiceToken

PREFIX = "sst_"


def give_token(*, name: str, scope: ServiceToken.Scope, actor: Actor) -> str:
    """Return a fresh token, shown this once; one that the service holds already ends at once."""
    try:
        return _give(name, scope, actor)
    except IntegrityError:
        # Another was given in the same moment: now it is there to be ended.
        return _give(name, scope, actor)


@transaction.atomic
def _give(name: str, scope: ServiceToken.Scope, actor: Actor) -> str:
    revoke_token(name=name, actor=actor)
    token = new_token(PREFIX)
    row = ServiceToken.objects.create(name=name, scope=scope, sha256=token_hash(token))
    ledger.append(
        events.ServiceTokenGiven(service=name, scope=scope.value), actor=actor, covers=[row]
    )
    return token


@transaction.atomic
def revoke_token(*, name: str, actor: Actor) -> ServiceToken | None:
    """Take the token of a service away, at once; None where it holds none."""
    standing = ServiceToken.objects.select_for_update().filter(name=name, revoked_at__isnull=True)
    row = standing.first()
    if row is None:
        return None
    row.revoked_at = Now()
    row.save(update_fields=["revoked_at"])
    ledger.append(
        events.ServiceTokenRevoked(service=row.name, scope=row.scope), actor=actor, covers=[row]
    )
    return row


def service_of(token: str, scope: ServiceToken.Scope) -> ServiceToken | None:
    """Return the service that holds the token for such requests; None opens nothing."""
    held = ServiceToken.objects.filter(
        sha256=token_hash(token), scope=scope, revoked_at__isnull=True
    )
    return held.first()
