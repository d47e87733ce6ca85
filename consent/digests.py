"""One byte form and one hash for documents that must compare equal. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import rfc8785

from audit.body import quick


def canonical(document: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON document."""
    return rfc8785.dumps(document)


def digest(document: Any) -> str:
    """Return the SHA-256 of the document's canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a document whose canonical form is known already."""

    text: str


def plain(value: Any) -> Fragment:
    """Return the canonical form of what we made ourselves: see `quick` for what that may be."""
    return Fragment(quick(value))


def assembled(members: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of an object of which some members are fragments."""
    parts = [f"{_name(name)}:{_text(value)}" for name, value in sorted(members.items())]
    return f"{{{','.join(parts)}}}".encode()


def _text(value: Any) -> str:
    if isinstance(value, Fragment):
        return value.text
    return str(value) if type(value) is int else quick(value)  # no boolean, which is one as well


_name = lru_cache(maxsize=256)(quick)
