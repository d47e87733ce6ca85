"""One byte form and one hash for documents that must compare equal. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785


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
    """Return the canonical form of what we made ourselves, a hundred times faster than `canonical`.

    The same bytes as long as keys are ASCII and numbers are whole and below 2**53 (RFC 8785
    section 3.2): only for values that are so by how they come about.
    """
    return Fragment(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def assembled(members: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of an object of which some members are fragments."""
    parts = (
        f"{plain(name).text}:{(value if isinstance(value, Fragment) else plain(value)).text}"
        for name, value in sorted(members.items())
    )
    return f"{{{','.join(parts)}}}".encode()
