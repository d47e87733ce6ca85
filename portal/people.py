"""Who is signed in, as whom they act, and what their roles let them see."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from audit.ledger import Actor
from consent.models import Subject
from portal.models import Role, User

P = ParamSpec("P")
ROLES: Final = "_sayso_roles"

AREAS: Final[dict[str, frozenset[Role]]] = {
    "privacy": frozenset({Role.PRIVACY_OFFICER}),
    "privacy/explain": frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR}),
    "privacy/rules": frozenset({Role.PRIVACY_OFFICER, Role.WORKS_COUNCIL, Role.AUDITOR}),
    "privacy/readiness": frozenset({Role.PRIVACY_OFFICER, Role.WORKS_COUNCIL}),
    "privacy/what-if": frozenset({Role.PRIVACY_OFFICER, Role.WORKS_COUNCIL}),
    "audit": frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR}),
    "audit/export": frozenset({Role.AUDITOR}),
    "council": frozenset({Role.WORKS_COUNCIL, Role.PRIVACY_OFFICER}),
    "registry": frozenset({Role.PRIVACY_OFFICER, Role.WORKS_COUNCIL, Role.AUDITOR}),
    "stop": frozenset({Role.PRIVACY_OFFICER, Role.OPERATOR, Role.WORKS_COUNCIL}),
    "tickets": frozenset({Role.PRIVACY_OFFICER, Role.OPERATOR}),
    "releases": frozenset({Role.ML_STEWARD, Role.PRIVACY_OFFICER}),
    "manager": frozenset({Role.MANAGER}),
}
"""Area of the site -> the roles that may enter it. `/you` is everyone's own and is not listed."""


def user_of(request: HttpRequest) -> User:
    """Return the login behind the request; only for views that require one."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def roles_of(request: HttpRequest) -> frozenset[Role]:
    """Return the roles held now; nobody signed in holds none. Asked once per request."""
    if not isinstance(request.user, User):
        return frozenset()
    known: frozenset[Role] | None = getattr(request, ROLES, None)
    if known is None:
        grants = request.user.role_grants.filter(revoked_at__isnull=True)
        known = frozenset(Role(role) for role in grants.values_list("role", flat=True))
        setattr(request, ROLES, known)
    return known


def subject_of(request: HttpRequest) -> Subject:
    """Return the person whose own pages these are, found through the session and nothing else."""
    user = user_of(request)
    if user.subject_id is None:
        raise PermissionDenied
    return Subject.objects.select_related("cohort").get(pk=user.subject_id)


def staff_ref(request: HttpRequest) -> UUID:
    """Return the reference under which the ledger knows this person as staff."""
    return user_of(request).ref


def actor_of(request: HttpRequest) -> Actor:
    """Return the person as one who acts for the organisation."""
    return Actor.staff(staff_ref(request))


def for_area(
    area: str,
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]],
    Callable[Concatenate[HttpRequest, P], HttpResponse],
]:
    """Let a view be entered only by those whose role opens the area."""

    def wrap(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not roles_of(request) & AREAS[area]:
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return wrap
