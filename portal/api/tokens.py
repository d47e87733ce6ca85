"""Opaque tokens: 256 random bits, shown once, kept as a hash (OWASP ASVS 6.5.2)."""

import hashlib
import secrets

PREFIX = "sat_"


def new_token(prefix: str = PREFIX) -> str:
    """Return a fresh token; its prefix lets secret scanners recognise a leaked one."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return what is stored and looked up; enough for a random token of 256 bits."""
    return hashlib.sha256(token.encode("utf-8")).digest()
