"""Homes of the works council, the ML steward and managers. None speaks of one person."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from consent import selectors
from consent.models import Proposal, Purpose
from portal import figures
from portal.attention import coming
from portal.models import Role
from portal.pages import agreements
from portal.pages.changes import views as changes
from portal.pages.rooms import rooms_of
from portal.people import for_area, roles_of, staff_ref


@for_area("council")
@require_safe
def council(request: HttpRequest) -> HttpResponse:
    """What is agreed, what ends soon for one's units, and figures that name nobody."""
    units = None if Role.PRIVACY_OFFICER in roles_of(request) else changes.seats_of(request)
    return render(
        request,
        "council/home.html",
        {
            "proposals": [changes.line(proposal) for proposal in asked_of(request)],
            "rooms": rooms_of(request),
            "todo": coming(timezone.now(), units),
            "agreements": agreements.listing(),
            "figures": figures.overview(),
            "smallest_group": settings.SMALLEST_GROUP,
        },
    )


def asked_of(request: HttpRequest) -> list[Proposal]:
    """Return the open proposals about which a unit of this person's seats has not answered."""
    units = set(changes.seats_of(request))
    me = staff_ref(request)
    waiting = Proposal.objects.filter(state=Proposal.State.OPEN, council_units__overlap=list(units))
    return [
        proposal
        for proposal in waiting.order_by("pk")
        if (units & set(proposal.council_units))
        - set(proposal.votes.filter(voter=me).values_list("unit", flat=True))
    ]


@for_area("releases")
@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    """How much is kept per purpose, where the group is large enough to speak of."""
    return render(request, "releases/home.html", {"figures": figures.kept_by_purpose()})


@for_area("manager")
@require_safe
def manager(request: HttpRequest) -> HttpResponse:
    """What the programme is: the same page, byte for byte, whatever anybody decided."""
    published = Purpose.objects.filter(published_at__isnull=False)
    return render(
        request,
        "manager/home.html",
        {
            "purposes": [
                {"name": purpose.title, "text": purpose.description}
                for purpose in published
                if selectors.current_notice(purpose)
            ],
            "contact": settings.PRIVACY_CONTACT,
        },
    )
