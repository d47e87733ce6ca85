"""A copy of this checkout whose rules were reviewed today, for the installations that tests start.

Rules whose review is long overdue permit nothing, and no setting of the product says otherwise: an
installation gets other rules by another release alone. So what runs here is such a release.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.reviewed import review

ROOT = Path(__file__).resolve().parents[2]
RULES = "consent/policy/jurisdictions"
NOT_OURS = shutil.ignore_patterns(".*", "var")
"""What no release holds; compiled modules may stay, they go by the files' own times."""


@cache
def reviewed_checkout() -> Path:
    """Return its folder: made once in a session, and gone at its end."""
    folder = Path(tempfile.mkdtemp(prefix="sayso-checkout-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / "sayso"
    shutil.copytree(ROOT, copy, ignore=NOT_OURS)
    review(ROOT / RULES, copy / RULES)
    return copy
