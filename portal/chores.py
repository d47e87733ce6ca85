"""What a developer asks `manage.py` for: tests, checks, lock files. None of it needs Django."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent
TYPED = ("manage.py", "portal", "retention", "consent", "audit", "agentkit/sayso_agent")
LOCK, DEV_LOCK = "requirements.lock", "requirements-dev.lock"


def run(command: str, arguments: list[str]) -> int:
    """Run `test`, `lint` or `lock`; return the exit status."""
    if command == "test":
        return test(arguments)
    return lint() if command == "lint" else lock(arguments)


def test(arguments: list[str]) -> int:
    """Run pytest in our place; what takes long runs only when asked for by --deep."""
    if "--deep" in arguments:
        arguments = [argument for argument in arguments if argument != "--deep"]
    elif "-m" not in arguments:
        arguments = ["-m", "not deep", *arguments]
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606


def lint() -> int:
    """Run every check a change has to pass, all of them even if one fails; return 1 if any did.

    All at once: mypy takes longest, on one processor alone, and the others are done meanwhile.
    """
    templates = sorted((ROOT / "templates").rglob("*.html"))
    checks: dict[str, Sequence[str | Path]] = {
        "ruff check": [SCRIPTS / "ruff", "check", "."],
        "ruff format": [SCRIPTS / "ruff", "format", "--check", "."],
        "mypy": [SCRIPTS / "mypy", *TYPED],
        "import-linter": [SCRIPTS / "lint-imports"],
        "djlint": [SCRIPTS / "djlint", "--lint", "--quiet", "templates"],
        "djade": [SCRIPTS / "djade", "--check", "--target-version", "5.2", *templates],
    }
    running = {name: _begin(command) for name, command in checks.items()}
    failed = []
    for name, process in running.items():
        said, _ = process.communicate()
        _tell(f"--- {name}\n{said}".rstrip())
        if process.returncode:
            failed.append(name)
    _tell(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def lock(arguments: list[str]) -> int:
    """Resolve both lock files, the second with the first's versions; no index is named in them."""
    resolve = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml"]
    common = ["--universal", "--python-version", "3.11", "--generate-hashes"]
    common += ["--no-emit-index-url", *arguments]
    steps = (
        [*resolve, *common, "-o", LOCK],
        [*resolve, "--group", "dev", *common, "-c", LOCK, "-o", DEV_LOCK],
    )
    # An organisation's own certificates count; the Python is the one that runs us.
    settings = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    for step in steps:
        if status := _call(step, quiet=True, **settings):
            return status
    return 0


def _begin(command: Sequence[str | Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - the commands stand above
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _call(command: Sequence[str | Path], *, quiet: bool = False, **settings: str) -> int:
    return subprocess.run(  # noqa: S603 - the commands stand above
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    ).returncode


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
