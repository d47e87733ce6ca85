"""The folder in which one installation keeps everything it writes. Pure but for the environment."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout (or the folder the packages were installed in)."""

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def home() -> Path:
    """Return SAYSO_HOME, else `var/` in the checkout; as root a folder of its own in /var/lib.

    PostgreSQL refuses to run as root, and the account it then runs as often cannot enter the
    folder the checkout lies in: so root's installations live where every account may pass.
    """
    if named := os.environ.get("SAYSO_HOME"):
        return Path(named).absolute()
    if AS_ROOT:
        return Path("/var/lib") / f"sayso-{short_hash(str(ROOT), 8)}"
    return ROOT / "var"


def short_hash(text: str, length: int) -> str:
    """Return the first `length` hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
