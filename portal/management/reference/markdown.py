"""The little Markdown that the reference pages are made of. Pure."""

from collections.abc import Iterable
from typing import Final

NOTE: Final = "\nWritten by `manage.py reference` from the code. Do not edit it here.\n"


def page(parts: Iterable[str]) -> str:
    """Return one page from its parts, with exactly one newline at the end."""
    return "\n".join(parts).rstrip() + "\n"


def mono(text: str) -> str:
    """Return the text as code."""
    return f"`{text}`"


def codes(names: Iterable[str]) -> str:
    """Return several names as code."""
    return ", ".join(mono(name) for name in names)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; cells may hold any text."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
