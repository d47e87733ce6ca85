"""The ledger's signing key, and the memory of what it signed last: two files beside each other.

The memory is the ledger's own witness. A database restored from an old backup is behind it, and a
database whose past was rewritten disagrees with it; in both cases nothing is signed, since a
second signed tree would make both worthless.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from audit.errors import KeyUnusableError
from audit.note import Checkpoint, NoteError, Signer, Verifier


def load_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in a file."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyUnusableError(f"the ledger's signing key in {path.name} cannot be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusableError(f"the key in {path.name} is not an Ed25519 key")
    return key


def make_key(path: Path) -> Ed25519PrivateKey:
    """Make a key file, readable by its owner alone; of two that try at once one wins for both."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = _write_draft(path, pem)
    try:
        os.link(draft, path)
        _sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return load_key(path)


@dataclass(frozen=True)
class Memory:
    """The last checkpoint this installation signed, in a file outside the database."""

    path: Path

    @classmethod
    def beside(cls, key_file: Path) -> "Memory":
        """Return the memory that belongs to a key file."""
        return cls(key_file.with_suffix(".checkpoint"))

    def read(self, verifier: Verifier) -> Checkpoint | None:
        """Return what was signed last; None if nothing ever was."""
        try:
            note = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyUnusableError(f"{self.path.name} cannot be read") from error
        try:
            return Checkpoint.parse(verifier.open(note))
        except NoteError as error:
            raise KeyUnusableError(f"{self.path.name} was signed by another key") from error

    def write(self, note: str) -> None:
        """Remember a checkpoint; it is on the disk when this returns."""
        draft = _write_draft(self.path, note.encode())
        draft.replace(self.path)
        _sync_folder(self.path.parent)


def signer_for(origin: str, key: Ed25519PrivateKey) -> Signer:
    """Return the signer of a ledger."""
    try:
        signer = Signer(origin, key)
        Verifier.parse(signer.verifier.vkey)
    except NoteError as error:
        raise KeyUnusableError(f"the ledger's origin cannot name a key: {error}") from error
    return signer


def _write_draft(path: Path, data: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
