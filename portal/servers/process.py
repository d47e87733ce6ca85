"""Starting a server and being sure about its end, whoever dies first. POSIX only."""

import contextlib
import ctypes
import fcntl
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from portal.servers import locations
from portal.servers.errors import SetupError

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000

# Loaded here, not in the child: between fork and exec as little as possible may happen.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    orphan_signal: int = signal.SIGTERM,
    output: int | IO[bytes] = subprocess.PIPE,
    account: pwd.struct_passwd | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own; on Linux it dies when we do.

    The group keeps Ctrl-C away from it: who supervises stops things in order. Call this from the
    main thread: the kernel counts the thread that starts a child as its parent.
    """
    return subprocess.Popen(  # noqa: S603 - commands are ours; nothing of a request gets here
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder or "/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        process_group=0,
        pass_fds=pass_fds,
        preexec_fn=partial(_end_with_parent, os.getpid(), orphan_signal),  # noqa: PLW1509
    )


def _end_with_parent(parent: int, number: int) -> None:
    """Ask the kernel for a signal when the parent is gone (runs in the child, before exec)."""
    if _libc:
        _libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # gone between fork and the line above
            os._exit(1)


def end(child: subprocess.Popen[bytes], number: int, patience: float) -> None:
    """Signal the child, wait, and after `patience` seconds kill it with all it started."""
    if child.poll() is None:
        child.send_signal(number)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            kill_group(child)
            child.wait()
    kill_group(child)


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's process group, such as a dead worker's pool."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def never() -> bool:
    """Answer for callers that nobody interrupts."""
    return False


def wait_until(
    ready: Callable[[], bool],
    child: subprocess.Popen[bytes],
    *,
    what: str,
    log: Path,
    stopping: Callable[[], bool] = never,
    seconds: float = 60,
) -> bool:
    """Return True once ready, False when we are to stop; raises SetupError when it ended."""
    deadline = time.monotonic() + seconds
    while not stopping():
        if child.poll() is not None:
            raise SetupError(f"{what} did not start: {last_words(log)} (all of it in {log})")
        if ready():
            return True
        if time.monotonic() > deadline:
            raise SetupError(f"{what} did not answer within {seconds:.0f} s; see {log}")
        time.sleep(0.03)
    return False


def last_words(log: Path) -> str:
    """Return the last line of a log that tells of a failure, else its last line."""
    tail = log.read_bytes()[-8000:].decode(errors="replace").splitlines() if log.exists() else []
    telling = [line for line in tail if "FATAL" in line or "PANIC" in line or "# " in line]
    return (telling or tail or ["it left no message"])[-1].strip()


def open_log(name: str) -> IO[bytes]:
    """Open HOME/log/NAME.log for appending; a long one is put aside first, one generation."""
    locations.LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = locations.LOGS / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def hold(lock: Path, pid_file: Path, *, stopping: Callable[[], bool] = never) -> int:
    """Return a descriptor that locks a data folder; hand it to the server and close it here.

    The server and all its children inherit the lock, so it is free only when the last of them is
    gone: two servers on one folder would destroy it. One left over from a killed `up` is already
    stopping; where the kernel did not tell it (macOS), it is told now.
    """
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    started, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
            if stopping() or waited > 60:
                os.close(handle)
                raise SetupError(
                    f"another server still uses {lock.with_suffix('')}; stop it and try again"
                ) from None
            if waited > 3 and not told:
                told = signal_pid_in(pid_file, signal.SIGINT)
            time.sleep(0.05)
        else:
            return handle


def signal_pid_in(pid_file: Path, number: int) -> bool:
    """Signal the process a server's pid file names; False where there is none."""
    pid = pid_in(pid_file)
    try:
        if pid:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return pid is not None


def pid_in(pid_file: Path) -> int | None:
    """Return the process id a server's pid file names; None where the file says nothing."""
    try:
        words = pid_file.read_text().split()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return int(words[0]) if words and words[0].isdecimal() and int(words[0]) > 1 else None


def command_line(pid: int) -> str:
    """Return what a process runs, or nothing where it has ended."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            return ""
    return output_of(["/bin/ps", "-o", "command=", "-p", str(pid)])


def output_of(command: Sequence[str | Path]) -> str:
    """Return what a short program of ours prints, both streams."""
    output, _ = spawn(command).communicate()
    return output.decode(errors="replace").strip()
