"""`simulate_agents` against a whole portal, with a few agents; and where it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.e2e.installation import ROOT, Installation, make_installation, remove

AGENTS = 12


@pytest.fixture(scope="module")
def portal() -> Iterator[Installation]:
    """A portal with a small demo company."""
    made = make_installation(SAYSO_POLICY_POLL_SECONDS="30")
    try:
        made.up()
        made.python("manage.py", "demo", "--people", "20", "--batches", "0")
        yield made
    finally:
        remove(made)


def simulate(portal: Installation, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "simulate_agents", *options],
        cwd=ROOT,
        env=portal.env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_people_who_withdraw_stop_their_agents(portal: Installation) -> None:
    done = simulate(portal, "--agents", str(AGENTS), "--for", "3s", "--withdraw", "15", "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sound"] is True
    assert found["connected"] == AGENTS
    assert 1 <= found["withdrawals"] <= AGENTS
    assert found["stop_after_click_ms"]["n"] == found["withdrawals"]
    assert found["stop_after_commit_ms"]["n"] == found["withdrawals"]
    assert found["stop_after_commit_ms"]["max"] <= found["stop_after_click_ms"]["max"]
    assert found["commit_is_exact"] is True
    assert found["errors"] == {}
    assert AGENTS <= found["acknowledged"] <= found["answers"]["200"]
    assert f"people {AGENTS} of {AGENTS}" in done.stderr
    withdrawn = portal.sql(
        "SELECT count(DISTINCT e.subject_id) FROM consent_consentevent e JOIN portal_user u"
        " ON u.subject_id = e.subject_id WHERE u.email LIKE 'simulated-%' AND state = 'withdrawn'"
    )
    assert withdrawn == [(str(found["withdrawals"]),)]


def test_the_next_run_goes_on_with_the_same_people_and_ends_at_ctrl_c(
    portal: Installation,
) -> None:
    people = "SELECT count(*) FROM portal_user WHERE email LIKE 'simulated-%'"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "simulate_agents", "--agents", "14", "--for", "10m"],
        cwd=ROOT,
        env=portal.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if " of 600 s" in line or "connected 14" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "(interrupted)" in out
    assert "14 of 14 connected" in out
    assert portal.sql(people) == [("14",)]
    assert portal.sql("SELECT count(*) FROM django_session") == [("0",)]


def test_a_login_of_somebody_else_makes_it_no_trial(portal: Installation) -> None:
    portal.python(
        "-c",
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings';"
        "django.setup(); from portal.models import User;"
        "User.objects.create_user('someone@company.example', name='Someone')",
    )

    done = simulate(portal, "--agents", "1")

    assert done.returncode == 1
    assert "people are simulated only in a trial installation" in done.stderr


# --- without a portal ----------------------------------------------------------------------------


def test_where_no_demo_company_was_loaded_nobody_is_made(database: Any) -> None:
    with pytest.raises(CommandError, match="only in a trial installation"):
        call_command("simulate_agents", "--agents", "1")

    assert database.sql("SELECT count(*) FROM consent_subject") == [(0,)]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--agents", "0"),
        ("--agents", "many"),
        ("--for", "soon"),
        ("--for", "0s"),
        ("--withdraw", "101"),
        ("--portal", "ftp://elsewhere"),
    ],
)
def test_what_cannot_be_done_is_named(wrong: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        call_command("simulate_agents", *wrong)


def test_too_few_open_files_are_said_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))

    with pytest.raises(CommandError, match=r"need 5100 open files.*allows 4096.*at most 3996"):
        call_command("simulate_agents", "--agents", "5000")


def test_the_how_to_shows_it() -> None:
    text = (Path(ROOT) / "docs/howto/simulate-agents.md").read_text(encoding="utf-8")

    assert "python3 manage.py simulate_agents --agents 10000 --for 60s" in text
