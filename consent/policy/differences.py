"""What differs between two texts of the same file of rules, key by key, and what loosens. Pure.

Who votes about a text must see each value before and after. What cannot be told to be as strict as
before, or stricter, counts as looser.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from consent.policy.adoption import file_of
from consent.policy.bounds import JOINS, NOT_STRICTNESS, Bounds, tightened
from consent.policy.rows import FIELDS_OF_KEY, fields_of, key_of, read_row
from consent.policy.rulebook import GATES, META, SHARED
from consent.policy.schema import (
    ADDED_LATER,
    META_ADDED_LATER,
    NONE,
    GateText,
    Meta,
    RulebookError,
)

WORDS: Final = frozenset(
    {
        "as_of",
        "citations",
        "code",
        "dsar_basis",
        "evidence",
        "name",
        "pack_version",
        "regimes",
        "retention_guidance_note",
        "retention_note",
        "title",
    }
)
"""Keys that explain and permit nothing."""

NEVER_BEGAN, NEVER_ENDS = date.min, date.max
LATER_LOOSENS: Final = frozenset({"effective_from", "review_by", "complaint_ack_from"})
EARLIER_LOOSENS: Final = frozenset({"effective_until", "dsar_clock_stops_from"})
MORE_LOOSENS: Final = frozenset(
    {"review_grace_days", "exception_months", "deidentified_dataset_days"}
)
FEWER_LOOSENS: Final = frozenset({"always_prohibited", "content_signals", "biometric_signals"})
PART_OF: Final[Mapping[str, str]] = {
    "retention_floor_scope": "retention_floors",
    "retention_floor_from": "retention_floors",
    "record_keeping_basis": "record_keeping",
}
"""Keys that say more about a value which another key sets."""


@dataclass(frozen=True)
class KeyChange:
    """One key that differs: its value before and after, None where the text does not have it."""

    key: str
    before: Any
    after: Any
    loosens: bool


def key_changes(
    code: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    meta: Meta,
    gates: Mapping[str, GateText],
) -> tuple[KeyChange, ...]:
    """Return the keys that differ between two texts of a place, `meta` or `gates`.

    An empty text is one that nobody adopted: where a new place comes, everything loosens.
    """
    old, new = dict(_flat(code, before)), dict(_flat(code, after))
    judge = _Judge(
        meta=meta,
        before=None if file_of(code) in SHARED else _own(code, before, meta, gates),
        after=None if file_of(code) in SHARED else _own(code, after, meta, gates),
    )
    return tuple(
        KeyChange(key, old.get(key), new.get(key), judge.loosens(key, old.get(key), new.get(key)))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )


def _flat(code: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a text, those of gates with the gate before them."""
    if file_of(code) != GATES:
        yield from _filled(code, table).items()
        return
    for gate, words in table.items():
        for key, value in words.items():
            yield f"{gate}.{key}", value


def _filled(code: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a text with what the absence of keys that came later meant."""
    later = {META: META_ADDED_LATER, GATES: {}}.get(file_of(code), ADDED_LATER)
    return {**later, **table} if table else {}


def _own(
    code: str, table: Mapping[str, Any], meta: Meta, gates: Mapping[str, GateText]
) -> Bounds | None:
    """Return what a text asks for by itself; None where that cannot be read."""
    try:
        return read_row(_filled(code, table), file_of(code), meta, gates).own
    except RulebookError:
        return None


@dataclass(frozen=True)
class _Judge:
    meta: Meta
    before: Bounds | None
    after: Bounds | None

    def loosens(self, key: str, old: Any, new: Any) -> bool:
        """Say whether a key that differs is less strict afterwards, or not known to be stricter."""
        name = key.rpartition(".")[2]
        if name in WORDS:
            return False
        if old is None or new is None:
            # A condition that comes with new words for a gate widens nothing that was closed.
            return not (name == "condition" and old is None)
        if name in _BOUNDED:
            return self._less_strict(name)
        return _moves_to_looser(name, old, new, self.meta)

    def _less_strict(self, key: str) -> bool:
        if self.before is None or self.after is None:
            return True
        loosened = tightened(self.after, self.before)
        return not {PART_OF.get(key, key), *fields_of(key)}.isdisjoint(loosened)


_BOUNDED: Final = frozenset({*PART_OF, *map(key_of, set(JOINS) - NOT_STRICTNESS), *FIELDS_OF_KEY})
"""Keys whose values combine; `tightened` knows which of two is stricter."""


def _moves_to_looser(key: str, old: Any, new: Any, meta: Meta) -> bool:
    if key in LATER_LOOSENS:
        return _day(new, NEVER_BEGAN) > _day(old, NEVER_BEGAN)
    if key in EARLIER_LOOSENS:
        return _day(new, NEVER_ENDS) < _day(old, NEVER_ENDS)
    if key in MORE_LOOSENS:
        return bool(new > old)
    if key in FEWER_LOOSENS:
        return not set(old) <= set(new)
    if key == "confidence":
        order = meta.order_confidence
        return old not in order or new not in order or order.index(new) > order.index(old)
    if key == "status":
        return bool(new != "in_force")
    return True


def _day(value: Any, absent: date) -> date:
    return absent if value == NONE else value
