"""Homes of the works council, the ML steward and managers. None speaks of one person."""

from django.conf import settings
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from consent import selectors
from consent.models import Agreement, Purpose
from portal import figures
from portal.people import for_area
from retention.models import Batch


@for_area("council")
@require_safe
def council(request: HttpRequest) -> HttpResponse:
    """What is agreed, and figures that name nobody."""
    today = timezone.now().date()
    return render(
        request,
        "council/home.html",
        {
            "agreements": [
                {
                    "name": f"{agreement.code}: {agreement.title}",
                    "text": agreement.parties,
                    "start": agreement.valid_from,
                    "end": agreement.valid_until,
                    "state": "in_force"
                    if agreement.valid_from <= today
                    and (agreement.valid_until is None or today < agreement.valid_until)
                    else "ended",
                }
                for agreement in Agreement.objects.all()
            ],
            "figures": figures.overview(),
            "smallest_group": settings.SMALLEST_GROUP,
        },
    )


@for_area("releases")
@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    """How much is kept per purpose, where the group is large enough to speak of."""
    rows = (
        Batch.objects.filter(state=Batch.State.KEPT)
        .values("purpose__title")
        .annotate(people=Count("subject", distinct=True), n=Count("uuid"), size=Sum("bytes"))
        .order_by("purpose__title")
    )
    return render(
        request,
        "releases/home.html",
        {
            "figures": [
                {
                    "label": row["purpose__title"],
                    "value": row["n"] if figures.shown(row["people"]) else None,
                }
                for row in rows
            ],
        },
    )


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
