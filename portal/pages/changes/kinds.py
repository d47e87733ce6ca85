"""Which form stands for which kind of change."""

from typing import Final

from django.utils.translation import gettext as _

from consent.models import Proposal
from portal.pages.changes import apps, bounds, hours, purposes
from portal.pages.changes.base import ChangeForm

FORMS: Final[dict[str, type[ChangeForm]]] = {
    "purpose.publish": purposes.PublishPurpose,
    "purpose.change": purposes.ChangePurpose,
    "purpose.retire": purposes.RetirePurpose,
    "purpose.reopen": purposes.ReopenPurpose,
    "notice.publish": purposes.PublishNotice,
    "allowlist.change": purposes.ChangeAllowlist,
    "app.list": apps.ListApp,
    "app.change": apps.ChangeApp,
    "app.block": apps.BlockApp,
    "app.unblock": apps.UnblockApp,
    "agreement.record": bounds.RecordAgreement,
    "gate.close": bounds.CloseGate,
    "gate.reopen": bounds.ReopenGate,
    "override.grant": bounds.GrantOverride,
    "override.revoke": bounds.RevokeOverride,
    "rules.adopt": bounds.AdoptRules,
    "setting.change": bounds.ChangeSetting,
    "hours.change": hours.ChangeHours,
}


def title_of(kind: str) -> str:
    """Return what a kind of change is called; an unknown one is shown as it is."""
    return str(FORMS[kind].title) if kind in FORMS else kind


def title_of_proposal(proposal: Proposal) -> str:
    """Return what a proposal is called, the way back from another by what it does."""
    if proposal.kind == "rules.adopt" and proposal.payload.get("earlier"):
        return _("Adopt earlier rules again")
    return title_of(proposal.kind)
