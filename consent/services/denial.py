"""What a machine is told that is nobody's yet: nothing is allowed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from consent import selectors
from consent.policy.types import NEVER_CATEGORIES, NeverSignal
from consent.services.protections import BATCH_SECONDS, BYSTANDERS, REDACTION, SESSIONS, WINDOWS


def deny_everything(*, audience: UUID, at: datetime, since: datetime) -> dict[str, Any]:
    """Return the document of a machine that is nobody's yet: nothing, for the length of a lease.

    It is the same during each half of a lease, anew from `since`: when its key began. Its version
    is in seconds: it rises, and lies below every version that the machine gets once it is
    somebody's, whatever the clocks say.
    """
    length = selectors.setting("lease_seconds")
    half = max(length // 2, 1)
    start = max(int(at.timestamp()) // half * half, int(since.timestamp()))
    return {
        "v": 1,
        "iss": settings.PUBLIC_URL,
        "aud": str(audience),
        "version": start,
        "iat": start,
        "lease_until": start + length,
        "poll_after": selectors.setting("poll_seconds"),
        "default": {"decision": "deny", "reasons": ["agent_not_active"]},
        "apps": {},
        "allow": [],
        "deny": [],
        "never": {
            "categories": sorted(category.value for category in NEVER_CATEGORIES),
            "signals": sorted(signal.value for signal in NeverSignal),
            "matchers": [],
        },
        "paused": False,
        "strikes": [],
        "schedule": [],
        "sessions": SESSIONS,
        "windows": WINDOWS,
        "bystanders": BYSTANDERS,
        "redaction": REDACTION,
        "embargo_seconds": selectors.setting("embargo_seconds"),
        "limits": {
            "batch_bytes": settings.BATCH_BYTES_LIMIT,
            "batch_seconds": BATCH_SECONDS,
            "bytes_per_second": selectors.setting("upload_bytes_per_second"),
            "spool_seconds": selectors.setting("spool_seconds"),
        },
    }
