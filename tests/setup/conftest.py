"""Installations to try things on: each has a folder of its own that is gone afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.installation import Home


@pytest.fixture
def home() -> Iterator[Home]:
    """Return an installation that does not exist yet, where PostgreSQL's account can reach it."""
    yield from _home()


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Home]:
    """Return one installation for all tests of a module."""
    yield from _home()


def _home() -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="sayso-test-"))
    folder.chmod(0o711)
    home = Home(folder / "home")
    yield home
    for servers in home.started:
        servers.stop()
    shutil.rmtree(folder, ignore_errors=True)
