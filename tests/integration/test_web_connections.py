"""The web process shares few connections to PostgreSQL among all its threads."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from tests.conftest import ROOT

SERVE = """
from portal import web
try:
    web.serve("nowhere:application", fd=None)
except SystemExit:
    from django.conf import settings
    print(settings.DATABASES["default"]["OPTIONS"].get("pool"))
"""
"""It goes as far as the settings, and finds no application."""


def served(**environment: str) -> str:
    known = {name: value for name, value in os.environ.items() if name != "SAYSO_DATABASE_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=ROOT, env=known | environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_the_web_process_has_a_pool(database: Any) -> None:
    assert "'max_size': 12" in served()


def test_who_wants_none_gets_none(database: Any) -> None:
    assert served(SAYSO_DATABASE_POOL="no").strip() == "None"
