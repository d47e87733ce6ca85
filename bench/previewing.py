"""What a preview and readiness cost: CPU time of the program and of its PostgreSQL process."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from django.db import connection

from bench import plan
from consent import services
from consent.models import Cohort, Subject
from consent.selectors.readiness import readiness

FIRST: Final = plan.PURPOSES[0]
CHANGES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a term": ("purpose.change", {"purpose": FIRST.code, "retention_days": 21}),
    "a signal of an app": (
        "allowlist.change",
        {
            "purpose": FIRST.code,
            "app": f"app-{FIRST.apps[0]:03d}",
            "add": [],
            "remove": [FIRST.signals[0].value],
        },
    ),
    "an app's category": (
        "app.change",
        {"app": f"app-{FIRST.apps[0]:03d}", "fields": {"category": "unknown"}},
    ),
}
"""One change of few decisions, one of a few more, and one that touches every document."""


def measure_previews(repeat: int) -> dict[str, Any]:
    """Return the seconds of CPU, once cold and the median of further times, and of how much."""
    now = datetime.now(UTC)
    return {
        "people": Subject.objects.count(),
        "cohorts": Cohort.objects.filter(subjects__isnull=False).distinct().count(),
        "readiness": _measured(lambda: readiness(now), repeat),
        "impact": {
            name: _measured(lambda change=change: services.impact_of(*change), repeat)
            for name, change in CHANGES.items()
        },
    }


def _measured(act: Callable[[], object], repeat: int) -> dict[str, float]:
    cold, *warm = (_seconds(act) for _ in range(repeat + 1))
    return {"cold": cold, "median": median(warm), "most": max(warm)}


def _seconds(act: Callable[[], object]) -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    began, before = time.process_time(), _ticks(backend)
    act()
    ticks = _ticks(backend) - before
    return time.process_time() - began + ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])
