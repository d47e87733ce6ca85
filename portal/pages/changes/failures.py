"""Why a change that was agreed to could not be made, in words, and the form to propose it anew."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from consent.exceptions import ConsentError
from consent.models import Proposal
from consent.selectors.proposals import NAMING
from portal.pages.changes.kinds import FORMS

WHY: Final[dict[str, str | Promise]] = {
    "": gettext_lazy("Its entry in the ledger says why."),
    "after_differs": gettext_lazy("It would have led elsewhere than those who agreed were told."),
    "approval_missing": gettext_lazy("It needs more approvals by now than it was given."),
    "before_changed": gettext_lazy("What it starts from has been changed by another proposal."),
    "cannot_be_made": gettext_lazy(
        "The program could not make it; whoever runs the machine finds the fault in the log."
    ),
    "changed_meanwhile": gettext_lazy("What it rests on changed in the same moment."),
    "council_not_asked": gettext_lazy("By now a works council must agree that was not asked."),
    "payload_altered": gettext_lazy("It is not what was agreed to: somebody altered it."),
    "policy_too_large": gettext_lazy("With it, policies would be longer than machines read."),
    "refused_by_database": gettext_lazy("The database refuses it as it is written."),
}
"""By the code of the failure; those of refusals have their sentence with the refusal."""


def why(failure: str) -> str:
    """Return why a change failed, as a sentence."""
    if failure in WHY:
        return str(WHY[failure])
    return next(
        (kind().detail for kind in _refusals(ConsentError) if kind.code == failure), failure
    )


def anew(proposal: Proposal) -> str | None:
    """Return where the same is proposed about the same thing; None where no form does."""
    if proposal.kind not in FORMS:
        return None
    payload = proposal.payload
    about = {name: payload[name] for name in NAMING if isinstance(payload.get(name), str)}
    address = reverse("change-new", args=[proposal.kind])
    return f"{address}?{urlencode(about)}" if about else address


def shown(proposal: Proposal) -> dict[str, Any] | None:
    """Return what the page of a proposal that failed says of it; None for any other."""
    if proposal.state != Proposal.State.FAILED:
        return None
    return {"why": why(proposal.failure), "at": proposal.failed_at, "url": anew(proposal)}


def _refusals(base: type[ConsentError]) -> Iterator[type[ConsentError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _refusals(kind)
