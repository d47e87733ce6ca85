"""What another value of a setting means for people, in sentences: none gains or loses a signal."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from consent.models import Proposal

Sentence = str | Promise

MORE: Final[dict[str, Sentence]] = {
    "lease_seconds": gettext_lazy(
        "A machine that cannot reach the portal hears of a stop later: it may go on recording for"
        " up to %(after)s after it, where it is %(before)s now. What it records then is refused"
        " and erased."
    ),
    "poll_seconds": gettext_lazy(
        "Machines that only ask from time to time may hear of a stop later: they ask again"
        " after %(after)s, where it is after %(before)s now."
    ),
    "embargo_seconds": gettext_lazy(
        "People have longer to have the last minutes forgotten before a machine hands them in:"
        " %(after)s, where it is %(before)s now."
    ),
    "spool_seconds": gettext_lazy(
        "What is not handed in may lie on machines for longer: %(after)s, where it is %(before)s"
        " now."
    ),
}
LESS: Final[dict[str, Sentence]] = {
    "lease_seconds": gettext_lazy(
        "A machine that cannot reach the portal stops earlier: %(after)s after a stop at the"
        " latest, where it is %(before)s now."
    ),
    "poll_seconds": gettext_lazy(
        "Machines that only ask from time to time hear of a stop earlier: they ask again"
        " after %(after)s, where it is after %(before)s now."
    ),
    "embargo_seconds": gettext_lazy(
        "People have less time to have the last minutes forgotten before a machine hands them in:"
        " %(after)s, where it is %(before)s now."
    ),
    "spool_seconds": gettext_lazy(
        "What is not handed in lies on machines less long: %(after)s, where it is %(before)s now."
    ),
}


def effect(proposal: Proposal) -> list[str]:
    """Return what a proposal about a setting means for people; nothing for other proposals.

    Nor for a setting that changes nothing for them, or none as to its value.
    """
    if proposal.kind != "setting.change" or not proposal.before or not proposal.after:
        return []
    old, new = proposal.before["value"], proposal.after["value"]
    sentence = (MORE if new > old else LESS).get(proposal.payload["key"])
    if sentence is None or new == old:
        return []
    return [str(sentence) % {"before": duration(old), "after": duration(new)}]


def duration(seconds: int) -> str:
    """Return a length of time in the largest unit that has it whole."""
    if seconds and seconds % 86_400 == 0:
        days = seconds // 86_400
        return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    if seconds and seconds % 3600 == 0:
        hours = seconds // 3600
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    if seconds and seconds % 60 == 0:
        minutes = seconds // 60
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
