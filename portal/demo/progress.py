"""How far the loading of the demo company is, for the banner: a note in a file, never a fact."""

import json
import time
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext

FILE: Final = "demo-progress.json"
STALE_SECONDS: Final = 120
"""A loader writes far more often than this; an older note was left behind by one that died."""


def write(*, done: int, total: int, label: str) -> None:
    """Replace the note whole, so that no reader ever sees half of one."""
    path = _path()
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"done": done, "total": total, "label": label}), encoding="utf-8")
    draft.replace(path)


def read() -> dict[str, Any] | None:
    """Return label, done and total while a demo company is being loaded; else None.

    The label is in the language of whoever asks.
    """
    path = _path()
    try:
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            return None
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(note, dict):
        return None
    return {**note, "label": gettext(str(note.get("label", "")))}


def clear() -> None:
    """Take the note away; nothing happens where there is none."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Path(settings.HOME) / FILE
