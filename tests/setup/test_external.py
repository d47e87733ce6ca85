"""Servers that an operator names: roles made there, and one sentence for each way to be wrong."""

import re
import subprocess
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import redis
from psycopg import sql

from portal.servers import addresses, roles
from portal.servers.errors import SetupError
from tests.setup.installation import Home, Servers, free_port

PASSWORD = "pa55-w@rd/of?the#owner"  # every character that an address has to escape


def as_superuser(server: Servers, statement: str, database: str = "postgres") -> bool:
    """Run a statement as nobody of ours may; return whether it found a row."""
    password = (server.home / "secrets" / "database-setup").read_text()
    with psycopg.connect(
        host=str(server.home / "run"),
        user="sayso_setup",
        password=password,
        dbname=database,
        autocommit=True,
    ) as connection:
        answer = connection.execute(statement)  # type: ignore[arg-type]
        return answer.rowcount > 0


@pytest.fixture(scope="module")
def server(shared_home: Home) -> Servers:
    """Return a PostgreSQL that somebody else set up, with a database of an ordinary owner."""
    server = shared_home.running()
    literal = sql.Literal(PASSWORD).as_string(None)
    as_superuser(server, f"create role governor login password {literal}")
    as_superuser(server, "create database governed owner governor")
    for name in ("app", "reader", "sequencer"):
        as_superuser(server, f"alter role sayso_{name} rename to hidden_{name}")
    return server


@pytest.fixture
def bare(server: Servers) -> Iterator[Servers]:
    """Return that server for a test that may make our roles in it."""
    yield server
    as_superuser(server, "alter role governor nocreaterole")
    for name in ("sayso_app", "sayso_reader", "sayso_sequencer"):
        if as_superuser(server, f"select from pg_roles where rolname = '{name}'"):
            as_superuser(server, f"drop owned by {name}", "governed")
            as_superuser(server, f"drop role {name}")


def owner_url(server: Servers, password: str = PASSWORD, database: str = "governed") -> str:
    place = quote(str(server.home / "run"), safe="")
    return f"postgresql://governor:{quote(password, safe='')}@{place}/{database}"


def sentence_of(answer: subprocess.CompletedProcess[str]) -> str:
    """Return what a command that failed said: no traceback, no password."""
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert PASSWORD not in answer.stderr
    assert quote(PASSWORD, safe="") not in answer.stderr
    assert answer.stderr.startswith("sayso: ")
    return answer.stderr


def test_an_owner_who_may_make_roles_makes_them_once(home: Home, bare: Servers) -> None:
    as_superuser(bare, "alter role governor createrole")

    first = home.manage("roles", DATABASE_URL=owner_url(bare))
    second = home.manage("roles", DATABASE_URL=owner_url(bare))

    assert first.returncode == 0, first.stderr
    assert first.stdout.count("made the database role") == 3
    assert second.stdout == "all database roles are there\n"


def test_an_owner_who_may_not_is_told_the_very_sql(home: Home, bare: Servers) -> None:
    refused = sentence_of(home.manage("roles", DATABASE_URL=owner_url(bare)))
    statements = re.findall(r"^  ((?:create|grant) .*;)$", refused, re.MULTILINE)
    secrets = [file.read_text() for file in (home.path / "secrets").rglob("*") if file.is_file()]

    assert len(statements) == 9
    assert not any(secret in refused for secret in secrets)
    assert "DATABASE_URL_SEQUENCER" in refused

    for statement in statements:
        as_superuser(bare, statement, "governed")
    assert home.manage("roles", DATABASE_URL=owner_url(bare)).returncode == 0


def test_accounts_of_the_operators_own_are_used_as_they_are(home: Home, bare: Servers) -> None:
    own = {}
    for name in ("app", "reader", "sequencer"):
        as_superuser(bare, f"create role sayso_{name} login password 'of-{name}'")
        place = quote(str(bare.home / "run"), safe="")
        own[f"DATABASE_URL_{name.upper()}"] = (
            f"postgresql://sayso_{name}:of-{name}@{place}/governed"
        )

    answer = home.manage("roles", DATABASE_URL=owner_url(bare), **own)

    assert answer.returncode == 0, answer.stderr


def test_roles_of_another_installation_are_not_taken_over(home: Home, bare: Servers) -> None:
    for name in ("app", "reader", "sequencer"):
        as_superuser(bare, f"create role sayso_{name} login password 'theirs'")

    refused = sentence_of(home.manage("roles", DATABASE_URL=owner_url(bare)))

    assert "refuses the password of sayso_app that is in HOME/secrets/database-app" in refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("governor", "nobody"), "refuses the password of nobody"),
        (("/governed", "/elsewhere"), "there is no database elsewhere"),
        (("/governed", ""), "is not a PostgreSQL address"),
        (("postgresql://", "mysql://"), "is not a PostgreSQL address"),
        ((quote(PASSWORD, safe=""), PASSWORD), "is not a PostgreSQL address"),
        ((quote(PASSWORD, safe=""), "un@escaped"), "is not a PostgreSQL address"),
        (("%2Frun/", "%2Frun:many/"), "is not a PostgreSQL address"),
        (("%2Frun/", "%2Fnothing/"), "no PostgreSQL answers at"),
    ],
)
def test_a_broken_database_address_gets_one_sentence(
    server: Servers, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", owner_url(server).replace(*change))

    with pytest.raises(SetupError) as refusal:
        roles.ensure()

    assert said in str(refusal.value)
    for word in (PASSWORD, quote(PASSWORD, safe=""), PASSWORD[:4], "escaped"):
        assert word not in str(refusal.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("redis://:hidden@127.0.0.1:1/0", "no Redis-compatible server answers at 127.0.0.1:1"),
        ("redis://:hid@den@127.0.0.1:1/0", "is not a Redis address"),
        ("redis://:hid/den@127.0.0.1:1/0", "is not a Redis address"),
        ("redis://127.0.0.1:port/0", "is not a Redis address"),
        ("localhost:6379", "is not a Redis address"),
        ("unix:///nowhere/at/all.sock", "no Redis-compatible server answers at /nowhere/at/all"),
    ],
)
def test_a_broken_redis_address_gets_one_sentence(
    monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("REDIS_URL", address)

    with pytest.raises(SetupError, match=f"^REDIS_URL:? {said}") as refusal:
        addresses.check_redis()

    assert "hid" not in str(refusal.value)


def test_a_redis_that_wants_another_password_says_so(
    shared_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = urlsplit(shared_home.running().facts["redis"]).path
    with redis.Redis(unix_socket_path=place) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">right-word", "+ping")
    monkeypatch.setenv("REDIS_URL", f"unix://guest:wrong-word@{place}")

    with pytest.raises(SetupError, match="refuses the password") as refusal:
        addresses.check_redis()

    assert "wrong-word" not in str(refusal.value)


def test_up_and_roles_end_with_that_sentence(home: Home, server: Servers) -> None:
    for command in (["roles"], ["up", "--port", str(free_port())]):
        answer = home.manage(*command, DATABASE_URL=owner_url(server, password="wrong-word"))

        assert "refuses the password of governor" in sentence_of(answer)
        assert "wrong-word" not in answer.stdout + answer.stderr
