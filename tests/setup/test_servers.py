"""The embedded servers: who may do what, and that a kill loses nothing."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict

from tests.setup.installation import Home, Servers, alive, eventually


def test_half_a_cluster_is_made_anew(shared_home: Home) -> None:
    draft = shared_home.path / "pgdata.making"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    assert shared_home.running().run("owner", "select 1") == [(1,)]
    assert not draft.exists()


@pytest.fixture
def servers(shared_home: Home) -> Servers:
    return shared_home.running()


@pytest.mark.parametrize("role", ["owner", "app", "reader", "sequencer"])
def test_no_role_of_ours_is_a_superuser_or_makes_roles(servers: Servers, role: str) -> None:
    rights = "select rolsuper, rolcreaterole, rolbypassrls, rolreplication, rolcreatedb"

    rows = servers.run(role, f"{rights} from pg_roles where rolname = current_user")

    assert rows == [(False, False, False, False, role == "owner")]


def test_only_the_owner_can_make_tables(servers: Servers) -> None:
    servers.run("owner", "create table if not exists probe_owner (x int)")

    for role in ("app", "reader", "sequencer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            servers.run(role, "create table probe_other (x int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            servers.run(role, "select * from probe_owner")


def test_the_owner_can_clone_the_database_and_install_what_migrations_need(
    servers: Servers,
) -> None:
    servers.run("owner", "create extension if not exists btree_gist")
    servers.run("owner", "create database probe_clone template sayso")
    servers.run("owner", "drop database probe_clone")


def test_a_wrong_password_is_refused(servers: Servers) -> None:
    wrong = servers.url("app").replace("sayso_app:", "sayso_app:x")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong).close()


def test_what_was_committed_is_written_to_the_disk_and_checked(servers: Servers) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert servers.run("app", f"show {setting}") == [("on",)]
    assert servers.run("app", "show password_encryption") == [("scram-sha-256",)]
    assert servers.run("app", "show listen_addresses") == [("",)]


def test_folders_are_closed_to_others(servers: Servers) -> None:
    for name in ("run", "secrets", "secrets/sequencer", "pgdata", "log", "valkey"):
        assert stat.S_IMODE((servers.home / name).stat().st_mode) == 0o700
    for file in (servers.home / "secrets").rglob("*"):
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_error_leaves_no_value_in_the_log(servers: Servers) -> None:
    servers.run("owner", "create table probe_unique (x text unique)")
    servers.run("owner", "insert into probe_unique values ('ada@example.org')")

    with pytest.raises(psycopg.errors.UniqueViolation):
        servers.run("owner", "insert into probe_unique values ('ada@example.org')")

    log = (servers.home / "log" / "postgres.log").read_text()
    assert "probe_unique_x_key" in log
    assert "ada@example.org" not in log


def test_a_kill_of_both_servers_and_their_holder_loses_nothing(
    shared_home: Home, servers: Servers
) -> None:
    first, home = servers, shared_home
    first.run("owner", "create table kept (x int)")
    first.run("owner", "insert into kept values (7)")
    redis.Redis.from_url(first.facts["redis"]).set("kept", "7")
    time.sleep(1.1)  # Valkey writes its file out once a second
    postgres = first.postgres

    os.kill(postgres, signal.SIGKILL)
    first.stop(signal.SIGKILL)
    second = home.start()

    assert second.run("owner", "select x from kept") == [(7,)]
    assert redis.Redis.from_url(second.facts["redis"]).get("kept") == b"7"
    assert "automatic recovery in progress" in (home.path / "log" / "postgres.log").read_text()


def test_servers_end_with_whoever_started_them(servers: Servers) -> None:
    pids = [servers.postgres, int((servers.home / "valkey" / "valkey.pid").read_text())]

    servers.stop(signal.SIGKILL)

    eventually(lambda: not any(alive(pid) for pid in pids), what="the end of both servers")


def test_a_start_waits_until_no_process_of_the_last_server_is_left(
    shared_home: Home, servers: Servers
) -> None:
    with (servers.home / "pgdata.lock").open() as lock:
        with pytest.raises(BlockingIOError):  # every process of the server holds it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        servers.stop(signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)  # as one that is slow to end would
        threading.Timer(2, fcntl.flock, [lock, fcntl.LOCK_UN]).start()
        begun = time.monotonic()

        second = shared_home.start()

        assert time.monotonic() - begun >= 2
        assert second.run("owner", "select 1") == [(1,)]


def test_a_pid_file_that_names_a_stranger_is_a_leftover(
    shared_home: Home, servers: Servers
) -> None:
    home = shared_home
    servers.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        data = home.path / "pgdata"
        text = f"{stranger.pid}\n{data}\n1700000000\n5432\n{home.path / 'run'}\n\n  1 1\nready\n"
        (data / "postmaster.pid").write_text(text)

        assert home.start().run("owner", "select 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_data_of_another_version_are_refused_in_a_sentence(
    shared_home: Home, servers: Servers
) -> None:
    servers.stop()
    version = servers.home / "pgdata" / "PG_VERSION"
    present = version.read_text()
    version.write_text("14\n")

    with pytest.raises(AssertionError, match=r"the data in .* are PostgreSQL 14's"):
        shared_home.start()

    version.write_text(present)


def test_a_long_path_moves_the_sockets_and_a_strange_one_is_no_trouble(home: Home) -> None:
    home.path = home.path / "Ümläut [x] with spaces" / ("long-" * 20)
    home.path.parent.parent.mkdir(mode=0o711)
    home.path.parent.mkdir(mode=0o711)

    servers = home.start()

    assert servers.run("app", "select 1") == [(1,)]
    assert redis.Redis.from_url(servers.facts["redis"]).ping()
    socket_folder = Path(conninfo_to_dict(servers.url("app"))["host"])
    assert len(os.fsencode(socket_folder)) <= 80
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    servers.stop()
    shutil.rmtree(socket_folder)
