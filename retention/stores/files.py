"""The store that comes with Sayso: batches as files.

Deletion and verification take different ways: one unlinks by key, the other reads the folders.
"""

import hashlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from retention.exceptions import NothingThere, StoreFailed
from retention.stores.base import CHUNK, Address, Evidence, Stored, checked


class FileStore:
    """Batches as files: two levels of folders, names that say nothing, modes 0600 and 0700."""

    technique = "unlink and folder sync"

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
            self._write(draft, checked(chunks, size=size, sha256=sha256))
            draft.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            raise StoreFailed from error
        finally:
            draft.unlink(missing_ok=True)

    def address(self, key: str, *, size: int, sha256: str) -> Address | None:
        """Return None: files are written by the portal alone."""

    def delete(self, key: str) -> None:
        """Unlink and make the folder durable, so that a crash cannot bring the name back.

        Drafts of it go too: a killed process leaves one, and one that is being written is not
        wanted any more, which its writer hears as a failure.
        """
        path = self._path(key)
        try:
            for found in (path, *path.parent.glob(f".{path.name}.*")):
                found.unlink(missing_ok=True)
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
        except FileNotFoundError as error:
            raise NothingThere from error
        except OSError as error:
            raise StoreFailed from error

    def works(self) -> bool:
        """Return whether the folder is there, or can be made."""
        return self.root.is_dir() or self.root.parent.is_dir()

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
    def _write(draft: Path, chunks: Iterable[bytes]) -> None:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


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
