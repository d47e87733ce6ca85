"""Settings of the organisation: as last decided, else as shipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from consent.models import Setting
from consent.policy.hours import WorkingHours

HOURS: Final = "hours:"
"""Begins the key of working hours; whom they are for follows."""
EVERYBODY: Final = "everybody"
SITE: Final = "site:"
"""Begins the name of a site where hours are for its people, not for those of a whole place."""


@dataclass(frozen=True)
class Knob:
    """One setting: where its shipped value comes from, and the least and most it may be."""

    shipped: str
    least: int
    most: int
    more_is_tighter: bool = False

    def tightens(self, old: int, new: int) -> bool:
        """Return whether going from old to new lets nothing through that was held back before."""
        return new >= old if self.more_is_tighter else new <= old


KNOBS: Final = {
    "lease_seconds": Knob("POLICY_LEASE_SECONDS", least=60, most=3600),
    "poll_seconds": Knob("POLICY_POLL_SECONDS", least=5, most=300),
    "embargo_seconds": Knob("POLICY_EMBARGO_SECONDS", least=0, most=86_400, more_is_tighter=True),
    "spool_seconds": Knob("POLICY_SPOOL_SECONDS", least=3600, most=7 * 86_400),
    "upload_bytes_per_second": Knob(
        "POLICY_UPLOAD_BYTES_PER_SECOND", least=10_000, most=100_000_000
    ),
}
"""What an approved proposal can set. Less lease or poll: a stop is heard earlier. More embargo:
there is longer to strike. Less spool or bandwidth: less lies about, less leaves at a time."""


def setting(key: str) -> int:
    """Return the value in force; the shipped one where nobody decided, or decided to go back."""
    decided = Setting.objects.filter(key=key).values_list("value", flat=True).first()
    return decided if isinstance(decided, int) else int(getattr(settings, KNOBS[key].shipped))


def working_hours() -> Mapping[str, WorkingHours]:
    """Return the organisation's own hours by whom they are for: a place, a site or everybody."""
    rows = Setting.objects.filter(key__startswith=HOURS).order_by("key")
    return {
        key.removeprefix(HOURS): WorkingHours.read(value)
        for key, value in rows.values_list("key", "value")
        if isinstance(value, dict)
    }
