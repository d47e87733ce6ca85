"""The works council's seats: the council gives and ends them itself; the privacy team only sees."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit.ledger import Actor
from consent.exceptions import ConsentError
from consent.models import CouncilSeat
from portal import appointments
from portal.models import Role, User
from portal.pages.changes.views import name_of, seats_of
from portal.pages.crumbs import crumb
from portal.people import for_area, roles_of, staff_ref


class SeatForm(forms.Form):
    """Who gets a seat, in which of one's own units."""

    member = forms.EmailField(
        label=gettext_lazy("Login address of the member"),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    unit = forms.ChoiceField(label=gettext_lazy("Unit"))

    def __init__(self, *args: Any, units: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unit"].choices = [(unit, unit) for unit in units]  # type: ignore[attr-defined]


@for_area("council")
@require_http_methods(["GET", "HEAD", "POST"])
def seats(request: HttpRequest) -> HttpResponse:
    """List who speaks for which unit; a member gives and ends the seats of their own units."""
    units = seats_of(request) if Role.WORKS_COUNCIL in roles_of(request) else []
    form = SeatForm(units=units)
    if request.method == "POST":
        if not units:
            raise Http404
        if "seat" in request.POST:
            return _end(request, units)
        form = SeatForm(request.POST, units=units)
        if form.is_valid() and _give(request, form):
            return redirect("council-seats")
    held = CouncilSeat.objects.filter(ended_at__isnull=True).order_by("unit", "pk")
    context = {
        "seats": [_told(seat, units) for seat in held],
        "form": form if units else None,
        "crumbs": [crumb("council")],
    }
    return render(request, "council/seats.html", context, status=422 if form.errors else 200)


def _give(request: HttpRequest, form: SeatForm) -> bool:
    said, me = form.cleaned_data, staff_ref(request)
    user = User.objects.filter(email__iexact=said["member"], is_active=True).first()
    if user is None:
        form.add_error("member", _("Nobody signs in with this address."))
        return False
    try:
        appointments.seat_member(user=user, unit=said["unit"], actor=Actor.works_council(me), by=me)
    except ConsentError as refusal:
        form.add_error(None, f"{refusal.detail} {refusal.next_step}")
        return False
    messages.success(request, _("The seat is given, from today on."))
    return True


def _end(request: HttpRequest, units: list[str]) -> HttpResponse:
    number, me = request.POST["seat"], staff_ref(request)
    held = CouncilSeat.objects.filter(unit__in=units)
    seat = held.filter(pk=number).first() if number.isdecimal() else None
    if seat is None:
        raise Http404
    try:
        appointments.unseat_member(seat=seat, actor=Actor.works_council(me), by=me)
    except ConsentError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
    else:
        messages.success(
            request,
            _(
                "The seat is ended. A veto cast from it stands; a yes to what is not decided yet "
                "counts no more."
            ),
        )
    return redirect("home")


def _told(seat: CouncilSeat, units: list[str]) -> dict[str, Any]:
    return {
        "number": seat.pk,
        "unit": seat.unit,
        "who": name_of(seat.person),
        "since": seat.valid_from,
        "mine": seat.unit in units,
    }
