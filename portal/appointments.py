"""Logins, roles and council seats: who gets one, from whom; the ledger has each but the login."""

from collections.abc import Collection
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import services
from consent.models import CouncilSeat
from portal.models import Role, RoleGrant, User


@transaction.atomic
def open_login(*, email: str, name: str, password: str | None) -> User:
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


def officers_among(people: Collection[UUID], *, lock: bool = False) -> set[UUID]:
    """Return those of the people who hold the role of privacy officer now.

    With `lock` whoever takes one of these roles away waits until the transaction ends.
    """
    held = RoleGrant.objects.filter(
        user__ref__in=people, role=Role.PRIVACY_OFFICER, revoked_at__isnull=True
    )
    if lock:
        held = held.select_for_update(of=("self",), no_key=True)
    # In one order, so that no two of those who lock wait for each other.
    return set(held.order_by("pk").values_list("user__ref", flat=True))


@transaction.atomic
def seat_member(*, user: User, unit: str, actor: Actor, by: UUID | None = None) -> CouncilSeat:
    """Give a seat in a unit's works council from today on, with the role that opens its pages.

    `by` is the member who hands it on; none: whoever runs the installation. Raises what
    `consent.services.give_seat` raises.
    """
    today = timezone.now().date()
    seat = services.give_seat(person=user.ref, unit=unit, valid_from=today, actor=actor, by=by)
    grant_role(user=user, role=Role.WORKS_COUNCIL, actor=actor)
    return seat


@transaction.atomic
def unseat_member(*, seat: CouncilSeat, actor: Actor, by: UUID | None = None) -> CouncilSeat:
    """End a seat now; with somebody's last one the role goes, too."""
    ended = services.end_seat(seat=seat, actor=actor, by=by)
    if CouncilSeat.objects.filter(person=ended.person, ended_at__isnull=True).exists():
        return ended
    if user := User.objects.filter(ref=ended.person).first():
        remove_role(user=user, role=Role.WORKS_COUNCIL, actor=actor)
    return ended
