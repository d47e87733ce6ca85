"""Salted commitments, and details sealed under keys that can be destroyed. Pure."""

import hashlib
import os
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_SIZE: Final = 32
KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_KEK_ID_SIZE: Final = 4

Tag = Literal["actor", "subject", "detail"]


class SealError(ValueError):
    """A sealed value does not open: another key, another place, or altered bytes."""


def new_salt() -> bytes:
    """Return a fresh salt; without it a commitment fits any value equally well."""
    return os.urandom(SALT_SIZE)


def new_key() -> bytes:
    """Return a fresh key."""
    return os.urandom(KEY_SIZE)


def commit(tag: Tag, salt: bytes, value: bytes) -> bytes:
    """Return 32 bytes that fix `value` and say nothing about it to whoever lacks the salt.

    The salt's length is fixed and the tag ends with a zero byte, so no two inputs run together.
    """
    if len(salt) != SALT_SIZE:
        raise SealError("a salt has 32 bytes")
    return hashlib.sha256(b"sayso " + tag.encode() + b"\x00" + salt + value).digest()


def seal(key: bytes, plain: bytes, *, place: bytes) -> bytes:
    """Encrypt `plain` so that it opens only with this key and at this place."""
    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, plain, place)


def unseal(key: bytes, sealed: bytes, *, place: bytes) -> bytes:
    """Return what was sealed."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], place)
    except (InvalidTag, ValueError) as error:
        raise SealError("the sealed value does not open") from error


def wrap(kek: bytes, key: bytes, *, owner: str) -> bytes:
    """Encrypt a key under the installation's key; the head says which key that was."""
    return _kek_id(kek) + seal(kek, key, place=_wrap_place(owner))


def unwrap(kek: bytes, wrapped: bytes, *, owner: str) -> bytes:
    """Return a wrapped key."""
    if wrapped[:_KEK_ID_SIZE] != _kek_id(kek):
        raise SealError("the key was wrapped by another installation key")
    return unseal(kek, wrapped[_KEK_ID_SIZE:], place=_wrap_place(owner))


def _kek_id(kek: bytes) -> bytes:
    return hashlib.sha256(b"sayso kek id\x00" + kek).digest()[:_KEK_ID_SIZE]


def _wrap_place(owner: str) -> bytes:
    return b"sayso seal key\x00" + owner.encode()
