"""Makes this process lack what Python lacks on Windows; who imports the agent after it is there.

What the standard library and `cryptography` need of the real system is imported before. A lock of
`msvcrt` is as there: of one handle, against all others, at the place where the file stands.
"""

import argparse
import errno
import fcntl
import http.server
import importlib.abc
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.request
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import aead

NEEDED = (argparse, ec, ed25519, aead, http.server, json, multiprocessing, shutil, sqlite3, ssl,
          subprocess, tempfile, threading, urllib.request)  # fmt: skip
MISSING_MODULES = {"fcntl", "pwd", "grp", "termios", "tty", "pty", "resource", "syslog"}
MISSING_CALLS = ("geteuid", "getuid", "getegid", "getgid", "fork", "fchmod", "fchown", "chown",
                 "mkfifo", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY")  # fmt: skip
MISSING_SIGNALS = ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGPIPE")
MISSING_TIMES = ("clock_gettime", "CLOCK_MONOTONIC", "CLOCK_BOOTTIME", "CLOCK_REALTIME")
FAR = 2**20
EVENT = {"signal": "mouse_click", "x": 7, "y": 2, "action": "click", "window": {
    "platform": "web", "host": "tracker.example.com", "private": False}}  # fmt: skip


class NotThere(importlib.abc.MetaPathFinder):
    """Finds no module that Windows has not got."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in MISSING_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def locking(handle: int, mode: int, count: int) -> None:
    """As `msvcrt.locking`, but that it gives up at once instead of after ten seconds."""
    kind = fcntl.F_UNLCK if mode == 0 else fcntl.F_WRLCK
    place = os.lseek(handle, 0, os.SEEK_CUR)
    assert place >= FAR, "what is locked there nobody else may read"
    told = struct.pack("hhqqi4x", kind, os.SEEK_SET, place, count, 0)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, told)
    except OSError as error:
        time.sleep(0.01)
        number = errno.EDEADLK if mode == 1 else errno.EACCES
        raise OSError(number, "held") from error


def pretend() -> None:
    """Take everything away."""
    sys.platform = "win32"
    made = types.ModuleType("msvcrt")
    for name, value in {"LK_UNLCK": 0, "LK_LOCK": 1, "LK_NBLCK": 2, "locking": locking}.items():
        setattr(made, name, value)
    for name in MISSING_MODULES:
        sys.modules.pop(name, None)
    sys.modules["msvcrt"] = made
    sys.meta_path.insert(0, NotThere())
    for owner, names in (os, MISSING_CALLS), (signal, MISSING_SIGNALS), (time, MISSING_TIMES):
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
