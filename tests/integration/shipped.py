"""The rule pack that came with the program, as a test may change it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path


class Shipped:
    """The files that the next start finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, code: str, **values: object) -> None:
        """Change keys of a file."""
        file = self.folder / f"{code}.toml"
        text = file.read_text()
        for key, value in values.items():
            written = value if isinstance(value, str) and value.startswith("[") else _toml(value)
            text, count = re.subn(rf"(?m)^{key} = [^#\n]*", f"{key} = {written} ", text)
            assert count == 1, key
        file.write_text(text)

    def start(self) -> int:
        """Begin as a new process does: with these files, and a first tick."""
        from consent import rules, services

        rules.forget()
        now = datetime.now(UTC)
        services.adopt_first_rules(at=now)
        return services.follow_rules(at=now)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | date) else f'"{value}"'
