"""Logins and roles: who gets one, from whom; each role given or taken is in the ledger."""

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models.functions import Now

from audit import events, ledger
from audit.ledger import Actor
from portal.models import Role, RoleGrant, User


@transaction.atomic
def open_login(*, email: str, name: str, password: str) -> User:
    """Return a new login whose address counts as verified: whoever opens it vouches for it."""
    user = User.objects.create_user(email, password, name=name)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@transaction.atomic
def grant_role(*, user: User, role: Role, actor: Actor) -> RoleGrant:
    """Give a role; a repeat returns the grant that stands."""
    User.objects.select_for_update().get(pk=user.pk)
    if standing := user.role_grants.filter(role=role, revoked_at__isnull=True).first():
        return standing
    grant = RoleGrant.objects.create(user=user, role=role)
    ledger.append(events.RoleGranted(role=role.value, to=user.ref), actor=actor, covers=[grant])
    return grant


@transaction.atomic
def remove_role(*, user: User, role: Role, actor: Actor) -> RoleGrant | None:
    """Take a role away, at once; None where it is not held."""
    User.objects.select_for_update().get(pk=user.pk)
    grant = user.role_grants.filter(role=role, revoked_at__isnull=True).first()
    if grant is None:
        return None
    grant.revoked_at = Now()
    grant.save(update_fields=["revoked_at"])
    ledger.append(events.RoleRemoved(role=role.value, to=user.ref), actor=actor, covers=[grant])
    return grant
