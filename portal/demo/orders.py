"""What load is under way: a note beside the database, so that an interrupted one can go on."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

from django.conf import settings

from portal.demo.plan import Order

FILE: Final = "demo-order.json"


def write(order: Order) -> None:
    """Note the load before its first step is done."""
    path = _path()
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({**asdict(order), "at": order.at.isoformat()}), encoding="utf-8")
    draft.replace(path)


def read() -> Order | None:
    """Return the load that has begun and not ended; None where there is none."""
    try:
        raw = json.loads(_path().read_text(encoding="utf-8"))
        return Order(raw["people"], raw["batches"], raw["seed"], datetime.fromisoformat(raw["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear() -> None:
    """Take the note away: the load has ended."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Path(settings.HOME) / FILE
