"""How numbers are written for people. Pure, and the same on every machine."""

from typing import Final

from audit.reporting.data import HIDDEN, Kind, Value

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def written(value: Value, kind: Kind) -> str:
    """Return a value as it stands in the PDF; None is written out, never left blank."""
    if value is None:
        return HIDDEN
    if isinstance(value, str):
        return value
    return bytes_in_words(value) if kind is Kind.BYTES else f"{value:,}"


def bytes_in_words(count: int) -> str:
    """Return a length in decimal units, with one digit after the point from kB on."""
    size, unit = float(count), 0
    # 999.95 would be written as 1000.0: go on to the next unit before that.
    while size >= (1000 if unit == 0 else 999.95) and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{count:,} B" if unit == 0 else f"{size:,.1f} {_UNITS[unit]}"
