"""What an event is: public fields for the leaf, sealed fields beside it. Pure."""

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, ClassVar, Final, TypeVar, dataclass_transform
from uuid import UUID

T = TypeVar("T")

Scalar = str | int | bool | None
Value = Scalar | list[str]

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}")
"""A public string: a code, a version, a digest. No spaces, no @: neither names nor addresses."""

PSEUDONYM: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])",
    re.IGNORECASE,
)
"""What a reference to a person, a device or a row looks like; never public."""

TYPE: Final = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")

_LARGEST: Final = 2**53 - 1
_SEALED: Final = "sealed"


class UnfitEventError(ValueError):
    """An event would say in public what may only be sealed, or has no form in JSON."""


def sealed(*, default: Any = dataclasses.MISSING) -> Any:
    """Mark a field as sealed: encrypted beside the leaf, erased with the person."""
    return dataclasses.field(default=default, metadata={_SEALED: True})


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field, sealed)
)
def event(cls: type[T]) -> type[T]:
    """Make a class an event: a frozen value whose fields are given by name."""
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


class Event:
    """One thing the ledger can say. The docstring is its entry in the glossary."""

    type: ClassVar[str]
    title: ClassVar[str]
    own: ClassVar[bool] = False
    """Whether it tells what somebody chose for themselves, or what followed from that."""

    def __post_init__(self) -> None:
        """Refuse what does not belong into a leaf, before it can reach one."""
        for name, value in self._values(sealed_ones=False).items():
            _check_public(f"{self.type}.{name}", value)

    def leaf_data(self) -> dict[str, Value]:
        """Return the public fields as they stand in the leaf."""
        return {name: _plain(value) for name, value in self._values(sealed_ones=False).items()}

    def sealed_data(self) -> dict[str, Value]:
        """Return the sealed fields; what was left empty is left out."""
        values = self._values(sealed_ones=True)
        return {name: _plain(value) for name, value in values.items() if value is not None}

    def _values(self, *, sealed_ones: bool) -> Mapping[str, object]:
        names = _names(type(self), sealed_ones=sealed_ones)  # type: ignore[arg-type]  # a class
        return {name: getattr(self, name) for name in names}


@cache
def _names(kind: type[Any], *, sealed_ones: bool) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if bool(field.metadata.get(_SEALED)) is sealed_ones
    )


def _check_public(name: str, value: object) -> None:
    match value:
        case None | bool():
            return
        case int() if abs(value) <= _LARGEST:
            return
        case str() if CODE.fullmatch(value) and not PSEUDONYM.search(value):
            return
        case date() if not isinstance(value, datetime):  # a day says less than an instant
            return
        case tuple() if all(isinstance(item, str) for item in value):
            for item in value:
                _check_public(name, item)
            return
        case _:
            pass
    # The value is left out of the message: it may be the very thing that must not be shown.
    raise UnfitEventError(f"{name} may hold a code, a count, a day, a digest or codes, and no more")


def _plain(value: object) -> Value:
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) <= _LARGEST:
            return value
        case UUID():
            return str(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case date() if not isinstance(value, datetime):
            return value.isoformat()
        case tuple():
            return [str(item) for item in value]
        case _:
            pass
    raise UnfitEventError(f"a value of type {type(value).__name__} has no form in the ledger")
