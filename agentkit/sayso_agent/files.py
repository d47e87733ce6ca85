"""Files that nobody else may read: atomic writes, 0600 in 0700, and a lock between processes."""

import errno
import json
import os
import secrets
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sayso_agent.errors import StateError, StorageError, storage_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


OWN: Final = getattr(os, "O_NOFOLLOW", 0)
"""Our files are no links: what a link leads to is not ours to believe, and not gone with it."""
_READ: Final = os.O_RDONLY | OWN | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_LOCKED: Final = 2**30
"""The byte that is locked on Windows, far behind all that is written: there a locked byte cannot be
read by others either, and who runs is read from the lock's file."""
_INSIST: Final = 20
"""So often we try to take a file away on Windows, where nobody may while somebody reads it."""


def random_bytes(count: int) -> bytes:
    """Return bytes from the system's generator."""
    return secrets.token_bytes(count)


def make_folder(path: Path) -> Path:
    """Return the folder, made if missing and closed to others; StateError if it is not ours."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error) from error
    if sys.platform != "win32":
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise StateError("state_not_ours", f"{path} belongs to somebody else")
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return path


def write_secret(path: Path, data: bytes) -> None:
    """Write a file in one step, readable by us alone; a crash leaves the old or the new one.

    StorageError where it cannot be written; the old one stays then.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write(draft, path, data)
    except OSError as error:
        raise storage_error(error) from error


def _write(draft: Path, path: Path, data: bytes) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _insist(lambda: draft.replace(path))
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _insist(does: Callable[[], object]) -> None:
    """Do it; on Windows again and again for a moment, while another process has the file open."""
    for _ in range(_INSIST if sys.platform == "win32" else 0):
        with suppress(PermissionError):
            does()
            return
        time.sleep(0.01)
    does()


def touch(path: Path) -> None:
    """Make an empty file, or empty one that is there: no block of the disk must be free for it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise storage_error(error) from error


def read_secret(path: Path) -> bytes | None:
    """Return a file's bytes, None where there is none.

    StateError if others could read it, or if it is no file of ours: a folder, a link, a torn disk.
    """
    try:
        handle = os.open(path, _READ)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise damaged(path)
            if sys.platform != "win32" and stat.S_IMODE(found.st_mode) & 0o077:
                raise StateError(
                    "state_open_to_others", f"{path} can be read by others; enrol again"
                )
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise damaged(path) from error


def damaged(path: Path) -> StateError:
    """Return what a file of ours that cannot be used stands for."""
    return StateError("state_damaged", f"{path} cannot be read; enrol again")


def erase(path: Path) -> bool:
    """Remove whatever lies there, a folder or a link too; return whether nothing does any more."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            _insist(lambda: path.unlink(missing_ok=True))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object in one step."""
    write_secret(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, None where there is none; StateError where it cannot be read."""
    data = read_secret(path)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(path) from error
    if not isinstance(value, dict):
        raise damaged(path)
    return value


class FileLock:
    """A lock between processes and threads; may be taken again by whoever holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._depth = 0
        self._mine = threading.RLock()

    def __enter__(self) -> Self:
        self._mine.acquire()
        try:
            if self._depth == 0:
                self._handle = _locked(self._path, wait=True)
        except OSError as error:
            self._mine.release()
            raise storage_error(error) from error
        except BaseException:
            self._mine.release()
            raise
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let the lock go."""
        self._depth -= 1
        if self._depth == 0:
            os.close(self._handle)
            self._handle = -1
        self._mine.release()

    def try_hold(self) -> bool:
        """Take the lock until `release`; False where another process has it."""
        if not self._mine.acquire(blocking=False):
            return False
        try:
            self._handle = _locked(self._path, wait=False)
        except OSError as error:
            self._mine.release()
            if error.errno in _HELD:
                return False
            raise storage_error(error) from error
        self._depth += 1
        return True

    def sign(self) -> None:
        """Write into the lock that we hold which process has it; it must not be needed to hold."""
        with suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, str(os.getpid()).encode())

    def signed(self) -> int:
        """Return which process wrote itself into the lock, 0 where none did."""
        try:
            text = self._path.read_text(encoding="ascii")
        except (OSError, ValueError):
            return 0
        return int(text) if text.isdigit() and len(text) < 10 else 0


@contextmanager
def held_if_possible(lock: FileLock) -> Iterator[None]:
    """Hold a lock where it can be had: erasing must not fail because of the lock's own file."""
    try:
        lock.__enter__()
    except StorageError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _locked(path: Path, *, wait: bool) -> int:
    if path.is_symlink() or path.is_dir():
        erase(path)  # nobody ever held such a thing
    handle = os.open(path, os.O_RDWR | os.O_CREAT | OWN, 0o600)
    try:
        if sys.platform == "win32":
            _lock_byte(handle, wait=wait)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(handle)
        raise
    return handle


if sys.platform == "win32":

    def _lock_byte(handle: int, *, wait: bool) -> None:
        os.lseek(handle, _LOCKED, os.SEEK_SET)
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if wait and error.errno == errno.EDEADLK:
                    continue  # it gives up after ten seconds
                raise
            return
