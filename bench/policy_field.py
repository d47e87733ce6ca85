"""A portal with very many agents for the measurements of the policy endpoint: rows, Redis, server.

The servers are those of the tests. The agents are copies of one that the services made; only what
a poll looks at is copied, and the triggers that guard those tables rest meanwhile.
"""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bench.machine import children

ROOT: Final = Path(__file__).resolve().parents[1]
DATABASE: Final = "sayso_bench_policy"
BASE: Final = 10_000_000
"""The copies' numbers begin here."""
LEASE: Final = 86_400
"""Long enough that no policy has to be renewed while something else is measured."""
SERVER_CORE, LOAD_CORE = {0}, {1}


@dataclass
class Field:
    """What was prepared: the agents' tokens, and the tag of the policy that all of them have."""

    agents: int
    etag: str
    body: bytes
    known: Any
    """What the portal knows of the agent that was copied."""
    world: Any
    """Their purpose, notice and apps, for more people."""
    redis: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @staticmethod
    def token(number: int) -> str:
        """Return an agent's token."""
        return f"sat_bench{number}"


def prepare(agents: int) -> Field:
    """Make the database with so many agents; each holds a policy that allows something."""
    from tests.clones import owner_on, point_everything_at
    from tests.conftest import set_up_django, start_servers

    start_servers()
    set_up_django()
    with owner_on("postgres") as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    point_everything_at(DATABASE)
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0)
    settings.POLICY_LEASE_SECONDS = LEASE
    from portal.endpoint import postgres
    from tests import factories
    from tests.integration.polling import enrolled

    world = factories.make_world()
    world.say_yes()
    _, token = enrolled(world.subject)
    digest = hashlib.sha256(token.encode()).digest()
    issued, known = postgres.issue(postgres.look(digest), time.time())
    _copy_agents(agents)
    return Field(agents, issued.etag, issued.body, known, world, settings.REDIS_URL)


def _copy_agents(agents: int) -> None:
    import psycopg

    from tests.clones import url_of

    number = "g.n"
    here = f"{BASE} + {number}"
    copies = {
        "consent_subject": {"id": here, "ref": "gen_random_uuid()"},
        "consent_personalpolicy": {"id": here, "subject_id": here},
        "consent_agent": {"id": here, "ref": "gen_random_uuid()", "subject_id": here},
        "portal_agenttoken": {
            "id": here,
            "agent_id": here,
            "sha256": f"sha256(convert_to('sat_bench' || {number}, 'UTF8'))",
        },
        "consent_issuedpolicy": {"id": here, "agent_id": here},
    }
    with psycopg.connect(url_of(DATABASE, "owner"), autocommit=True) as cursor:
        for table, own in copies.items():
            found = cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
            )
            columns = [row[0] for row in found]
            values = ", ".join(own.get(column, f"t.{column}") for column in columns)
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            into = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM"
            one = f"(SELECT * FROM {table} ORDER BY id DESC LIMIT 1) t"  # noqa: S608
            cursor.execute(f"{into} {one}, generate_series(0, {agents - 1}) g(n)")
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")


def fill_redis(prepared: Field) -> None:
    """Put into Redis what the polls of all agents would leave there."""
    import redis

    from portal.endpoint import record
    from portal.endpoint.models import Fence

    while not (epoch := Fence.objects.get().epoch.encode()):
        time.sleep(0.1)
    client = redis.Redis.from_url(prepared.redis)
    nonces = record.Nonces(record.new_nonce(), record.new_nonce())
    cohort = prepared.known.cohort
    client.set(record.key(epoch, record.cohort_key(cohort)), nonces.cohort)
    version = prepared.known.version.to_bytes(8, "big")
    for start in range(0, prepared.agents, 5000):
        together = client.pipeline(transaction=False)
        for number in range(start, min(start + 5000, prepared.agents)):
            digest = hashlib.sha256(prepared.token(number).encode()).digest()
            known = prepared.known._replace(agent=BASE + number, subject=BASE + number)
            together.set(record.key(epoch, record.subject_key(BASE + number)), nonces.subject)
            together.set(record.record_key(epoch, digest), record.pack(nonces, known))
            together.set(record.body_key(epoch, digest), version + prepared.body)
        together.execute()


@contextlib.contextmanager
def serving(
    application: str, *, redis: str | None = None, fast: bool = False
) -> Iterator[tuple[int, int]]:
    """Run the web server as `up` does, on one core; yield its port and its process."""
    from portal.servers import locations

    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.set_inheritable(True)
    environment = {
        **os.environ,
        "SAYSO_TESTS_ATTACH": "1",
        "SAYSO_POLICY_BURST": "1000000000",
        "SAYSO_POLICY_WAITING_LIMIT": "20000",
        "SAYSO_POLICY_FAST": "yes" if fast else "no",
        "SAYSO_POLICY_LEASE_SECONDS": str(LEASE),
        "REDIS_URL": redis or locations.redis_url(),
        **{
            locations.database_variable(role): address(role)
            for role in ("owner", "app", "reader", "sequencer")
        },
    }
    command = [
        *on(SERVER_CORE),
        sys.executable,
        "-c",
        "import sys; from portal import web; web.serve(sys.argv[1], fd=int(sys.argv[2]))",
        application,
        str(listener.fileno()),
    ]
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        pass_fds=[listener.fileno()],
    )
    port = listener.getsockname()[1]
    try:
        wait_for(port)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(30)
        listener.close()


def address(role: str) -> str:
    """Return the address of the measured database for one role."""
    from portal.servers import locations

    password = quote(locations.database_password(role), safe="")
    place = quote(str(locations.RUN), safe="")
    return f"postgresql://{locations.role_name(role)}:{password}@{place}:5432/{DATABASE}"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_of_its_own(name: str) -> str:
    """Make an empty database for a program to compare with; return its address."""
    from tests.clones import owner_on

    with owner_on("postgres") as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    return address("owner").rpartition("/")[0] + f"/{name}"


def busy_seconds() -> float:
    """Return the processor time that the whole machine has used so far."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, soft, *_ = map(int, words)
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def wait_for(port: int) -> None:
    """Wait until something answers at the port; raises RuntimeError when nothing does."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
            one.sendall(b"GET /api/v1/policy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if one.recv(100):
                return
        time.sleep(0.1)
    raise RuntimeError("the server does not answer")


def backing_processes() -> list[int]:
    """Return the processes of PostgreSQL and Redis, which work for the web server."""
    from tests.conftest import _servers

    started = [process for servers in _servers for process, _ in servers.running]
    return [pid for process in started for pid in children(process.pid)]


def on(cores: set[int]) -> list[str]:
    """Return what to put before a command so that it runs on these cores only."""
    return ["taskset", "-c", ",".join(map(str, cores))]


def pin(pids: Sequence[int], cores: set[int]) -> None:
    """Let processes run on these cores only."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time that processes, and those they waited for, have used so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
