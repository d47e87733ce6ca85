"""Small parts of the set-up, without a process: secrets, addresses, pauses."""

import json
import os
import signal
import stat
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from psycopg.conninfo import conninfo_to_dict

from portal.servers import locations, process
from portal.servers.process import last_words, open_log, pid_in
from portal.supervisor import child as children
from portal.supervisor.child import Child, describe
from portal.supervisor.console import sign_in_lines
from tests.setup.installation import alive, eventually


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let HOME be a folder of the test's own."""
    monkeypatch.setattr(locations, "HOME", tmp_path)
    monkeypatch.setattr(locations, "SECRETS", tmp_path / "secrets")
    monkeypatch.setattr(locations, "LOGS", tmp_path / "log")
    for name in ("DATABASE_URL", "REDIS_URL", *map(locations.database_variable, locations.ROLES)):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_many_who_ask_for_a_new_secret_at_once_get_the_same_one(elsewhere: Path) -> None:
    answers: list[bytes] = []
    start = threading.Barrier(16)

    def ask() -> None:
        start.wait()
        answers.append(locations.secret("shared", lambda: os.urandom(16)))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 16
    assert len(set(answers)) == 1
    assert [file.name for file in (elsewhere / "secrets").iterdir()] == ["shared"]


def test_a_secret_is_for_its_owner_alone(elsewhere: Path) -> None:
    locations.secret("sequencer/probe", lambda: b"x")

    file = elsewhere / "secrets" / "sequencer" / "probe"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.parent.parent.stat().st_mode) == 0o700


@pytest.mark.usefixtures("elsewhere")
def test_a_failure_while_making_a_secret_leaves_none() -> None:
    with pytest.raises(ZeroDivisionError):
        locations.secret("broken", lambda: b"%d" % (1 // 0))

    assert locations.secret("broken", lambda: b"whole") == b"whole"


@pytest.mark.usefixtures("elsewhere")
def test_each_role_of_the_embedded_server_has_a_password_of_its_own() -> None:
    parts = [conninfo_to_dict(locations.database_url(role)) for role in locations.ROLES]

    assert [part["user"] for part in parts] == [f"sayso_{role}" for role in locations.ROLES]
    assert len({part["password"] for part in parts}) == len(locations.ROLES)
    assert {part["host"] for part in parts} == {str(locations.RUN)}


@pytest.mark.usefixtures("elsewhere")
def test_the_working_roles_use_the_owners_server_with_their_own_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL",
        "postgresql://boss:s%40cret@db1:5432,db2:5433/name?sslmode=require&user=boss",
    )

    app = conninfo_to_dict(locations.database_url("app"))

    assert app["user"] == "sayso_app"
    assert app["password"] != "s@cret"
    assert (app["host"], app["port"], app["dbname"]) == ("db1,db2", "5432,5433", "name")
    assert app["sslmode"] == "require"


@pytest.mark.usefixtures("elsewhere")
def test_a_process_may_be_given_its_own_role_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_APP", "postgresql://a:b@db/name")

    assert locations.database_url("app") == "postgresql://a:b@db/name"
    with pytest.raises(ValueError, match="DATABASE_URL_READER is not set"):
        locations.database_url("reader")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("address", "broker"),
    [
        ("unix:///a%20b/valkey.sock?db=3", "redis+socket:///a%20b/valkey.sock?virtual_host=3"),
        ("rediss://:word@cache:6380/1", "rediss://:word@cache:6380/1"),
    ],
)
def test_celery_is_told_the_same_server_in_its_own_spelling(
    monkeypatch: pytest.MonkeyPatch, address: str, broker: str
) -> None:
    monkeypatch.setenv("REDIS_URL", address)

    assert locations.redis_url() == address
    assert locations.broker_url() == broker


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="no such database role"):
        locations.database_url("superuser")


def test_restarts_come_slower_until_a_program_is_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(children, "time", SimpleNamespace(monotonic=lambda: now))
    program = Child("program", lambda: pytest.fail("nobody asked for a start"))
    program.adopt(None)  # type: ignore[arg-type]

    pauses = [program.plan_restart() for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert not program.due()

    now += 30
    assert program.due()
    program.adopt(None)  # type: ignore[arg-type]
    now += children.STEADY_AFTER
    assert program.plan_restart() == 0.5


def test_the_end_of_a_program_is_the_end_of_all_it_started() -> None:
    launch = partial(process.spawn, ["/bin/sh", "-c", "sleep 60 & echo $!; wait"])
    program = Child("program", launch)
    program.start()
    assert program.running
    assert program.running.stdout
    grandchild = int(program.running.stdout.readline())

    program.running.stdout.close()
    program.running.kill()
    program.running.wait()

    assert program.ended() == -signal.SIGKILL
    eventually(lambda: not alive(grandchild), what="the end of the grandchild")
    assert program.ended() is None


def test_an_end_is_told_in_words() -> None:
    assert describe(3) == "ended with status 3"
    assert describe(-9) == "was killed by SIGKILL"


def test_a_pid_file_of_rubbish_names_nobody(tmp_path: Path) -> None:
    file = tmp_path / "postmaster.pid"

    for content in ("", "0", "1", "-5", "many\n", "\0"):
        file.write_text(content)
        assert pid_in(file) is None
    assert pid_in(tmp_path / "missing") is None


def test_a_long_log_is_put_aside_and_its_last_failure_is_found(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.servers.process.LOG_LIMIT", 40)
    with open_log("probe") as log:
        log.write(b"LOG: fine\nFATAL: no room left\nLOG: ended\n")

    assert last_words(elsewhere / "log" / "probe.log") == "FATAL: no room left"
    with open_log("probe") as log:
        assert log.tell() == 0
    assert (elsewhere / "log" / "probe.log.1").stat().st_size > 40


def test_who_may_sign_in_is_told_once_the_demo_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "demo-accounts.json"
    assert sign_in_lines(file) == []

    person = {"role": "employee", "label": "Employee", "email": "ada@example.org"}
    file.write_text(json.dumps({"password": "bada-dida", "accounts": [person]}))

    assert sign_in_lines(file) == [
        "Sign in to the demo company with the password bada-dida as",
        "  Employee             ada@example.org",
    ]
    file.write_text("[1]")
    assert sign_in_lines(file) == []
