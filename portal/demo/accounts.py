"""Whom to sign in as: one password for this installation, in a file that only its owner reads."""

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from portal.demo.company import company

FILE: Final = "demo-accounts.json"
SYLLABLES: Final = 8
CONSONANTS, VOWELS = "bdfghklmnprstvwz", "aeiou"


def new_password() -> str:
    """Return four random words of two syllables: 50 bits, easy to read out and to type."""
    syllables = [secrets.choice(CONSONANTS) + secrets.choice(VOWELS) for _ in range(SYLLABLES)]
    return "-".join(first + second for first, second in zip(*[iter(syllables)] * 2, strict=True))


def accounts() -> list[dict[str, str]]:
    """Return role, address and label of everybody to sign in as."""
    return [
        {
            "role": persona.role,
            "email": f"{persona.email}@{company().domain}",
            "label": persona.label,
        }
        for persona in company().personas
    ]


def write(password: str) -> None:
    """Write the file whole, for its owner's eyes only."""
    path = _path()
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"password": password, "accounts": accounts()}, file, indent=1)
    draft.replace(path)


def read_password() -> str | None:
    """Return the password written before; None where there is no such file."""
    try:
        found: Any = json.loads(_path().read_text(encoding="utf-8"))["password"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _path() -> Path:
    return Path(settings.HOME) / FILE
