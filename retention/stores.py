"""Places that hold captured bytes: one small protocol, and the file store that comes with Sayso.

Deletion and verification take different ways: one unlinks by key, the other reads the folders.
"""

import hashlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings

from retention.exceptions import BytesDoNotMatch, StoreFailed

CHUNK = 1 << 16


@dataclass(frozen=True)
class Stored:
    """What a store was given to keep: where, how long in bytes, and its SHA-256 in hexadecimal."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Evidence:
    """What verification found: the level reached (E1 to E3), how, and how many still remain."""

    level: str
    method: str
    remaining: int


class Store(Protocol):
    """What every store can do; keys are ours, contents are opaque."""

    name: str

    def put(self, key: str, chunks: Iterable[bytes], *, size: int, sha256: str) -> None:
        """Keep the bytes durably, or raise BytesDoNotMatch and keep nothing."""

    def delete(self, key: str) -> None:
        """Remove the bytes; absent already is success. Raises StoreFailed."""

    def verify_gone(self, items: Iterable[Stored], *, kept: Collection[str] = ()) -> Evidence:
        """Look for the items by another way than `delete` and say what remains.

        `kept` are the keys of other objects that may rightly hold the same bytes.
        """

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the bytes of a key; raises StoreFailed when there are none."""


class FileStore:
    """Batches as files: two levels of folders, names that say nothing, modes 0600 and 0700."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    def put(self, key: str, chunks: Iterable[bytes], *, size: int, sha256: str) -> None:
        """Write aside, check length and hash, make durable, then rename: all or nothing."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._path(key)
        target.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            self._write(draft, chunks, size=size, sha256=sha256)
            draft.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise StoreFailed from error
        finally:
            draft.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """Unlink and make the folder durable, so that a crash cannot bring the name back."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                _sync_folder(path.parent)
        except OSError as error:
            raise StoreFailed from error

    def verify_gone(self, items: Iterable[Stored], *, kept: Collection[str] = ()) -> Evidence:
        """Walk the folders and compare every file's name, length and content with the items.

        Reading content finds bytes that were moved, copied or linked under another name.
        """
        wanted = list(items)
        names = {Path(item.key).name for item in wanted}
        digests = {(item.bytes, item.sha256) for item in wanted}
        lengths = {length for length, _ in digests}
        others = {self._path(key) for key in kept}
        remaining = 0
        try:
            for path in self._files():
                if path in others:
                    continue
                same_name = any(name in path.name for name in names)
                remaining += same_name or _holds_one_of(path, digests, lengths)
        except OSError as error:
            raise StoreFailed from error
        return Evidence(level="E3", method="folder walk and content scan", remaining=remaining)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the file in chunks."""
        try:
            with self._path(key).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise StoreFailed from error

    def _path(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise StoreFailed("That key is outside the store.")
        return path

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self.root.resolve()):
            for name in names:
                yield Path(folder) / name

    @staticmethod
    def _write(draft: Path, chunks: Iterable[bytes], *, size: int, sha256: str) -> None:
        hasher, written = hashlib.sha256(), 0
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                written += len(chunk)
                if written > size:
                    raise BytesDoNotMatch
                hasher.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if written != size or hasher.hexdigest() != sha256:
            raise BytesDoNotMatch


def _holds_one_of(path: Path, digests: set[tuple[int, str]], lengths: set[int]) -> bool:
    try:
        length = path.stat().st_size
        return length in lengths and (length, _sha256_of(path)) in digests
    except FileNotFoundError:  # another job erased it, or a draft got its name, while we walked
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_named(name: str) -> Store:
    """Return the configured store; raises StoreFailed for a name the settings do not know."""
    config = settings.STORES.get(name)
    if config is None or config["kind"] != "filesystem":
        raise StoreFailed(f"No store named {name!r} is configured.")
    return FileStore(name, Path(config["root"]))
