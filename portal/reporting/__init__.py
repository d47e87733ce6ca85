"""Which reports there are, and where the figures of each come from."""

from collections.abc import Iterable
from typing import Final

from audit.reporting.data import Source
from portal.models import Role
from portal.reporting import activity, batches, consents, deletions

_PRIVACY: Final = frozenset({Role.PRIVACY_OFFICER.value, Role.AUDITOR.value})

SOURCES: Final[dict[str, Source]] = {
    "consent-overview": Source(
        title="Consent overview",
        gather=consents.gather,
        audience=_PRIVACY | {Role.WORKS_COUNCIL.value},
    ),
    "deletions": Source(title="Deletions", gather=deletions.gather, audience=_PRIVACY),
    "batches": Source(
        title="Batches handed in",
        gather=batches.gather,
        audience=_PRIVACY | {Role.ML_STEWARD.value, Role.WORKS_COUNCIL.value},
    ),
    "activity": Source(title="Ledger activity", gather=activity.gather, audience=_PRIVACY),
}

TITLES: Final = {kind: source.title for kind, source in SOURCES.items()}


def kinds_for(roles: Iterable[str]) -> list[str]:
    """Return the kinds of report that someone with these roles may ask for and read."""
    held = set(roles)
    return [kind for kind, source in SOURCES.items() if source.audience & held]
