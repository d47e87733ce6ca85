"""What the pages say to the person themselves: the core's reason codes in the second person."""

from collections import Counter
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from consent import selectors
from consent.exceptions import ConsentError
from consent.policy.reasons import ReasonCode

TO_YOU: Final[dict[str, Promise]] = {
    "no_consent:unknown": _("You have not been asked, or have not answered yet."),
    "no_consent:requested": _("You have not answered yet."),
    "no_consent:deferred": _("You answered: not now."),
    "no_consent:refused": _("You said no."),
    "no_consent:withdrawn": _("You took your yes back."),
    "no_consent:revoked": _("Your yes was ended by the organisation."),
    "no_consent:expired": _("Your yes has run out."),
    "no_consent:invalidated": _("Your yes was found to be invalid."),
    "signal_not_consented": _("You did not choose this."),
    "listed_anew_reconsent": _(
        "This was taken off the list after you answered. It is back, and you are asked anew."
    ),
    "consent_not_yet_given": _("Your yes is dated later than this."),
    "consent_expired": _("Your yes is too old; you have to be asked again."),
    "notice_changed_reconsent": _("The notice has changed since you answered."),
    "person_departed": _("You have left the organisation."),
    "paused": _("You paused recording."),
    "kill_switch": _("Recording has been switched off."),
    "agent_not_active": _("No machine of yours is connected."),
    "unknown_jurisdiction": _(
        "It is not known which law applies to you, or its rules are out of date."
    ),
    "jurisdiction_prohibited": _("The law where you work permits no recording at all."),
    "counsel_signoff_missing": _("Lawyers have not yet signed off the rules where you work."),
    "signal_prohibited": _("The law where you work forbids this."),
    "signal_restricted_no_override": _(
        "The rules allow this only by exception, and there is none."
    ),
    "counterparty_unconsented": _("The app shows what other people wrote, and they did not agree."),
    "app_not_allowlisted": _("This app is not among those that may be recorded."),
    "signal_not_listed": _("The organisation does not ask for this in this app."),
    "app_category_unknown": _("Nobody has said yet what kind of app this is."),
    "agreement_does_not_cover": _("The works agreement does not allow this."),
    "outside_work_hours": _("It is outside working hours."),
    "gates_open": _("Something that must come first, such as an agreement, is not done yet."),
    "notice_period_running": _("The notice period is still running."),
    "acknowledgement_missing": _("You have not confirmed that you received the notice."),
    "fact_unknown": _("Something the answer depends on is not known."),
    "never_category": _("Apps of this kind are never recorded."),
}

NO_YES: Final = f"{ReasonCode.NO_CONSENT.value}:"

FIRST: Final = (
    ReasonCode.KILL_SWITCH,
    ReasonCode.UNKNOWN_JURISDICTION,
    ReasonCode.JURISDICTION_PROHIBITED,
    ReasonCode.COUNSEL_SIGNOFF_MISSING,
    ReasonCode.GATES_OPEN,
    ReasonCode.NOTICE_PERIOD_RUNNING,
    ReasonCode.NOTICE_CHANGED_RECONSENT,
    ReasonCode.CONSENT_EXPIRED,
    ReasonCode.ACKNOWLEDGEMENT_MISSING,
    ReasonCode.LISTED_ANEW_RECONSENT,
    ReasonCode.OUTSIDE_WORK_HOURS,
)
"""Once a yes stands, what keeps all of it from taking effect, most general first."""


def to_you(code: str) -> str:
    """Return the sentence for a reason code; an unknown code is shown as it is."""
    return str(TO_YOU.get(code, TO_YOU.get(code.partition(":")[0], code)))


def refused(refusal: ConsentError) -> str:
    """Return what is wrong and what to do about it, in the language of the page."""
    return f"{gettext(refusal.detail)} {gettext(refusal.next_step)}"


def because(verdicts: selectors.Verdicts, *, has_yes: bool) -> str:
    """Return the one reason that a person without any recording should read first.

    After a yes it is one that stands in the way of what was chosen: other purposes are denied too,
    and so is what was never chosen.
    """
    said = [set(pair.decision.codes) for pair in verdicts.pairs]
    if not has_yes:
        answers = sorted(code for codes in said for code in codes if code.startswith(NO_YES))
        for preferred in ("withdrawn", "refused", "deferred", "expired", "revoked"):
            if f"{NO_YES}{preferred}" in answers:
                return to_you(f"{NO_YES}{preferred}")
        return to_you(answers[0] if answers else f"{NO_YES}unknown")
    chosen = [codes for codes in said if not any(map(_is_not_chosen, codes))]
    found = Counter(code for codes in chosen or said for code in sorted(codes))
    first = [code.value for code in FIRST if code.value in found]
    most = [code for code, _times in found.most_common(1)] if chosen else []
    return to_you([*first, *most, ReasonCode.SIGNAL_NOT_CONSENTED.value][0])


def _is_not_chosen(code: str) -> bool:
    return code.startswith(NO_YES) or code == ReasonCode.SIGNAL_NOT_CONSENTED.value
