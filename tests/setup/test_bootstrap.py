"""`manage.py` on a machine with nothing but Python: makes `.venv`, repairs it, says what is wrong.

The checkout here is a small one whose lock file names one small package from a folder.
"""

import ast
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.setup.installation import ROOT

BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


class Checkout:
    """A small checkout, and a folder that stands for the package index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.index = folder / "index"
        self.folder.mkdir()
        self.index.mkdir()
        shutil.copy(ROOT / "manage.py", self.folder)
        policy = self.folder / "consent" / "policy"
        policy.mkdir(parents=True)
        (policy / "cli.py").write_text("def main(argv):\n    print('ran', *argv)\n    return 0\n")
        self.lock("1.0")

    def lock(self, version: str, digest: str = "") -> None:
        """Let the lock file name one version of the package, which the index gets."""
        wheel = self.index / f"tiny-{version}-py3-none-any.whl"
        info = f"tiny-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("tiny.py", f"VERSION = {version!r}\n")
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
            )
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        content = f"tiny=={version} \\\n    --hash=sha256:{digest}\n"
        (self.folder / "requirements.lock").write_text(content)

    def start(self, *python: str, **more: str) -> subprocess.Popen[str]:
        """Begin `manage.py decide`, which prints what it was given, on the base Python."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SAYSO_", "PIP_", "VIRTUAL_ENV"))
        }
        kept.update({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index)}, **more)
        kept["PIP_CONFIG_FILE"] = os.devnull
        kept["PATH"] = "/usr/bin:/bin"  # without uv
        command = python or (str(self.folder / "manage.py"), "decide", "this")
        return subprocess.Popen(
            [str(BASE_PYTHON), *command],
            env=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *python: str, **more: str) -> tuple[int, str, str]:
        """Run it to its end; return status, output and errors."""
        running = self.start(*python, **more)
        output, errors = running.communicate(timeout=60)
        return running.returncode, output, errors

    def installed(self) -> str:
        """Return which version of the package `.venv` has."""
        python = self.folder / ".venv" / "bin" / "python"
        answer = subprocess.run(
            [str(python), "-c", "import tiny; print(tiny.VERSION)"],
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return one checkout for the module: every new `.venv` takes seconds."""
    return Checkout(tmp_path_factory.mktemp("bootstrap"))


@pytest.fixture
def healthy(checkout: Checkout) -> Iterator[Checkout]:
    """Return the checkout with a complete `.venv`, and leave it so."""
    checkout.lock("1.0")
    assert checkout.run()[0] == 0
    yield checkout
    (checkout.folder / ".venv" / "sayso-unfinished").unlink(missing_ok=True)


@pytest.fixture
def manage() -> ModuleType:
    """Return manage.py as a module."""
    spec = importlib.util.spec_from_file_location("manage_under_test", ROOT / "manage.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_starts_at_once_make_one_environment_out_of_an_interrupted_one(
    checkout: Checkout,
) -> None:
    venv = checkout.folder / ".venv"
    (venv / "lib").mkdir(parents=True)
    (venv / "sayso-unfinished").touch()
    (venv / "lib" / "half").write_text("of something")

    starts = [checkout.start(), checkout.start()]
    answers = [start.communicate(timeout=60) for start in starts]

    assert [start.returncode for start in starts] == [0, 0], answers
    assert [output for output, _ in answers] == ["ran decide this\n"] * 2
    said = "".join(errors for _, errors in answers)
    assert said == "sayso: installing 1 packages into .venv (once, about half a minute) ...\n"
    assert checkout.installed() == "1.0"
    assert not (venv / "lib" / "half").exists()


def test_a_later_start_installs_nothing(healthy: Checkout) -> None:
    assert healthy.run(PIP_FIND_LINKS="/nowhere") == (0, "ran decide this\n", "")


def test_a_new_lock_file_is_installed(healthy: Checkout) -> None:
    healthy.lock("2.0")

    status, _, errors = healthy.run()

    assert (status, healthy.installed()) == (0, "2.0")
    assert "installing 1 packages" in errors


def test_a_forged_package_is_not_installed(healthy: Checkout) -> None:
    healthy.lock("3.0", digest="0" * 64)

    status, output, errors = healthy.run()

    assert (status, output, healthy.installed()) == (1, "", "1.0")
    assert "a download does not match its hash in the lock file" in errors


def test_without_a_network_it_says_what_to_do(healthy: Checkout) -> None:
    healthy.lock("4.0")
    shutil.rmtree(healthy.index)
    healthy.index.mkdir()

    status, _, errors = healthy.run(
        PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1"
    )

    assert status == 1
    assert errors.splitlines()[-1].startswith(
        "sayso: installing failed: the package index cannot be reached; check the network"
    )


def test_an_environment_of_another_folder_is_not_believed(
    healthy: Checkout, manage: ModuleType
) -> None:
    stamp = healthy.folder / ".venv" / "sayso.json"
    facts = json.loads(stamp.read_text())
    manage.ROOT, manage.STAMP = healthy.folder, stamp
    manage.VENV, manage.AGENT = stamp.parent, healthy.folder / "agentkit"
    manage.PYTHON = stamp.parent / "bin" / "python"
    manage.UNFINISHED = stamp.parent / "sayso-unfinished"
    lock = healthy.folder / "requirements.lock"
    assert manage.is_installed(lock)

    stamp.write_text(json.dumps({**facts, "root": "/elsewhere"}))

    assert not manage.is_installed(lock)
    stamp.write_text(json.dumps(facts))


def test_the_file_parses_on_python_3_6() -> None:
    ast.parse((ROOT / "manage.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_told_so(checkout: Checkout, version: tuple[int, int, int]) -> None:
    dotted = ".".join(str(part) for part in version)
    harness = (
        f"import sys, runpy; sys.version_info = {(*version, 'final', 0)}; sys.version = '{dotted}';"
        f" sys.argv = ['manage.py', 'up'];"
        f" runpy.run_path({str(checkout.folder / 'manage.py')!r}, run_name='__main__')"
    )

    status, _, errors = checkout.run("-c", harness)

    assert status == 1
    assert errors == (
        f"sayso: Python 3.11 or newer is needed and this is {dotted}; try `python3.11 manage.py`\n"
    )


def test_a_python_without_ensurepip_is_told_which_package_to_install(
    manage: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(manage, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(manage, "find_spec", lambda name: None if name == "ensurepip" else True)
    monkeypatch.setattr(manage, "find_uv", lambda: None)

    with pytest.raises(SystemExit) as end:
        manage.make_venv()

    assert end.value.code == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err
    assert not (tmp_path / ".venv").exists()


def test_a_folder_that_cannot_be_written_is_named(
    manage: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # To root every folder is writable unless the disk says no: ask in the system's place.
    monkeypatch.setattr(manage.os, "access", lambda *_: False)

    with pytest.raises(SystemExit) as end:
        manage.install(manage.LOCK)

    assert end.value.code == 1
    assert capsys.readouterr().err.startswith(f"sayso: cannot write to {ROOT}: make that folder")


def test_lock_files_name_no_index_and_hash_every_package() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text().splitlines()
        packages = [line for line in lines if "==" in line and not line.startswith((" ", "#"))]

        assert all(line.endswith("\\") for line in packages)
        assert not [
            line
            for line in lines
            if "://" in line or ("index-url" in line and "--no-emit" not in line)
        ]
