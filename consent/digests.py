"""One byte form and one hash for documents that must compare equal. Pure."""

import hashlib
from typing import Any

import rfc8785


def canonical(document: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON document."""
    return rfc8785.dumps(document)


def digest(document: Any) -> str:
    """Return the SHA-256 of the document's canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()
