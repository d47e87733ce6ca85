"""How a run of many test files is shared between two processes, and what must not meet in it.

Two, because that is how many processors the smallest machine that gates a change has: while one
process waits for its PostgreSQL, the other works. Each has servers of its own.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

WORKERS = 2
EVERYTHING_QUICK = "not deep"
"""What `manage.py test` selects unless told otherwise."""

FEW_FILES = 4
"""Fewer are run in one process: a second one's start would cost more than it saves."""

INSTALLATIONS = (
    "tests/e2e/",
    "tests/setup/",
    "tests/integration/test_freshness_processes.py",
)
"""Tests that start many processes, a browser or whole installations: one after the other, first."""

THEN = ("tests/integration/", "tests/audit/", "tests/unit/", "tests/contract/")
"""Files that take long come before files that take a moment: so both processes end together."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the run, unless the caller says how to run it or chose a few tests."""
    option = config.option
    undecided = getattr(option, "numprocesses", 0) is None and option.dist == "no"
    if undecided and not hasattr(config, "workerinput") and worth_sharing(option, config.args):
        option.numprocesses = WORKERS


def worth_sharing(option: Namespace, named: list[str]) -> bool:
    """Return whether a run is long, and of a kind that two processes can do."""
    looking = option.collectonly or option.usepdb or option.trace or option.capture == "no"
    chosen = option.keyword or getattr(option, "lf", False) or option.markexpr != EVERYTHING_QUICK
    return not looking and not chosen and _number_of_files(named) >= FEW_FILES


def _number_of_files(named: list[str]) -> int:
    paths = {Path(name.split("::", 1)[0]) for name in named}
    return sum(len(list(path.rglob("test_*.py"))) if path.is_dir() else 1 for path in paths)


def only_looks(config: pytest.Config) -> bool:
    """Return whether no test will run at all."""
    option = config.option
    return bool(option.collectonly or option.help or option.version)


def only_shares(config: pytest.Config) -> bool:
    """Return whether this process hands all tests to others."""
    return getattr(config.option, "dist", "no") != "no" and not only_looks(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a shared run, let what takes long come first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid))


def _place(nodeid: str) -> int:
    order = (INSTALLATIONS, *((folder,) for folder in THEN))
    return next((n for n, begins in enumerate(order) if nodeid.startswith(begins)), len(order))


def group_of(nodeid: str) -> str:
    """Return the name of the tests that must run in one process, one after the other."""
    return "installations" if _place(nodeid) == 0 else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests together, for its module's fixtures, and all installations apart."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log)
