"""What the command line says where it cannot go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, home: Path, stdout: int) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "_URL" not in name}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "SAYSO_HOME": str(home), "SAYSO_TESTS_ATTACH": ""},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_where_no_database_runs_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    done = run("readiness", home=tmp_path, stdout=subprocess.PIPE)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sayso: the database cannot be reached. Start the portal with")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["bounds --jurisdictions DE", "help"])
def test_whoever_reads_no_further_has_enough(command: str, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)

    done = run(*command.split(), home=tmp_path, stdout=writes)

    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")
