"""A bad setting stops the start, and the message names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUCKET = {"SAYSO_S3_ENDPOINT": "https://s3.example", "SAYSO_S3_BUCKET": "batches"}
AROUND = {"SAYSO_S3_SECRET_KEY": BUCKET, "SAYSO_S3_UPLOAD_SECONDS": BUCKET}
"""What must be set beside a setting for it to count at all."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAYSO_PUBLIC_URL", "not an address"),
        ("SAYSO_PUBLIC_URL", "ftp://portal.example"),
        ("SAYSO_DEBUG", "perhaps"),
        ("SAYSO_DATABASE_ROLE", "king"),
        ("SAYSO_POLICY_LEASE_SECONDS", "3"),
        ("SAYSO_TICK_SECONDS", "-1"),
        ("SAYSO_SMALLEST_GROUP", "one"),
        ("SAYSO_LOG_LEVEL", "LOUD"),
        ("SAYSO_STORE", "s3"),
        ("SAYSO_REDACTORS", "my-agent/2.1"),
        ("SAYSO_REDACTORS", "my-agent/2.1=text-9"),
        ("SAYSO_S3_ENDPOINT", "bucket.example"),
        ("SAYSO_S3_ENDPOINT", "https://s3.example"),
        ("SAYSO_S3_SECRET_KEY", "alone"),
        ("SAYSO_S3_UPLOAD_SECONDS", "901"),
        ("DATABASE_URL", "not a database"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(name: str, value: str) -> None:
    started = subprocess.run(
        [sys.executable, "-c", "import portal.settings"],
        cwd=ROOT,
        env={**os.environ, **AROUND.get(name, {}), name: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode != 0
    last = started.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name in last
