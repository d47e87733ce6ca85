"""What was captured and not yet handed in: encrypted files, one per purpose, app and lease.

What was purged is unlinked; a full purge also destroys the key. What cannot be read is lost, and
goes as well: no damage to a file keeps others from being erased.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sayso_agent.errors import AgentError, StateError, StorageError, not_erased, storage_error
from sayso_agent.files import (
    OWN,
    FileLock,
    erase,
    held_if_possible,
    make_folder,
    random_bytes,
    read_secret,
    write_secret,
)
from sayso_agent.segment import (
    NOWHERE,
    Record,
    Segment,
    Slot,
    opened,
    record_json,
    record_of,
    sealed,
)

SUFFIX: Final = ".spool"
_KEY: Final = 32


@dataclass(slots=True)
class _Open:
    """The file that still takes events of a slot."""

    batch: str
    lines: int
    size: int
    first: float
    last: float
    since: float  # wall clock of the first event, to know when to hand it in

    def takes(self, record: Record, slot: Slot) -> bool:
        grown = self.size + len(record.line) + 1
        span = max(self.last, record.stamp) - min(self.first, record.stamp) + 0.001
        return grown <= slot.batch_bytes and span <= slot.batch_seconds


class Spool:
    """The folder of spooled events. One writer; `forget` may come from another process."""

    def __init__(self, folder: Path, key_file: Path, lock: FileLock) -> None:
        self._folder = folder
        self._key_file = key_file
        self._lock = lock
        self._open: dict[Slot, _Open] = {}
        self._lost = 0
        if not folder.is_dir():
            erase(folder)
        with suppress(AgentError):  # who only erases needs none
            make_folder(folder)

    def append(self, slot: Slot, records: Iterable[Record]) -> int:
        """Write records to their slot; return how many were too big for any batch."""
        too_big = 0
        with self._lock:
            cipher = AESGCM(self._key_to_write())
            for record in records:
                if len(record.line) + 1 > slot.batch_bytes:
                    too_big += 1
                else:
                    self._append(cipher, slot, record)
        return too_big

    def _append(self, cipher: AESGCM, slot: Slot, record: Record) -> None:
        current = self._open.get(slot)
        if current and not (self._path(current.batch).exists() and current.takes(record, slot)):
            current = None
        if current is None:
            current = self._begin(cipher, slot, record)
        try:
            self._write_line(cipher, current.batch, current.lines, record_json(record))
        except StorageError:
            self._open.pop(slot, None)  # what follows a torn line could not be read
            raise
        current.lines += 1
        current.size += len(record.line) + 1
        current.first = min(current.first, record.stamp)
        current.last = max(current.last, record.stamp)

    def _begin(self, cipher: AESGCM, slot: Slot, record: Record) -> _Open:
        batch = str(uuid.uuid4())
        try:
            make_folder(self._folder)
        except StateError as error:
            raise StorageError("files_unusable", str(error)) from error
        self._write_line(cipher, batch, 0, asdict(slot))
        current = _Open(batch, 1, 0, record.stamp, record.stamp, record.wall)
        self._open[slot] = current
        return current

    def close(self, *, older_than: float | None = None) -> None:
        """Let open files take no more events; with `older_than` only those begun before it."""
        with held_if_possible(self._lock):
            for slot, current in list(self._open.items()):
                if older_than is None or current.since <= older_than:
                    del self._open[slot]

    def closed(self) -> list[str]:
        """Return the batches that may be handed in, oldest file first."""
        with self._lock:
            still_open = {current.batch for current in self._open.values()}
            paths = sorted(self._paths()[0], key=_modified)
        return [path.stem for path in paths if path.stem not in still_open]

    def held(self) -> AbstractContextManager[object]:
        """Keep everybody else from the spool: nothing in it is forgotten meanwhile."""
        return held_if_possible(self._lock)

    def read(self, batch: str) -> Segment | None:
        """Return a segment; None where it is gone or nothing in it can be read."""
        with self._lock:
            segment = self._read(self._key(), self._path(batch))
        return segment if segment and segment.records else None

    def exists(self, batch: str) -> bool:
        """Return whether the segment is still to be handed in."""
        return self._path(batch).exists()

    def remove(self, batch: str) -> None:
        """Drop one segment; StorageError where it stays."""
        with self._lock:
            if not erase(self._path(batch)):
                raise not_erased(self._folder)

    def take_lost(self) -> int:
        """Return how many files were dropped unread since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def purge(
        self,
        keep: Callable[[Slot, Record], bool],
        *,
        part: Callable[[Record], int] = lambda _record: 0,
    ) -> int:
        """Drop every event that `keep` does not want; return how many went.

        What stays is divided where `part` differs, so that no batch reaches over what was struck.
        What cannot be read goes too, and so does what a crash left half written. StorageError where
        something that must go stays, after all else has gone.
        """
        dropped = 0
        with held_if_possible(self._lock):
            key, (paths, strays) = self._key(), self._paths()
            gone = [erase(path) for path in strays]
            for path in paths:
                segment = self._read(key, path) or self._unread(path)
                kept = [record for record in segment.records if keep(segment.slot, record)]
                parts = _divided(kept, part)
                if segment.records and len(kept) == len(segment.records) and len(parts) == 1:
                    continue
                # Erase first: a crash here loses what might stay, never keeps what must go.
                gone.append(erase(path))
                dropped += len(segment.records) - len(kept)
                for records in parts:
                    dropped += self._rewritten(segment.slot, records)
                self._open = {s: o for s, o in self._open.items() if o.batch != path.stem}
        if not all(gone):
            raise not_erased(self._folder)
        return dropped

    def destroy(self) -> int:
        """Drop everything and the key with it; return how many events are known to have gone.

        The key goes first. StorageError where something stays, after all else has gone.
        """
        dropped = 0
        with held_if_possible(self._lock):
            key = self._key()
            gone = [erase(self._key_file)]
            paths, strays = self._paths()
            for path in paths:
                segment = self._read(key, path) or self._unread(path)
                gone.append(erase(path))
                dropped += len(segment.records)
            gone += [erase(path) for path in strays]
            self._open.clear()
        if not all(gone):
            raise not_erased(self._folder)
        return dropped

    def count(self) -> int:
        """Return how many events lie here."""
        return sum(len(segment.records) for segment in self.segments())

    def segments(self) -> Iterator[Segment]:
        """Yield all segments that can be read."""
        for path in self._paths()[0]:
            if segment := self.read(path.stem):
                yield segment

    def _path(self, batch: str) -> Path:
        return self._folder / f"{uuid.UUID(batch)}{SUFFIX}"

    def _paths(self) -> tuple[list[Path], list[Path]]:
        """Return the segments' files, and all that lies beside them and is none."""
        try:
            found = sorted(self._folder.iterdir())
        except OSError:
            return [], []
        segments = [path for path in found if _is_segment(path)]
        return segments, [path for path in found if path not in segments]

    def _key(self) -> bytes | None:
        """Return the key; None where it is lost, damaged, or was open to others."""
        try:
            key = read_secret(self._key_file)
        except StateError:
            return None
        return key if key is not None and len(key) == _KEY else None

    def _key_to_write(self) -> bytes:
        """Return the key, a new one where there is none; what nobody can read goes then."""
        if key := self._key():
            return key
        self.destroy()
        key = random_bytes(_KEY)
        write_secret(self._key_file, key)
        return key

    def _unread(self, path: Path) -> Segment:
        """Count a file that holds something and cannot be read; return a segment of nothing."""
        with suppress(OSError):
            self._lost += path.lstat().st_size > 0
        return Segment(path.stem, NOWHERE, ())

    def _write_line(self, cipher: AESGCM, batch: str, number: int, content: dict[str, Any]) -> None:
        line = sealed(cipher, batch, number, content)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | OWN
            handle = os.open(self._path(batch), flags, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise storage_error(error) from error

    def _write_segment(self, slot: Slot, records: Iterable[Record]) -> None:
        """Write a whole segment under a new id; it takes no more events."""
        batch, cipher = str(uuid.uuid4()), AESGCM(self._key_to_write())
        contents = [asdict(slot), *(record_json(record) for record in records)]
        lines = [sealed(cipher, batch, i, content) for i, content in enumerate(contents)]
        write_secret(self._path(batch), b"\n".join(lines) + b"\n")

    def _rewritten(self, slot: Slot, records: list[Record]) -> int:
        """Write what stays; return how many events are lost, as no block is free for them."""
        try:
            self._write_segment(slot, records)
        except StorageError:
            return len(records)
        return 0

    def _read(self, key: bytes | None, path: Path) -> Segment | None:
        """Read as far as lines can be decrypted, for a crash may have torn the last one; None where
        not even the first can be."""
        try:
            data = read_secret(path)
        except StateError:
            return None
        contents = opened(key, path.stem, data) if key and data else []
        try:
            slot, *records = contents
            return Segment(path.stem, Slot(**slot), tuple(map(record_of, records)))
        except (TypeError, ValueError, KeyError):  # none, or of another version of this agent
            return None


def _is_segment(path: Path) -> bool:
    try:
        name = str(uuid.UUID(path.stem))
        return path.name == f"{name}{SUFFIX}" and path.is_file() and not path.is_symlink()
    except (ValueError, OSError):
        return False


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0  # another process has just taken it


def _divided(records: list[Record], part: Callable[[Record], int]) -> list[list[Record]]:
    """Return the records by their part, each in the order in which they came."""
    parts: dict[int, list[Record]] = {}
    for record in records:
        parts.setdefault(part(record), []).append(record)
    return list(parts.values())
