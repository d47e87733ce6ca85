"""Tickets for fleets: made, seen and ended; whose machine used one is nobody's business here."""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from consent.models import Agent, Cohort
from portal.fleet import groups
from portal.fleet.models import EnrolmentTicket
from portal.fleet.tickets import LONGEST_DAYS, make_ticket, revoke_ticket
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.people import actor_of, for_area, roles_of

SHOWN: Final = 200


class GroupField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no subscript at run time
    """A choice of cohorts, in words."""

    def label_from_instance(self, obj: Cohort) -> str:
        """Return whom a cohort is."""
        return groups.words(obj)


class TicketForm(forms.Form):
    """For which machine or site, for how many, for how long."""

    label = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("So that you find it again; name no person."),
    )
    serial = forms.CharField(
        label=gettext_lazy("Serial number of the one machine"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("Kept as a hash only. Leave it empty for a site or a group."),
    )
    site = forms.CharField(
        label=gettext_lazy("Site"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("Only people who work there can approve the machines."),
    )
    cohort = GroupField(
        Cohort.objects.none(),
        label=gettext_lazy("Group"),
        required=False,
        empty_label=gettext_lazy("None"),
        help_text=gettext_lazy(
            "People for whom the same rules decide. Groups of fewer than ten are not named."
        ),
    )
    places = forms.IntegerField(
        label=gettext_lazy("How many machines"), min_value=1, max_value=100_000, initial=1
    )
    days = forms.IntegerField(
        label=gettext_lazy("Valid for days"), min_value=1, max_value=LONGEST_DAYS, initial=14
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = groups.offered()
        field = self.fields["cohort"]
        assert isinstance(field, GroupField)  # noqa: S101  for the types
        field.queryset = Cohort.objects.filter(pk__in=[cohort.pk for cohort in found])

    def clean(self) -> dict[str, Any]:
        """Ask for one of the three: a ticket for anything would be one for anybody."""
        said = super().clean() or {}
        if sum(bool(said.get(name)) for name in ("serial", "site", "cohort")) != 1:
            raise forms.ValidationError(_("Name one: a serial number, a site or a group."))
        if said.get("serial") and said.get("places", 1) != 1:
            raise forms.ValidationError(_("A serial number is of one machine."))
        return said


@for_area("tickets")
@never_cache
@require_http_methods(["GET", "POST"])
def tickets(request: HttpRequest) -> HttpResponse:
    """List the tickets and make one; its secret is shown in this one answer only."""
    form = TicketForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        ticket, secret = make_ticket(actor=actor_of(request), **form.cleaned_data)
        return _show(request, TicketForm(), made=ticket, secret=secret)
    return _show(request, form, status=422 if request.method == "POST" else 200)


@for_area("tickets")
@require_POST
def revoke(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End a ticket."""
    try:
        revoke_ticket(uuid=uuid, actor=actor_of(request))
    except EnrolmentTicket.DoesNotExist as unknown:
        raise Http404 from unknown
    messages.success(request, _("Ended. Machines that still waited because of it are cut off."))
    return redirect("tickets")


def _show(
    request: HttpRequest,
    form: TicketForm,
    *,
    made: EnrolmentTicket | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    found = EnrolmentTicket.objects.select_related("cohort").order_by("-pk")[:SHOWN]
    cut_off = Agent.objects.filter(standing=Agent.Standing.QUARANTINED)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "tickets": [_told(ticket) for ticket in found],
        # That there may be a copy is always said; of how many machines, and since when, never:
        # that somebody has a machine is theirs to tell.
        "quarantined": cut_off.exists(),
        "crumbs": [crumb("privacy")] if Role.PRIVACY_OFFICER in roles_of(request) else [],
    }
    return render(request, "privacy/tickets.html", context, status=status)


def bound_to(ticket: EnrolmentTicket) -> str:
    """Return in words what a ticket is bound to."""
    if ticket.cohort:
        return groups.words(ticket.cohort)
    return ticket.site or _("One serial number")


def _told(ticket: EnrolmentTicket) -> dict[str, Any]:
    is_over = bool(ticket.revoked_at) or ticket.expires_at <= timezone.now()
    return {
        "label": ticket.label,
        "bound_to": bound_to(ticket),
        "used": ticket.used,
        "places": ticket.places,
        "last_used_at": ticket.last_used_at,
        "expires_at": ticket.expires_at,
        "revoked_at": ticket.revoked_at,
        "is_over": is_over,
        "revoke_url": (
            reverse("ticket-revoke", args=[ticket.uuid]) if not ticket.revoked_at else ""
        ),
    }
