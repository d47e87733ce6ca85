"""Which characters a font can show, read from the font itself. Pure, but for that file.

PDF/UA and PDF/A refuse a document with a character that no font has. A person's own words, such as
a title, must not keep a report from ever being written: what cannot be shown is shown as such.
"""

import struct
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Final

MISSING: Final = "?"
_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def showable(text: str, font: Path) -> tuple[str, bool]:
    """Return the text on one line, in characters the font has, and whether some were replaced."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    known = coverage(font)
    shown = [_shown(character, known) for character in line]
    return "".join(shown), shown != list(line)


def _shown(character: str, known: frozenset[int]) -> str:
    # First, for fonts name even control characters among those they can show.
    if unicodedata.category(character) in _UNFIT:
        return ""
    if ord(character) in known:
        return character
    # A letter without its accent can still be read.
    base = unicodedata.normalize("NFD", character)[0]
    return base if ord(base) in known else MISSING


@lru_cache(maxsize=4)
def coverage(font: Path) -> frozenset[int]:
    """Return the code points for which the TrueType font has a glyph."""
    content = font.read_bytes()
    tables = struct.unpack_from(">H", content, 4)[0]
    for number in range(tables):
        tag, _, offset, length = struct.unpack_from(">4sIII", content, 12 + 16 * number)
        if tag == b"cmap":
            return _of_cmap(content[offset : offset + length])
    raise ValueError(f"{font.name} says nothing about its characters")


def _of_cmap(cmap: bytes) -> frozenset[int]:
    """Union of the Unicode subtables of the formats 4 and 12 (OpenType specification, cmap)."""
    found: set[int] = set()
    for number in range(struct.unpack_from(">H", cmap, 2)[0]):
        platform, _, offset = struct.unpack_from(">HHI", cmap, 4 + 8 * number)
        kind = struct.unpack_from(">H", cmap, offset)[0]
        if platform not in {0, 3}:
            continue
        if kind == 4:
            found |= _of_format_4(cmap[offset:])
        elif kind == 12:
            found |= _of_format_12(cmap[offset:])
    return frozenset(found)


def _of_format_4(table: bytes) -> set[int]:
    count = struct.unpack_from(">H", table, 6)[0] // 2
    shape = f">{count}H"
    ends = struct.unpack_from(shape, table, 14)
    starts = struct.unpack_from(shape, table, 16 + 2 * count)
    deltas = struct.unpack_from(shape, table, 16 + 4 * count)
    places = struct.unpack_from(shape, table, 16 + 6 * count)
    found: set[int] = set()
    for number, (first, last, delta, place) in enumerate(
        zip(starts, ends, deltas, places, strict=True)
    ):
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = code
            if place:
                at = 16 + 6 * count + 2 * number + place + 2 * (code - first)
                glyph = struct.unpack_from(">H", table, at)[0]
                if glyph == 0:
                    continue
            if (glyph + delta) % 0x10000:
                found.add(code)
    return found


def _of_format_12(table: bytes) -> set[int]:
    found: set[int] = set()
    for number in range(struct.unpack_from(">I", table, 12)[0]):
        first, last, _ = struct.unpack_from(">III", table, 16 + 12 * number)
        found.update(range(first, last + 1))
    return found
