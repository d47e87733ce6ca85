#!/usr/bin/env python3
"""The one command of Sayso. On a bare checkout it first makes `.venv`, then runs itself in there.

Until then it needs nothing but Python's standard library, and it parses on Python 3.6, so that an
old Python is told so instead of failing on a line it cannot read.
"""

import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "sayso.json"
UNFINISHED = VENV / "sayso-unfinished"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
AGENT = ROOT / "agentkit"
DEV_COMMANDS = {"test", "lint", "lock"}

# A command that changes tables acts as their owner; everything else as who it is meant for.
ROLE_OF_COMMAND = {
    "migrate": "owner",
    "makemigrations": "owner",
    "sequencer": "sequencer",
}
OWN_COMMANDS = """\
Commands that need no running portal:
  up        run everything: database, web, workers (--host, --port, --no-demo)
  decide    say what may be captured, from a file of facts
  bounds    say what the rules of some places come to together
  due       say by when a request must be answered
  root_key  make or show the root key that vouches for policy keys, offline
  sign_keys sign a key manifest with the root key, offline
  roles     make the database roles on the server that DATABASE_URL names
  test      run the tests (--deep: also chaos, fuzzing and soak)
  lint      run every check that a change has to pass
  lock      resolve the lock files anew
"""
# What pip and uv print when something is wrong, and what it means to whoever reads it.
DIAGNOSES = {
    r"DO NOT MATCH THE HASHES|[Hh]ash mismatch": (
        "a download does not match its hash in the lock file: it is damaged or forged, and was"
        " not installed"
    ),
    r"No space left on device": "the disk is full; free about 500 MB and try again",
    r"CERTIFICATE_VERIFY_FAILED|SSLError|UnknownIssuer": (
        "the package index's certificate is not trusted here; name your organisation's"
        " certificates in PIP_CERT and try again"
    ),
    r"name resolution|Name or service|nodename nor servname|dns error|Failed to establish"
    r"|Connection refused|[Tt]imed out|timeout|unreachable|ProxyError|RemoteDisconnected"
    r"|error sending request|Connection reset|ConnectionResetError": (
        "the package index cannot be reached; check the network, or name a mirror or proxy"
        " (PIP_INDEX_URL, HTTPS_PROXY), then run the same command again"
    ),
    r"No matching distribution|no wheels|has no usable": (
        "the package index cannot be reached, or has no package for this machine (Linux with glibc"
        " and macOS are supported); check the network, or name a mirror or proxy (PIP_INDEX_URL,"
        " HTTPS_PROXY), then run the same command again"
    ),
    r"Permission denied|Read-only file system": (
        "a file in .venv cannot be written; remove the folder .venv and try again"
    ),
}


def main() -> int:
    """Make sure we run in `.venv`, then do what was asked; return the exit status."""
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else "help"
    if command == "up":
        os.environ.setdefault("SAYSO_STARTED", repr(time.time()))  # installing counts, too
        if os.name == "nt":
            fail("`up` needs Linux or macOS; on Windows run it inside WSL 2")
    try:
        try:
            bootstrap(command)
        except OSError as error:
            fail(f"cannot install into {VENV}: {error.strerror or error}")
        status = run(command, arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\nsayso: interrupted; the same command starts over\n")
        return 130
    except BrokenPipeError:
        # Whoever reads what we print, as `head` does, has enough. Nor is it an error at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    else:
        return status


def fail(sentence: str) -> NoReturn:
    """End with status 1 and one sentence."""
    sys.stderr.write(f"sayso: {sentence}\n")
    sys.exit(1)


def say(sentence: str) -> None:
    """Tell what is being done, apart from what commands print."""
    sys.stderr.write(f"sayso: {sentence}\n")
    sys.stderr.flush()


# --- making .venv ------------------------------------------------------------------------------


def bootstrap(command: str) -> None:
    """Return inside a complete `.venv`; outside, install what lacks and run this file in there.

    SAYSO_NO_BOOTSTRAP is for images that installed the lock file by themselves.
    """
    if tuple(sys.version_info[:2]) < NEEDED:
        present = sys.version.split()[0]
        fail(f"Python 3.11 or newer is needed and this is {present}; try `python3.11 manage.py`")
    if os.environ.get("SAYSO_NO_BOOTSTRAP"):
        return
    lock = DEV_LOCK if command in DEV_COMMANDS else LOCK
    if not is_installed(lock):
        if inside() and is_broken():  # the ground we stand on: it is made anew from outside
            run_again_with(Path(getattr(sys, "_base_executable", sys.executable)))
        with one_at_a_time():
            if not is_installed(lock):
                install(lock)
    if not inside():
        run_again_with(PYTHON)


def inside() -> bool:
    """Return whether this very process runs in `.venv`."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def run_again_with(python: Path) -> NoReturn:
    """Replace this process by the same command under another Python."""
    command = [str(python), str(ROOT / "manage.py"), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def is_installed(lock: Path) -> bool:
    """Return whether `.venv` holds this lock file's packages and the present agent package."""
    stamp = read_stamp()
    return (
        PYTHON.exists()
        and not UNFINISHED.exists()
        and stamp.get("root") == str(ROOT)
        and stamp.get(lock.name) == digest(lock)
        and stamp.get(AGENT.name) == digest(AGENT / "pyproject.toml")
    )


def read_stamp() -> "dict[str, Any]":
    """Return what was installed last; nothing where that is unknown."""
    try:
        content = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def digest(file: Path) -> "str | None":
    """Return a file's SHA-256, or None where there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


@contextmanager
def one_at_a_time() -> "Iterator[None]":
    """Let two processes that find `.venv` missing make it one after the other."""
    if os.name == "nt":
        yield
        return
    fcntl = importlib.import_module("fcntl")
    folder = os.open(str(ROOT), os.O_RDONLY)
    # pip and uv inherit it: should we be killed, the next start waits until they have ended.
    os.set_inheritable(folder, True)  # noqa: FBT003 - it takes no name
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install(lock: Path) -> None:
    """Bring `.venv` to what the lock file says; what was interrupted before is made anew."""
    if not os.access(str(ROOT), os.W_OK):
        fail(f"cannot write to {ROOT}: make that folder writable, or copy it elsewhere")
    if is_broken():
        make_venv()
    stamp = read_stamp()
    UNFINISHED.touch()
    if stamp.get(lock.name) != digest(lock):
        add_locked(lock)
        stamp[lock.name] = digest(lock)
        stamp[LOCK.name] = digest(LOCK)  # the development lock holds all of it, too
    if stamp.get(AGENT.name) != digest(AGENT / "pyproject.toml"):
        stamp[AGENT.name] = add_agent()
    stamp["root"] = str(ROOT)
    STAMP.write_text(json.dumps(stamp, indent=1))
    UNFINISHED.unlink()


def add_locked(lock: Path) -> None:
    """Install a lock file's packages; it is complete, so nothing else is looked for."""
    entries = re.findall(r"^[a-z0-9].*(?:\n .*)*", lock.read_text(), re.MULTILINE)
    packages = sum(1 for entry in entries if "sys_platform == 'win32'" not in entry)
    say(f"installing {packages} packages into .venv (once, about half a minute) ...")
    options = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    if installed_by_uv([*options, "-r", str(lock)]):
        return
    halves = [VENV / "first.lock", VENV / "second.lock"]
    for number, half in enumerate(halves):
        half.write_text("\n".join(entries[number::2]) + "\n")
    # Two at once: pip mostly waits for one thing at a time, and no two packages share a file.
    problem = install_by_pip(*[[*options, "-r", str(half)] for half in halves])
    if problem:
        fail(f"installing failed: {problem}")


def add_agent() -> "str | None":
    """Install the capture agent from the checkout, as `.venv/bin/sayso-agent`; return its stamp."""
    options = ["--no-index", "--no-deps", "--no-build-isolation", "-e", str(AGENT)]
    problem = "" if installed_by_uv(options) else install_by_pip(options)
    if problem:  # the portal runs without it
        say(f"the command sayso-agent could not be installed: {problem}")
        return None
    return digest(AGENT / "pyproject.toml")


def is_broken() -> bool:
    """Return whether `.venv` is unfinished, was moved, or has no Python that is new enough."""
    if UNFINISHED.exists() or read_stamp().get("root", str(ROOT)) != str(ROOT):
        return True
    test = f"import sys; sys.exit(sys.version_info[:2] < {NEEDED})"
    return not PYTHON.exists() or subprocess.call([str(PYTHON), "-c", test]) != 0


def make_venv() -> None:
    """Make an empty `.venv`; a mark in it says so until all is in, whatever interrupts us."""
    has_pip = find_spec("venv") and find_spec("ensurepip")
    if not find_spec("venv") or not (has_pip or find_uv()):
        fail(
            "this Python cannot make virtual environments; on Debian and Ubuntu install the"
            " package python3-venv (apt-get install python3-venv), then try again"
        )
    if VENV.is_dir() and not VENV.is_symlink():
        shutil.rmtree(str(VENV))
    VENV.mkdir()
    UNFINISHED.touch()
    made = begin([sys.executable, "-m", "venv", *([] if has_pip else ["--without-pip"]), VENV])
    output, _ = made.communicate()
    if made.returncode:
        fail(f"`python3 -m venv .venv` failed: {last_line(output)}")


def installed_by_uv(arguments: "list[str]") -> bool:
    """Install with uv where it works; return whether it did."""
    uv = find_uv()
    if not uv:
        return False
    made = begin([uv, "pip", "install", "--quiet", "--python", PYTHON, *arguments])
    output, _ = made.communicate()
    if made.returncode:
        say(f"uv could not ({last_line(output)}); trying pip")
    return made.returncode == 0


def install_by_pip(*calls: "list[str]") -> str:
    """Install with pip, several calls side by side; return what went wrong, or nothing.

    pip reads the machine's own settings: mirror, proxy, certificates.
    """
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-input"]
    running = [begin([*pip, *arguments]) for arguments in calls]
    outputs = [call.communicate()[0] for call in running]
    failed = [output for call, output in zip(running, outputs) if call.returncode]  # noqa: B905
    return diagnose("".join(failed)) if failed else ""


def find_uv() -> "str | None":
    """Return uv where it runs; a version manager may have put a stub of it on the path."""
    uv = shutil.which("uv")
    if not uv:
        return None
    asked = begin([uv, "--version"])
    asked.communicate()
    return None if asked.returncode else uv


def begin(command: "list[Any]") -> "subprocess.Popen[str]":
    """Start a program whose words we keep to ourselves."""
    settings = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_RETRIES": os.environ.get("PIP_RETRIES", "2"),
        "UV_SYSTEM_CERTS": "1",  # else uv trusts only its own list, not the organisation's
        "UV_PYTHON_DOWNLOADS": "never",
    }
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ, **settings),
        cwd=str(ROOT),
        close_fds=False,
    )


def diagnose(output: str) -> str:
    """Return in one sentence what an installer's output means."""
    for pattern, meaning in DIAGNOSES.items():
        if re.search(pattern, output):
            return meaning
    return last_line(output)


def last_line(output: str) -> str:
    """Return the last line that names an error, else the last that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"\w+Error: |ERROR: ", line)]
    return (named or lines or ["it left no message"])[-1]


# --- doing what was asked ----------------------------------------------------------------------


def run(command: str, arguments: "list[str]") -> int:
    """Run one command: some need no Django, and start the quicker for it."""
    if command in DEV_COMMANDS:
        from portal import chores

        return chores.run(command, arguments[1:])
    if command == "up":
        from portal.supervisor import up

        return up.main(arguments[1:])
    if command == "roles":
        from portal.servers import roles

        return roles.main()
    if command in {"decide", "bounds", "due"}:
        from consent.policy import cli

        return cli.main(arguments)
    if command in {"root_key", "sign_keys"}:
        from portal.policykeys import offline

        return offline.main(arguments)
    return run_django(command)


def run_django(command: str) -> int:
    """Hand over to Django, as the database role that fits the command."""
    if command in {"help", "--help", "-h"} and len(sys.argv) <= 2:
        print(OWN_COMMANDS)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if command in ROLE_OF_COMMAND:
        os.environ.setdefault("SAYSO_DATABASE_ROLE", ROLE_OF_COMMAND[command])
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).strip().partition("\n")[0]
        fail(
            "the database cannot be reached. Start the portal with `python3 manage.py up`, or say"
            f" in DATABASE_URL where it is. ({reason})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
