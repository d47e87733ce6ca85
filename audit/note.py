"""Signed notes and checkpoints as C2SP specifies them, with Ed25519. Pure."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\x01"
_PRIVATE: Final = "PRIVATE+KEY+"
_DASH: Final = "\u2014"
_SIGNATURE_SIZE: Final = 68
_KEY_SIZE: Final = 33
_LONGEST_COUNT: Final = 18


class NoteError(ValueError):
    """A note, key or checkpoint is not of its form, or its signature does not hold."""


def encode(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of standard base64; a second spelling of the same bytes is refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if encode(data) != text:
        raise NoteError("base64 not in its one canonical spelling")
    return data


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(char.isspace() for char in name):
        raise NoteError("a key's name has neither spaces nor plus and is not empty")
    return name


def _key_id(name: str, key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]


def _split_key(text: str) -> tuple[str, bytes]:
    """Return name and key bytes of NAME+ID+KEY after checking that they belong together."""
    name, _, rest = text.partition("+")
    key_id, _, key_text = rest.partition("+")
    key = decode(key_text)
    if len(key) != _KEY_SIZE or key[:1] != _ED25519:
        raise NoteError("not an Ed25519 key")
    if key_id != _key_id(_checked_name(name), key).hex():
        raise NoteError("the key's id does not belong to its name and bytes")
    return name, key


@dataclass(frozen=True)
class Verifier:
    """A public key and the name it signs under."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read the one-line form, as in `example.org/log+0123abcd+ARpc…`."""
        name, key = _split_key(vkey)
        return cls(name, key[1:])

    @property
    def key_id(self) -> bytes:
        """Return the four bytes by which a signature names its key."""
        return _key_id(self.name, _ED25519 + self.public)

    @property
    def vkey(self) -> str:
        """Return the one-line form that people hand to each other."""
        return f"{self.name}+{self.key_id.hex()}+{encode(_ED25519 + self.public)}"

    def open(self, note: str) -> str:
        """Return the text that this key signed; signatures by other keys are passed over."""
        text, _, signatures = note.rpartition("\n\n")
        if not text or not signatures.endswith("\n"):
            raise NoteError("not a signed note")
        text += "\n"
        for line in signatures[:-1].split("\n"):
            dash, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            if dash != _DASH or not name or not encoded:
                raise NoteError("a signature line is not of its form")
            signature = decode(encoded)
            if name != self.name or signature[:4] != self.key_id:
                continue
            if len(signature) != _SIGNATURE_SIZE:
                raise NoteError("a signature is not of its length")
            self._check(signature[4:], text)
            return text
        raise NoteError("no signature by this key")

    def _check(self, signature: bytes, text: str) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature as error:
            raise NoteError("the signature does not hold") from error


@dataclass(frozen=True)
class Signer:
    """A private key and the name it signs under."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key."""
        return cls(_checked_name(name), Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, skey: str) -> Self:
        """Read the one-line private form that Go's note package writes."""
        if not skey.startswith(_PRIVATE):
            raise NoteError("not a private key")
        name, _, rest = skey.removeprefix(_PRIVATE).partition("+")
        key_id, _, key_text = rest.partition("+")
        key = decode(key_text)
        if len(key) != _KEY_SIZE or key[:1] != _ED25519:
            raise NoteError("not an Ed25519 key")
        signer = cls(_checked_name(name), Ed25519PrivateKey.from_private_bytes(key[1:]))
        if signer.verifier.key_id.hex() != key_id:
            raise NoteError("the key's id does not belong to its name and bytes")
        return signer

    @property
    def verifier(self) -> Verifier:
        """Return the public half."""
        return Verifier(self.name, self.private.public_key().public_bytes_raw())

    @property
    def skey(self) -> str:
        """Return the one-line private form; whoever reads it can sign."""
        key = encode(_ED25519 + self.private.private_bytes_raw())
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{key}"

    def sign(self, text: str) -> str:
        """Return the note: the text, an empty line, one signature."""
        if not text.endswith("\n"):
            raise NoteError("a note's text ends with a newline")
        signature = self.verifier.key_id + self.private.sign(text.encode())
        return f"{text}\n{_DASH} {self.name} {encode(signature)}\n"


@dataclass(frozen=True)
class Checkpoint:
    """The head of the tree: whose it is, how large, and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the three lines; extension lines are refused, since we never write any."""
        origin, size, root = _three_lines(text)
        checkpoint = cls(origin, _count(size), decode(root))
        if checkpoint.text != text or len(checkpoint.root) != hashlib.sha256().digest_size:
            raise NoteError("not a checkpoint")
        return checkpoint


RECORDS: Final = "sayso records v1"


@dataclass(frozen=True)
class RecordHead:
    """The head of the record chain: what binds entry numbers and exact times, beside the tree.

    It is a note of its own, since witnesses neither check nor welcome extra lines in a checkpoint.
    Its first line has spaces, so it can never be taken for a checkpoint of any log.
    """

    origin: str
    size: int
    chain: bytes

    @property
    def text(self) -> str:
        """Return the four lines that are signed."""
        return f"{RECORDS}\n{self.origin}\n{self.size}\n{encode(self.chain)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the four lines."""
        first, _, rest = text.partition("\n")
        origin, size, chain = _three_lines(rest)
        head = cls(origin, _count(size), decode(chain))
        if first != RECORDS or head.text != text:
            raise NoteError("not the head of a record chain")
        return head


def _three_lines(text: str) -> tuple[str, str, str]:
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not all(lines[:3]):
        raise NoteError("not of the form: origin, size, hash")
    return lines[0], lines[1], lines[2]


def _count(text: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) <= _LONGEST_COUNT
    if not plain or str(int(text)) != text:
        raise NoteError("a size is written in plain digits")
    return int(text)
