"""The shipped rules, as if they had been reviewed today.

Rules whose review is long overdue permit nothing: without this the tests would fail from that day
on, and some would some weeks earlier. Those of the rules themselves name the days that they mean.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

KEPT_IN = "SAYSO_TESTS_RULES"
"""Where a test's own subprocess finds the same rules."""
FOR = timedelta(days=90)


def reviewed_today(home: Path) -> Path:
    """Return the folder of such rules: made under `home`, or that of the session around us."""
    from consent.policy.rulebook import FOLDER

    if named := os.environ.get(KEPT_IN):
        return Path(named)
    folder = home / "rules"
    folder.mkdir(exist_ok=True)
    review(FOLDER, folder)
    os.environ[KEPT_IN] = str(folder)
    return folder


def review(found: Path, reviewed: Path) -> None:
    """Write the rules of one folder into another, as if they had been reviewed today."""
    due = datetime.now(UTC).date() + FOR
    for file in found.glob("*.toml"):
        text = re.sub(r"(?m)^review_by = \S+", f"review_by = {due}", file.read_text("utf-8"))
        (reviewed / file.name).write_text(text, encoding="utf-8")
