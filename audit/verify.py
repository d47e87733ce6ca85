#!/usr/bin/env python3
"""Checks an export of a Sayso ledger. Needs this one file and Python 3.8 or newer, nothing else.

    python3 verify.py EXPORT [--key VKEY] [--since OLDER]

It hashes every entry, rebuilds the Merkle tree of RFC 6962 over all of them, and checks the Ed25519
signatures (RFC 8032) under the tree's root and under the chain that binds each entry's number and
times. VKEY is the ledger's public key as you got it by another way than this file: without it you
learn that the export is whole, not whose it is. OLDER is an export or a checkpoint you kept from
before: the new export must begin with exactly those entries.

Ends with 0 if all is well, 1 if something was changed (and says what), 2 if it could not check.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Tuple

FORMAT = "sayso ledger export 1"
RECORDS = "sayso records v1"
RECORD_TAG = b"sayso record\x00"
HEADER_KEYS = {"checkpoint", "format", "origin", "records", "size", "verifier"}
ENTRY_KEYS = {"body", "chain", "entry", "event_time", "imported", "index", "leaf", "recorded_at"}
RECORD_KEYS = ("entry", "event_time", "imported", "index", "leaf", "recorded_at")
LONGEST_LINE = 1 << 20
CHECKED, CHANGED, UNUSABLE = 0, 1, 2


class ChangedError(Exception):
    """Something is not as it was signed."""


class UnusableError(Exception):
    """What was given cannot be checked at all."""


# --- Ed25519, verification only (RFC 8032, section 5.1.7) ---------------------------------------

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

Point = Tuple[int, int, int, int]
_NEUTRAL: Point = (0, 1, 1, 0)


def _add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(number: int, point: Point) -> Point:
    result = _NEUTRAL
    while number:
        if number & 1:
            result = _add(result, point)
        point, number = _add(point, point), number >> 1
    return result


def _point(data: bytes) -> Optional[Point]:
    """Return the point these 32 bytes stand for; None if they stand for none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if len(data) != 32 or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _bytes(point: Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little")) or _NEUTRAL


def ed25519_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether the signature is one of this message by this key."""
    key = _point(public)
    if key is None or len(signature) != 64:
        return False
    start, scalar = signature[:32], int.from_bytes(signature[32:], "little")
    if scalar >= _ORDER:
        return False
    digest = hashlib.sha512(start + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    minus_key = (_P - key[0], key[1], 1, _P - key[3])
    return _bytes(_add(_times(scalar, _BASE), _times(challenge, minus_key))) == start


# --- signed notes and checkpoints (C2SP) ---------------------------------------------------------


def decode(text: str) -> bytes:
    """Return the bytes of base64, of which each has one spelling only."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("base64 in a second spelling")
    return data


class Key(NamedTuple):
    """A public key: the name it signs under, its id, its bytes."""

    name: str
    key_id: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read NAME+ID+BASE64."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        key = decode(encoded)
        if len(key) != 33 or key[:1] != b"\x01" or not name or any(c.isspace() for c in name):
            raise ValueError("not an Ed25519 key in the form NAME+ID+BASE64")
        if hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() != key_id:
            raise ValueError("the key's id does not belong to its name and bytes")
        return cls(name, key_id, key[1:])

    def open(self, note: str) -> List[str]:
        """Return the lines of a note that carries one signature: a valid one by this key."""
        text, found, signatures = note.rpartition("\n\n")
        dash, _, rest = signatures.partition(" ")
        name, _, encoded = rest.partition(" ")
        if not found or dash != "\u2014" or encoded[-1:] != "\n":
            raise ValueError("not a note with one signature")
        signature = decode(encoded[:-1])
        if name != self.name or signature[:4].hex() != self.key_id:
            raise ValueError("signed by another key than the one named")
        if not ed25519_holds(self.public, signature[4:], (text + "\n").encode()):
            raise ValueError("the signature does not hold")
        return text.split("\n")


def open_head(key: Key, note: str, first: Tuple[str, ...]) -> Tuple[int, bytes]:
    """Return size and hash of a signed head whose first lines are given."""
    lines = key.open(note)
    if len(lines) != len(first) + 2 or tuple(lines[:-2]) != first:
        raise ValueError("not the head of this ledger")
    size, value = lines[-2], decode(lines[-1])
    if not (size.isascii() and size.isdigit()) or len(size) > 18 or str(int(size)) != size:
        raise ValueError("the size is not a plain number")
    if len(value) != 32:
        raise ValueError("the hash has not 32 bytes")
    return int(size), value


# --- the tree (RFC 6962) and the record chain ----------------------------------------------------


class Tree:
    """The right edge of the tree: enough to append and to tell the root."""

    def __init__(self) -> None:
        self.size = 0
        self.edge: List[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size = self.size
        while size & 1:
            leaf, size = hashlib.sha256(b"\x01" + self.edge.pop() + leaf).digest(), size >> 1
        self.edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self.edge:
            return hashlib.sha256(b"").digest()
        value = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            value = hashlib.sha256(b"\x01" + left + value).digest()
        return value


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def canonical(value: Dict[str, Any]) -> bytes:
    """Return the one byte form of a flat JSON object of strings, whole numbers, true/false/null."""
    return _ENCODER.encode(value).encode()


def parse_line(raw: bytes, keys: Any) -> Dict[str, Any]:
    """Return the object of one line, if the line is its only possible spelling."""
    if raw[-1:] != b"\n":
        raise ValueError("the line has no end")
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(value, dict) or set(value) != keys:
        raise ValueError("not the fields of this format")
    if not all(v is None or isinstance(v, (str, int)) for v in value.values()):
        raise ValueError("a field is neither text nor a whole number")
    if canonical(value) + b"\n" != raw:
        raise ValueError("not in the one canonical spelling")
    return value


# --- an export -----------------------------------------------------------------------------------


class Older(NamedTuple):
    """What an older export or checkpoint says: its head, and each link if it was an export."""

    key: Optional[Key]
    note: str
    size: int
    root: bytes
    links: List[bytes]


class Result(NamedTuple):
    """What was found in an export that is whole."""

    key: Key
    note: str
    size: int
    root: bytes
    links: List[bytes]
    compared: bool


class Checker:
    """One pass over one export."""

    def __init__(self, stream: BinaryIO, key: Optional[Key], older: Optional[Older]) -> None:
        self.stream, self.given, self.older = stream, key, older
        self.tree, self.link = Tree(), bytes(32)
        self.links: List[bytes] = []

    def run(self) -> Result:
        """Check everything; the ChangedError raised names the first thing that does not fit."""
        try:
            key, note, size, root, chain = self.header(self.stream.readline(LONGEST_LINE))
        except ValueError as error:
            raise ChangedError("header (line 1): %s" % error) from error
        for index in range(size):
            try:
                self.entry(index, self.stream.readline(LONGEST_LINE))
            except ValueError as error:
                raise ChangedError(
                    "entry at index %d (line %d): %s" % (index, index + 2, error)
                ) from error
            self.compare_head(index + 1)
        if self.stream.read(1):
            raise ChangedError("line %d: more lines than the checkpoint covers" % (size + 2))
        if self.tree.root() != root:
            raise ChangedError(
                "checkpoint (line 1): the entries do not have the root that was signed. Every line "
                "fits in itself, so entries were rewritten; --since an older export names the first"
            )
        if self.link != chain:
            raise ChangedError("checkpoint (line 1): numbers or times are not those signed")
        return Result(key, note, size, root, self.links, self.older is not None)

    def header(self, raw: bytes) -> Tuple[Key, str, int, bytes, bytes]:
        """Check the first line; return key, checkpoint, size, root and head of the chain."""
        head = parse_line(raw, HEADER_KEYS)
        size, texts = head.pop("size"), head
        if head["format"] != FORMAT or not all(isinstance(v, str) for v in texts.values()):
            raise ValueError("not an export this program knows")
        key, origin = Key.parse(head["verifier"]), head["origin"]
        if self.given and self.given != key:
            raise ValueError("the export is signed by another key than the one you gave")
        if self.older and self.older.key and self.older.key != key:
            raise ValueError("the export is signed by another key than the older one")
        if origin != key.name:
            raise ValueError("origin and key do not belong together")
        signed, root = open_head(key, head["checkpoint"], (origin,))
        chained, chain = open_head(key, head["records"], (RECORDS, origin))
        if isinstance(size, bool) or not size == signed == chained:
            raise ValueError("the sizes differ")
        if self.older:
            self.check_older(key, size)
        return key, head["checkpoint"], size, root, chain

    def check_older(self, key: Key, size: int) -> None:
        """Check that the older record is of the same ledger, and not longer than this export."""
        older = self.older
        if older is None:
            return
        if older.key is None:  # a bare checkpoint names no key; it must be by the export's
            older_size, older_root = open_head(key, older.note, (key.name,))
            self.older = older = older._replace(size=older_size, root=older_root)
        if older.size > size:
            raise ValueError("the older record has %d entries, this one %d" % (older.size, size))
        self.compare_head(0)

    def entry(self, index: int, raw: bytes) -> None:
        """Check one entry and add it to tree and chain."""
        if not raw:
            raise ValueError("missing: the file ends here")
        line = parse_line(raw, ENTRY_KEYS)
        if line["index"] != index:
            raise ValueError("another index is written here")
        for name in ("body", "chain", "leaf", "recorded_at"):
            if not isinstance(line[name], str):
                raise ValueError("%s is not text" % name)  # noqa: TRY004  one kind for all
        leaf = hashlib.sha256(b"\x00" + decode(line["body"])).digest()
        if leaf != decode(line["leaf"]):
            raise ValueError("the text does not have the hash beside it")
        record = canonical({name: line[name] for name in RECORD_KEYS})
        self.link = hashlib.sha256(RECORD_TAG + self.link + record).digest()
        if self.link != decode(line["chain"]):
            raise ValueError("its number, one of its times or its link was changed")
        if self.older and index < len(self.older.links) and self.older.links[index] != self.link:
            raise ValueError("the older export has another entry here")
        self.links.append(self.link)
        self.tree.append(leaf)

    def compare_head(self, size: int) -> None:
        """Compare with the older record where this export reaches its size."""
        if self.older and self.older.size == size and self.older.root != self.tree.root():
            raise ChangedError("entries 0 to %d are not those of the older record" % (size - 1))


def check_file(path: str, key: Optional[Key], older: Optional[Older]) -> Result:
    """Check the export in a file."""
    try:
        with Path(path).open("rb") as stream:
            return Checker(stream, key, older).run()
    except OSError as error:
        raise UnusableError("%s cannot be read: %s" % (path, error.strerror)) from error


def read_older(path: str, key: Optional[Key]) -> Older:
    """Return what an older export or checkpoint says; it must itself hold."""
    try:
        with Path(path).open("rb") as stream:
            first = stream.read(LONGEST_LINE)
    except OSError as error:
        raise UnusableError("%s cannot be read: %s" % (path, error.strerror)) from error
    if first[:1] == b"{":
        try:
            result = check_file(path, key, None)
        except ChangedError as error:
            raise UnusableError("the older export does not hold itself: %s" % error) from error
        return Older(result.key, result.note, result.size, result.root, result.links)
    try:
        note = first.decode("utf-8")
        lines = note.split("\n")
        if key:
            open_head(key, note, (key.name,))
        return Older(None, note, int(lines[1]), decode(lines[2]), [])
    except (ValueError, IndexError) as error:
        raise UnusableError("the older file is no export or checkpoint that holds") from error


def arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Check an export of a Sayso ledger, with no server."
    )
    parser.add_argument("export", help="the file to check")
    parser.add_argument("--key", help="the ledger's public key, got by another way than the export")
    parser.add_argument("--since", help="an older export or checkpoint you kept")
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> int:
    """Check as the command line says; return the exit code."""
    given = arguments(argv)
    try:
        try:
            key = Key.parse(given.key.strip()) if given.key else None
        except ValueError as error:
            raise UnusableError("--key: %s" % error) from error
        older = read_older(given.since, key) if given.since else None
        result = check_file(given.export, key, older)
    except UnusableError as error:
        print("not checked: %s" % error, file=sys.stderr)
        return UNUSABLE
    except ChangedError as error:
        print("CHANGED: %s" % error, file=sys.stderr)
        return CHANGED
    print(
        "verified: %d entries, root %s, signed by %s+%s; %s%s"
        % (
            result.size,
            base64.b64encode(result.root).decode("ascii"),
            result.key.name,
            result.key.key_id,
            "key pinned by you" if key else "key taken from the export itself (not pinned)",
            "; begins with all of the older record" if result.compared else "",
        )
    )
    return CHECKED


if __name__ == "__main__":
    sys.exit(main())
