"""The pages of proposals: the list, a new one, one with its difference and effect, the answers."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from consent import selectors, services
from consent.exceptions import ConsentError
from consent.models import Proposal
from consent.selectors.proposals import seats_of as seats
from consent.selectors.proposals import standing_revert
from portal.models import Role, User
from portal.pages.changes import failures, rulechanges, settingwords, words
from portal.pages.changes.kinds import FORMS, title_of, title_of_proposal
from portal.pages.crumbs import crumb
from portal.pages.rooms import rooms_of
from portal.people import for_area, roles_of, staff_ref

SHOWN = 50


@for_area("registry")
@require_safe
def changes(request: HttpRequest) -> HttpResponse:
    """List the proposals, those that wait for somebody first."""
    roles = roles_of(request)
    officer = Role.PRIVACY_OFFICER in roles
    found = Proposal.objects.order_by("-pk")[:SHOWN]
    waiting = [p for p in found if _waits(p)]
    decided = [p for p in found if p not in waiting]
    kinds = [{"label": title_of(kind), "url": reverse("change-new", args=[kind])} for kind in FORMS]
    context = {
        "waiting": [line(proposal) for proposal in waiting],
        "decided": [line(proposal) for proposal in decided],
        "kinds": kinds if officer else [],
        # Officers and councils find the other registers on their own first page.
        "rooms": []
        if roles & {Role.PRIVACY_OFFICER, Role.WORKS_COUNCIL}
        else [room for room in rooms_of(request) if room["url"] != request.path],
        "crumbs": [crumb("privacy")] if officer else [],
    }
    return render(request, "privacy/changes.html", context)


@for_area("privacy")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, kind: str) -> HttpResponse:
    """Write a proposal; what was typed stays when it is refused."""
    if kind not in FORMS:
        raise Http404
    # What PostgreSQL cannot even compare with is left out, so that no odd link breaks the page.
    begun = {name: value for name, value in request.GET.items() if "\0" not in value}
    form = FORMS[kind](request.POST or None, request.FILES or None, initial=begun)
    if request.method == "POST" and form.is_valid():
        try:
            proposal = services.propose(
                kind=kind,
                payload=form.payload(),
                proposed_by=staff_ref(request),
                effective_at=form.cleaned_data["effective_at"],
            )
        except ConsentError as refusal:
            form.add_refusal(refusal)
        else:
            _say_proposed(request, proposal)
            return redirect("change", uuid=proposal.uuid)
    nothing = form.nothing if form.nothing and form.is_about_nothing() else ""
    form = form.chosen()
    complete = "effective_at" in form.fields
    context = {
        "title": form.title,
        "lead": form.lead,
        "form": None if nothing else form,
        "note": nothing,
        "submit": form.submit if complete else _("Next"),
        "method": "post" if complete else "get",
        "multipart": form.is_multipart(),
        "back_url": reverse("changes"),
        "crumbs": [crumb("privacy"), crumb("changes")],
    }
    return render(request, "pages/form.html", context, status=422 if form.errors else 200)


@for_area("registry")
@require_safe
def change(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show one proposal: the difference, its effect, who has said what, who is still missing."""
    return _show(request, _proposal(uuid))


@for_area("registry")
@require_POST
def vote(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Record an answer: an officer's, or that of a unit's council by somebody with a seat."""
    proposal = _proposal(uuid)
    answer, unit = request.POST.get("vote", ""), request.POST.get("unit", "")
    needed = Role.WORKS_COUNCIL if unit else Role.PRIVACY_OFFICER
    if needed not in roles_of(request):
        raise Http404
    try:
        services.vote(proposal=proposal.uuid, voter=staff_ref(request), vote=answer, unit=unit)
    except ConsentError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
    else:
        messages.success(request, _("Your answer is recorded."))
    return redirect("change", uuid=proposal.uuid)


@for_area("privacy")
@require_POST
def withdraw(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Let its author take a proposal back."""
    return _do(request, uuid, withdrawing=True)


@for_area("privacy")
@require_POST
def revert(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Propose to go back to what stood before, or where nothing leads back, to narrow instead."""
    return _do(request, uuid, withdrawing=False)


def line(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as a line of a list."""
    return {
        "name": title_of_proposal(proposal),
        "text": words.about(proposal),
        "by": name_of(proposal.proposed_by),
        "at": proposal.proposed_at,
        "state": _state(proposal),
        "url": reverse("change", args=[proposal.uuid]),
    }


def name_of(staff: UUID | None) -> str:
    """Return the name of somebody who acted for the organisation, for their own colleagues."""
    user = User.objects.filter(ref=staff).first() if staff else None
    return user.name if user else _("somebody who has left")


def _show(request: HttpRequest, proposal: Proposal) -> HttpResponse:
    view = selectors.proposal_view(proposal)
    context = {
        "title": title_of_proposal(proposal),
        "proposal": proposal,
        "about": words.about(proposal),
        "state": _state(proposal),
        "by": name_of(proposal.proposed_by),
        "difference": rulechanges.difference(view["rules"]) or words.difference(view["diff"]),
        "effect": words.effect(view["impact"]) + settingwords.effect(proposal),
        "failed": failures.shown(proposal),
        "missing": words.missing(view["missing"]) if _waits(proposal) else [],
        "votes": [
            {
                "who": words.council_of(vote["unit"]) if vote["unit"] else name_of(vote["voter"]),
                "word": words.VOTES[vote["vote"]],
                "at": vote["recorded_at"],
                "lapsed": "" if vote["counts"] else words.lapsed(vote["unit"]),
            }
            for vote in view["votes"]
        ],
        "crumbs": [crumb("changes")],
        **_afterwards(proposal),
        **_may(request, proposal, view),
    }
    return render(request, "privacy/change.html", context)


def _afterwards(proposal: Proposal) -> dict[str, Any]:
    """Return whether it stands though it was rejected, and the proposal to go back, if any."""
    rejected = proposal.state == Proposal.State.REJECTED and proposal.applied_at is not None
    back = standing_revert(proposal)
    return {
        "stands": rejected and not (back and back.applied_at),
        "way_back": back and {"url": reverse("change", args=[back.uuid]), "state": _state(back)},
    }


def _may(request: HttpRequest, proposal: Proposal, view: dict[str, Any]) -> dict[str, Any]:
    """Return what this person may do about a proposal; the services judge again."""
    roles, me = roles_of(request), staff_ref(request)
    officer, author = Role.PRIVACY_OFFICER in roles, proposal.proposed_by == me
    voted = {vote["unit"] for vote in view["votes"] if vote["voter"] == me}
    undecided = _waits(proposal)
    # One person is one pair of eyes: who spoke for a council does not speak as an officer, too.
    seats = seats_of(request) if Role.WORKS_COUNCIL in roles and "" not in voted else []
    is_open = proposal.state == Proposal.State.OPEN
    # Everybody agreed, and it is open: a role or a seat was given anew, which decides nothing.
    again = "" in voted and is_open and view["missing"].nobody
    can_revert = officer and view["in_effect"] and not view["reverted_by"]
    back = services.way_back(proposal) if can_revert else None
    return {
        "can_vote": officer and undecided and not author and (again or not voted),
        "units": [
            unit
            for unit in seats
            if undecided and not author and unit in proposal.council_units and unit not in voted
        ],
        # What waits for its hour has been agreed to already: the last word is a no, unless who
        # approved is no officer any more.
        "can_agree": is_open,
        "can_approve": is_open or view["missing"].approvals > 0,
        "can_reject": not again,
        "may_propose": officer,
        "can_withdraw": officer and author and undecided and not view["in_effect"],
        "can_revert": back is not None and back.exact,
        "no_way_back": back and not back.exact and words.no_way_back(proposal.kind, back),
    }


def seats_of(request: HttpRequest) -> list[str]:
    """Return the units for whose council this person may speak today."""
    return seats(staff_ref(request), on=timezone.now().date())


def _do(request: HttpRequest, uuid: UUID, *, withdrawing: bool) -> HttpResponse:
    proposal = _proposal(uuid)
    me, instead = staff_ref(request), "instead" in request.POST
    try:
        if withdrawing:
            found = services.withdraw_proposal(proposal=proposal.uuid, by=me)
        else:
            found = services.revert_proposal(proposal=proposal.uuid, by=me, instead=instead)
    except ConsentError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
        return redirect("change", uuid=proposal.uuid)
    if withdrawing:
        messages.success(request, _("Taken back. Nothing was changed."))
    else:
        _say_proposed(request, found)
    return redirect("change", uuid=found.uuid)


def _say_proposed(request: HttpRequest, proposal: Proposal) -> None:
    if proposal.applied_at:
        messages.success(
            request, _("In effect, because it only narrows. Somebody looks at it next.")
        )
    else:
        messages.success(request, _("Proposed. Nothing changes before the others have agreed."))


def _waits(proposal: Proposal) -> bool:
    return proposal.state in {Proposal.State.OPEN, Proposal.State.APPROVED}


def _state(proposal: Proposal) -> dict[str, Any]:
    if proposal.state == Proposal.State.OPEN:
        if proposal.applied_at:
            return {"state": "open", "text": _("In effect, to be reviewed"), "tone": "wait"}
        return {"state": "proposed"}
    if proposal.state == Proposal.State.APPROVED:
        if selectors.missing_votes(proposal).approvals:
            return {"state": "approved", "text": _("Waits for an approval again"), "tone": "wait"}
        return {"state": "approved", "text": _("Approved, waits for its hour"), "tone": "wait"}
    if proposal.state == Proposal.State.APPLIED:
        return {"state": "in_force", "text": _("In effect"), "tone": "good"}
    if proposal.state == Proposal.State.REJECTED and proposal.applied_at:
        back = standing_revert(proposal)
        if back and back.applied_at:
            return {"state": "rejected", "text": _("Not approved, and led back"), "tone": "off"}
        return {"state": "rejected", "text": _("Not approved, still in effect"), "tone": "wait"}
    return {"state": proposal.state}


def _proposal(uuid: UUID) -> Proposal:
    found = Proposal.objects.filter(uuid=uuid).first()
    if found is None:
        raise Http404
    return found
