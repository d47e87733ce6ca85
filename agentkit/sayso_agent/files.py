"""Files that nobody else may read: atomic writes, 0600 in 0700, and a lock between processes."""

import errno
import json
import os
import secrets
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sayso_agent.errors import StateError, storage_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}


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
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def touch(path: Path) -> None:
    """Make an empty file, for which no block of the disk must be free; leave one that is there."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        raise storage_error(error) from error


def read_secret(path: Path) -> bytes | None:
    """Return a file's bytes, None where there is none; StateError if others could read it."""
    try:
        with path.open("rb") as file:
            if sys.platform != "win32" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise StateError("state_open_to_others", f"{path} can be read by others")
            return file.read()
    except FileNotFoundError:
        return None


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
    except ValueError as error:
        raise StateError("state_damaged", f"{path} cannot be read; enrol again") from error
    if not isinstance(value, dict):
        raise StateError("state_damaged", f"{path} cannot be read; enrol again")
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
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def signed(self) -> int:
        """Return which process wrote itself into the lock, 0 where none did."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0


def _locked(path: Path, *, wait: bool) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(handle)
        raise
    return handle
