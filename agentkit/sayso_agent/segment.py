"""One file of the spool: which events lie in it, and how each line of it is sealed.

A line is one event under AES-GCM, bound to its file and place, so that lines cannot be moved
between files. Pure, but for the random bytes.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sayso_agent.files import random_bytes
from sayso_agent.lease import Instant

_NONCE: Final = 12
_PIECE: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an event belongs: one purpose, one app, one lease of one policy version."""

    purpose: str
    app: str
    version: int
    issued_at: int
    until: int
    batch_bytes: int
    batch_seconds: int


@dataclass(frozen=True, slots=True)
class Record:
    """One event fit to leave: `line` is its NDJSON, `wall` when it was recorded here.

    `visible` are the apps of all windows that could be seen on a picture or title, its own among
    them; empty for what shows no other windows.
    """

    stamp: float
    signal: str
    line: bytes
    wall: float
    visible: tuple[str, ...] = ()
    monotonic: float = 0.0  # when it was recorded by the clock that nobody sets
    boot: str = ""  # since which start of the machine that counts

    def since(self, moment: Instant) -> bool:
        """Return whether it was recorded from a moment on, by either clock."""
        same = moment.boot != "" and self.boot == moment.boot
        return self.wall >= moment.wall or (same and self.monotonic >= moment.monotonic)

    def between(self, first: Instant, last: Instant) -> bool:
        """Return whether it was recorded from one moment to another, by either clock."""
        same = first.boot != "" and self.boot == first.boot
        by_boot = same and first.monotonic <= self.monotonic <= last.monotonic
        return first.wall <= self.wall <= last.wall or by_boot


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the spool, read and decrypted. Its name is the batch's id."""

    batch: str
    slot: Slot
    records: tuple[Record, ...]

    def parts(self) -> Iterator[bytes]:
        """Yield the batch's bytes piece by piece: NDJSON in order of capture, always the same."""
        piece = bytearray()
        for record in sorted(self.records, key=lambda record: record.stamp):
            piece += record.line + b"\n"
            if len(piece) >= _PIECE:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    @property
    def size(self) -> int:
        """Return how many bytes the batch has."""
        return sum(len(record.line) + 1 for record in self.records)


NOWHERE: Final = Slot("", "", 0, 0, 0, 0, 0)
"""Where what cannot be read belongs."""


def opened(key: bytes, batch: str, data: bytes) -> list[dict[str, Any]]:
    """Return what the lines of a file say, as far as they can be decrypted."""
    cipher, contents = AESGCM(key), []
    for number, line in enumerate(data.splitlines()):
        try:
            raw = base64.b64decode(line, validate=True)
            plain = cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _place(batch, number))
        except (ValueError, InvalidTag):
            break
        contents.append(json.loads(plain))
    return contents


def sealed(cipher: AESGCM, batch: str, number: int, content: dict[str, Any]) -> bytes:
    """Return one line of a file, bound to its file and place."""
    nonce = random_bytes(_NONCE)
    plain = json.dumps(content, separators=(",", ":")).encode()
    return base64.b64encode(nonce + cipher.encrypt(nonce, plain, _place(batch, number)))


def _place(batch: str, number: int) -> bytes:
    return f"{batch}:{number}".encode()


def record_json(record: Record) -> dict[str, Any]:
    """Return a record as it is sealed."""
    return {**asdict(record), "line": record.line.decode()}


def record_of(content: dict[str, Any]) -> Record:
    """Return the record that was sealed; TypeError or KeyError where it is none."""
    visible = tuple(content.get("visible", ()))
    return Record(**{**content, "line": content["line"].encode(), "visible": visible})
