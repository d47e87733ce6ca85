"""Writes the ledger as one text file that anyone can check with verify.py and no server.

The first line holds the signed heads; each further line one leaf, in order, with nothing personal
in it. Every line has one spelling only, so that no byte can change unnoticed.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from django.db import connections

from audit.body import canonical
from audit.chain import Record
from audit.errors import LedgerError
from audit.note import Verifier, encode
from audit.stored import Head, StoredTree

FORMAT: Final = "sayso ledger export 1"
VERIFIER: Final = Path(__file__).with_name("verify.py")
EXPORT_NAME: Final = "ledger.jsonl"
VERIFIER_NAME: Final = "verify.py"

_SLICE: Final = 2000
_LEAVES: Final = """
SELECT l.index, e.id, e.leaf_hash, e.recorded_at, e.event_time, e.imported, e.body, l.chain
FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry_id
WHERE l.index >= %s AND l.index < %s ORDER BY l.index
"""
_HOW_TO: Final = """\
How to check this copy of the ledger

1. Have Python 3.8 or newer. Nothing else is needed, no network either.
2. Run:  python3 {verifier} {export} --key KEY
   KEY is the ledger's public key as you know it from elsewhere, not from this file.
   If you kept an older copy or checkpoint, add:  --since OLDER
3. It says "verified" and ends with 0, or names the first entry that was changed and ends with 1.

Take {verifier} from a source you trust if you do not trust where this bundle came from.
Size: {size} entries. Key named in the copy: {vkey}
"""


class NothingSignedError(LedgerError):
    """There is no signed entry yet, so there is nothing to export."""

    code = "nothing_signed"


@dataclass(frozen=True)
class Export:
    """What was written."""

    size: int
    root: bytes
    vkey: str


def write_export(stream: BinaryIO, *, size: int | None = None, using: str = "reader") -> Export:
    """Write the ledger up to its newest checkpoint, or to the one at `size`.

    What is damaged is written as it is: the file then fails its check and says where.
    """
    head, vkey = _head(size, using)
    origin = Verifier.parse(vkey).name
    _line(
        stream,
        {
            "format": FORMAT,
            "origin": origin,
            "size": head.size,
            "verifier": vkey,
            "checkpoint": head.note,
            "records": head.record_note,
        },
    )
    for record, body, chain in _leaves(head.size, using):
        _line(stream, {**record.fields(), "body": encode(body), "chain": encode(chain)})
    return Export(head.size, head.root, vkey)


def write_bundle(stream: BinaryIO, *, size: int | None = None, using: str = "reader") -> Export:
    """Write a zip with the export, the program that checks it, and how to run that."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        with bundle.open(EXPORT_NAME, "w", force_zip64=True) as member:
            export = write_export(member, size=size, using=using)  # type: ignore[arg-type]
        bundle.writestr(VERIFIER_NAME, verifier_source())
        text = _HOW_TO.format(
            verifier=VERIFIER_NAME, export=EXPORT_NAME, size=export.size, vkey=export.vkey
        )
        bundle.writestr("READ-ME-FIRST.txt", text)
    return export


def verifier_source() -> bytes:
    """Return the program that checks exports, to be handed out beside them."""
    return VERIFIER.read_bytes()


def _head(size: int | None, using: str) -> tuple[Head, str]:
    stored = StoredTree(using)
    head, vkey = stored.head(size), stored.vkey()
    if head is None or vkey is None:
        raise NothingSignedError("nothing in the ledger is signed yet, or not at that size")
    return head, vkey


def _leaves(size: int, using: str) -> Iterator[tuple[Record, bytes, bytes]]:
    for start in range(0, size, _SLICE):
        with connections[using].cursor() as cursor:
            cursor.execute(_LEAVES, [start, min(start + _SLICE, size)])
            rows = cursor.fetchall()
        for index, entry, leaf, recorded_at, event_time, imported, body, chain in rows:
            record = Record(index, entry, bytes(leaf), recorded_at, event_time, imported)
            yield record, bytes(body), bytes(chain)


def _line(stream: BinaryIO, value: dict[str, Any]) -> None:
    stream.write(canonical(value) + b"\n")
