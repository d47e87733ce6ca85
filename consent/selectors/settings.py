"""Settings of the organisation: as last decided, else as shipped."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings

from consent.models import Setting


@dataclass(frozen=True)
class Knob:
    """One setting: where its shipped value comes from, and the least and most it may be."""

    shipped: str
    least: int
    most: int


KNOBS: Final = {
    "lease_seconds": Knob("POLICY_LEASE_SECONDS", least=60, most=3600),
    "poll_seconds": Knob("POLICY_POLL_SECONDS", least=5, most=300),
}
"""What an approved proposal can set; a lower value always means that a stop is heard earlier."""


def setting(key: str) -> int:
    """Return the value in force; the shipped one where nobody decided, or decided to go back."""
    decided = Setting.objects.filter(key=key).values_list("value", flat=True).first()
    return decided if isinstance(decided, int) else int(getattr(settings, KNOBS[key].shipped))
