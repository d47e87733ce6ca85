"""A payload as it is read: each key is taken once, and what is left over is refused. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from consent.exceptions import ChangeUnfit

Word = TypeVar("Word", bound=StrEnum)

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NUMBER: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z]{2,3})?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Given:
    """What somebody wrote down as a change; every reader refuses with ChangeUnfit and the key."""

    def __init__(self, payload: object, place: str = "") -> None:
        """Begin to read an object; `place` is where it lies inside the payload."""
        self._place = place
        if not isinstance(payload, Mapping) or any(not isinstance(key, str) for key in payload):
            self.refuse("", "must be a table of keys and values")
        self._left: dict[str, Any] = dict(payload)

    def refuse(self, key: str, why: str) -> NoReturn:
        """Raise ChangeUnfit naming the key."""
        name = ".".join(part for part in (self._place, key) if part)
        raise ChangeUnfit(f"{name or 'payload'}: {why}")

    def finish(self) -> None:
        """Refuse whatever key nobody asked for."""
        for key in sorted(self._left):
            self.refuse(key, "is not a key of this change")

    def has(self, key: str) -> bool:
        """Say whether an optional key is there."""
        return key in self._left

    def is_null(self, key: str) -> bool:
        """Take the key if it says null; a key that is missing is refused by whoever reads it."""
        if self._left.get(key, key) is None:
            del self._left[key]
            return True
        return False

    def text(self, key: str, *, longest: int, empty: bool = False) -> str:
        """Read words: no control characters but line breaks and tabs, no more than fit."""
        value = self._take(key)
        if not isinstance(value, str) or _CONTROL.search(value):
            self.refuse(key, "must be a text")
        if len(value) > longest:
            self.refuse(key, f"must have {longest} characters at most")
        if not empty and not value.strip():
            self.refuse(key, "must not be empty")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        """Read a text of a fixed form, such as a code or a digest."""
        value = self._take(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(key, f"must be {what}")
        return value

    def code(self, key: str) -> str:
        """Read the code of a purpose, an app or an agreement to come."""
        return self.matching(key, SLUG, "small letters, digits, - and _, 60 at most")

    def whole(self, key: str, *, least: int, most: int) -> int:
        """Read a whole number; `true` is none."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, f"must be a whole number from {least} to {most}")
        return value

    def wholes(self, key: str, *, least: int, most: int) -> tuple[int, ...]:
        """Read one whole number or a list of them, at least one and each once."""
        value = self._take(key)
        found = value if isinstance(value, list) else [value]
        if not found or any(
            isinstance(x, bool) or not isinstance(x, int) or not least <= x <= most for x in found
        ):
            self.refuse(key, f"must be whole numbers from {least} to {most}")
        if len(set(found)) != len(found):
            self.refuse(key, "names something twice")
        return tuple(found)

    def flag(self, key: str) -> bool:
        """Read true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def day(self, key: str) -> date:
        """Read a calendar day, such as 2026-11-22."""
        value = self.matching(key, DAY, "a day such as 2026-11-22")
        try:
            found = date.fromisoformat(value)
        except ValueError:
            self.refuse(key, "is no day of the calendar")
        return found

    def word(self, key: str, words: type[Word]) -> Word:
        """Read a word of a closed list."""
        return self._word(key, self._take(key), words)

    def words(self, key: str, words: type[Word]) -> tuple[Word, ...]:
        """Read several words of a closed list, each once."""
        return tuple(self._word(key, value, words) for value in self.names(key))

    def names(self, key: str, *, longest: int = 80) -> tuple[str, ...]:
        """Read a list of texts, each once; it may be empty."""
        value = self._take(key)
        if not isinstance(value, list) or not all(
            isinstance(item, str) and item.strip() and not _CONTROL.search(item) for item in value
        ):
            self.refuse(key, "must be a list of texts")
        if len(set(value)) != len(value):
            self.refuse(key, "names something twice")
        if any(len(item) > longest for item in value):
            self.refuse(key, f"must have {longest} characters at most in each text")
        return tuple(value)

    def rows(self, key: str, width: int) -> tuple[tuple[str, ...], ...]:
        """Read a list of rows, each a list of `width` texts, and each once."""
        value = self._take(key)
        if not isinstance(value, list) or not all(
            isinstance(row, list)
            and len(row) == width
            and all(isinstance(x, str) and x and not _CONTROL.search(x) for x in row)
            for row in value
        ):
            self.refuse(key, f"must be a list of lists of {width} texts")
        rows = tuple(tuple(row) for row in value)
        if len(set(rows)) != len(rows):
            self.refuse(key, "names something twice")
        return rows

    def raw(self, *keys: str) -> dict[str, Any]:
        """Take these keys as they are, for somebody else to read."""
        return {key: self._take(key) for key in keys}

    def inner(self, key: str) -> "Given":
        """Read a table inside the payload; the caller finishes it, too."""
        value = self._take(key)
        return Given(value, ".".join(part for part in (self._place, key) if part))

    def tables(self) -> dict[str, "Given"]:
        """Read all that is left as tables by their keys."""
        return {key: self.inner(key) for key in sorted(self._left)}

    def _take(self, key: str) -> Any:
        if key not in self._left:
            self.refuse(key, "is missing")
        return self._left.pop(key)

    def _word(self, key: str, value: object, words: type[Word]) -> Word:
        found = next((word for word in words if word.value == value), None)
        if found is None:
            self.refuse(key, f"must be one of {', '.join(word.value for word in words)}")
        return found
