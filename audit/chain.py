"""The record chain: binds what stands beside each leaf, its number and exact times. Pure.

The tree covers bodies only, so that bodies stay all that is ever published. Yet an entry whose
time was moved back is as false as one whose text was changed. Each link therefore hashes the
link before it together with the record of one leaf, and the head is signed with each checkpoint.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.body import canonical, stamp
from audit.note import encode

START: Final = bytes(32)
_TAG: Final = b"sayso record\x00"


@dataclass(frozen=True)
class Record:
    """One leaf as it was sequenced: where it stands, which entry it is, and when that was."""

    index: int
    entry: int
    leaf: bytes
    recorded_at: datetime
    event_time: datetime | None
    imported: bool

    def fields(self) -> dict[str, str | int | bool | None]:
        """Return the record as it stands in an export."""
        return {
            "index": self.index,
            "entry": self.entry,
            "leaf": encode(self.leaf),
            "recorded_at": stamp(self.recorded_at),
            "event_time": stamp(self.event_time) if self.event_time else None,
            "imported": self.imported,
        }


def link(before: bytes, record: Record) -> bytes:
    """Return the link for `record` behind the link `before`."""
    return hashlib.sha256(_TAG + before + canonical(record.fields())).digest()
