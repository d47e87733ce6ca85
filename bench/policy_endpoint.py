"""How many polls a second one core answers, in each of the ways they could be answered.

    python -m bench.policy_endpoint --agents 100000 --rounds 3 --seconds 6

Load comes from wrk on the other core; the ways take turns, so that what else the machine does
falls on all alike. Needs wrk, and for comparison nginx and a folder with unleash-server, where
they are named. Linux only.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import machine, policy_field
from bench.policy_field import LOAD_CORE, SERVER_CORE, Field
from bench.report import spread

CONNECTIONS = 64
BUSY = 503
DRAINED = 20
"""Seconds in which a slow server gets done with what it was asked before."""
PATH = "/api/v1/policy"
WRK = """
local asked, at = {}, 0
function init(args)
  local file = io.open(args[1], "r")
  for line in file:lines() do
    local token, etag = line:match("(%S+) ?(.*)")
    local headers = {["Authorization"] = "Bearer " .. token}
    if etag ~= "" then headers["If-None-Match"] = etag end
    asked[#asked + 1] = wrk.format("GET", nil, headers)
  end
end
function request()
  at = at % #asked + 1
  return asked[at]
end
"""


SLOWLY = """
function delay()
  return %d
end
"""
"""Each connection rests so many milliseconds after each answer."""


@dataclass
class Way:
    """One way to answer: how it is served, what is asked, what must come."""

    name: str
    serve: Callable[[], AbstractContextManager[tuple[int, list[int]]]]
    etag: str
    status: int
    path: str = PATH
    token: Callable[[int], str] = Field.token
    runs: list[dict[str, float]] = field(default_factory=list)


def main() -> None:
    """Measure, and write the table."""
    options = _options()
    if not (wrk := options.wrk or shutil.which("wrk")):
        sys.exit("wrk is not there; name it with --wrk")
    prepared = policy_field.prepare(options.agents)
    policy_field.pin(policy_field.backing_processes(), SERVER_CORE)
    ways = [way for way in _ways(prepared, options) if re.search(options.only, way.name)]
    for number in range(options.rounds):
        for way in ways:
            with way.serve() as (port, pids):
                if "Redis" in way.name:
                    policy_field.fill_redis(prepared)
                way.runs.append(_measure(way, port, pids, wrk, options))
            print(number, way.name, json.dumps(way.runs[-1]), flush=True)
    text = "\n".join(_report(ways, options))
    Path(options.out).write_text(text + "\n", encoding="utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--wrk", help="the load generator's program, else looked for")
    parser.add_argument("--nginx", help="nginx's program, else looked for")
    parser.add_argument("--unleash", help="a folder in which unleash-server is installed")
    parser.add_argument("--only", default="", help="measure the ways whose name this pattern finds")
    parser.add_argument("--out", default="bench/RESULTS-policy.md")
    return parser.parse_args()


def _ways(prepared: Field, options: argparse.Namespace) -> Iterator[Way]:
    if nginx := options.nginx or shutil.which("nginx"):
        yield Way("nginx, a static file's 304", lambda: _nginx(nginx), "static", 304)
    yield Way("uvicorn, always 304", lambda: _portal("bench.policy_apps:constant"), '"x"', 304)
    whole = "portal.asgi:application"
    for way, fast in (("protocol", True), ("ASGI", False)):
        serve = partial(_portal, whole, fast=fast)
        yield Way(f"portal by {way}, 304 by Redis", serve, prepared.etag, 304)
        yield Way(f"portal by {way}, signed 200 by Redis", serve, "", 200)
    yield Way(
        "portal, 304 without it",
        lambda: _portal(whole, redis="unix:///nonexistent/redis.sock"),
        prepared.etag,
        304,
    )
    plain = "bench.policy_apps:plain"
    yield Way("Django and DRF, 304", lambda: _portal(plain), prepared.etag, 304)
    if options.unleash:
        yield Way(
            "Unleash, 304",
            lambda: _unleash(Path(options.unleash)),
            "static",
            304,
            "/api/client/features",
            lambda _: UNLEASH_TOKEN,
        )


@contextmanager
def _portal(
    application: str, redis: str | None = None, *, fast: bool = False
) -> Iterator[tuple[int, list[int]]]:
    with policy_field.serving(application, redis=redis, fast=fast) as (port, pid):
        yield port, [pid]


NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; }}
}}
"""


@contextmanager
def _nginx(program: str) -> Iterator[tuple[int, list[int]]]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # nginx's worker is another account
        file = Path(folder + "/files" + PATH)
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 2000)
        port = policy_field.free_port()
        Path(folder, "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        with _program([program, "-p", folder, "-c", f"{folder}/nginx.conf"], port) as pids:
            yield port, pids


UNLEASH_ADMIN = "*:*.bench-admin"
UNLEASH_TOKEN = "default:development.bench-token"  # noqa: S105  of a measurement


@contextmanager
def _unleash(folder: Path) -> Iterator[tuple[int, list[int]]]:
    """Start unleash-server with a database of its own and its rate limits raised."""
    port = policy_field.free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "DATABASE_URL": policy_field.database_of_its_own("unleash_bench"),
        "DATABASE_SSL": "false",
        "INIT_CLIENT_API_TOKENS": UNLEASH_TOKEN,
        "INIT_ADMIN_API_TOKENS": UNLEASH_ADMIN,
        "SDK_API_RATE_LIMIT_PER_MINUTE": "100000000",
        "TOKEN_AUTHENTICATION_RATE_LIMIT_PER_MINUTE": "100000000",
        "LOG_LEVEL": "error",
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "NODE_ENV": "production",
    }
    script = "require('unleash-server').start({}).catch(e => { console.error(e); process.exit(1) })"
    command = ["node", "--input-type=commonjs", "-e", script]
    with _program(command, port, environment, folder) as pids:
        for number in range(10):  # without any, every poll would ask its database
            _make_feature(port, f"feature-{number}")
        time.sleep(2)
        yield port, pids


def _make_feature(port: int, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "POST",
        "/api/admin/projects/default/features",
        json.dumps({"name": name, "type": "release"}),
        {"Authorization": UNLEASH_ADMIN, "Content-Type": "application/json"},
    )
    if (answer := connection.getresponse()).status != 201:
        sys.exit(f"Unleash made no feature: {answer.status} {answer.read()[:300]!r}")
    connection.close()


@contextmanager
def _program(
    command: list[str],
    port: int,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[list[int]]:
    running = subprocess.Popen(
        [*policy_field.on(SERVER_CORE), *command],
        env=environment,
        cwd=folder,
    )
    try:
        policy_field.wait_for(port)
        yield machine.children(running.pid)
    finally:
        running.terminate()
        running.wait(30)


def _measure(
    way: Way, port: int, pids: list[int], wrk: str, options: argparse.Namespace
) -> dict[str, float]:
    """Load one way for some seconds; return its figures."""
    etag = way.etag if way.etag != "static" else _etag_of(port, way)
    with tempfile.TemporaryDirectory() as folder:
        asked, script = Path(folder, "asked"), Path(folder, "asked.lua")
        asked.write_text("".join(f"{way.token(n)} {etag}\n" for n in range(options.agents)))
        script.write_text(WRK)
        url = f"http://127.0.0.1:{port}{way.path}"
        command = [wrk, "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script)]
        # Long enough that every agent has asked at least once.
        _run_wrk([*command, f"-d{2 + options.agents // 8000}s", url, str(asked)])
        _check(port, way, etag)
        busy, ours, began = policy_field.busy_seconds(), _used(pids), time.time()
        said, load = _run_wrk([*command, f"-d{options.seconds}s", url, str(asked)])
        took = time.time() - began
        ours = _used(pids) - ours
        foreign = policy_field.busy_seconds() - busy - ours - load
        per_second = _per_second(said)
        # Half of what it bears: each connection asks, is answered, and rests.
        script.write_text(WRK + SLOWLY % max(1, round(2000 * CONNECTIONS / per_second)))
        half, _ = _run_wrk([*command, f"-d{options.seconds}s", url, str(asked)])
    answered = int(re.search(r"(\d+) requests in", said).group(1))  # type: ignore[union-attr]
    if wrong := re.search(r"(Non-2xx.*|Socket errors.*)", said):
        print("!", way.name, wrong.group(1))
    return {
        "per_second": per_second,
        "per_cpu_second": answered / ours if ours else 0.0,
        "p50": _milliseconds(said, "50%"),
        "p99": _milliseconds(said, "99%"),
        "half_per_second": _per_second(half),
        "half_p99": _milliseconds(half, "99%"),
        "load_share": load / took,
        "server_share": ours / took,
        "foreign_share": foreign / took,
    }


def _per_second(said: str) -> float:
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))  # type: ignore[union-attr]


def _used(pids: list[int]) -> float:
    """Return the processor time of the answering side; PostgreSQL's processes come and go."""
    return policy_field.cpu_seconds([*pids, *policy_field.backing_processes()])


def _milliseconds(said: str, share: str) -> float:
    number, unit = re.search(rf"\s{share}\s+([\d.]+)(us|ms|s)\b", said).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _run_wrk(command: list[str]) -> tuple[str, float]:
    """Run the generator on its own core; return what it said and the processor time it took."""
    before = os.times()
    done = subprocess.run(
        [*policy_field.on(LOAD_CORE), *command],
        check=True,
        capture_output=True,
        text=True,
    )
    after = os.times()
    used = after.children_user + after.children_system
    return done.stdout, used - before.children_user - before.children_system


def _ask(port: int, way: Way, etag: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {way.token(1)}"}
    connection.request("GET", way.path, headers=headers | ({"If-None-Match": etag} if etag else {}))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def _etag_of(port: int, way: Way) -> str:
    return _ask(port, way, "").headers["ETag"]


def _check(port: int, way: Way, etag: str) -> None:
    """Refuse to measure something else than was meant."""
    deadline = time.monotonic() + DRAINED
    while (status := _ask(port, way, etag).status) == BUSY and time.monotonic() < deadline:
        time.sleep(0.5)  # what was asked before is still being answered
    if status != way.status:
        sys.exit(f"{way.name} answers {status}, not {way.status}")


def _report(ways: list[Way], options: argparse.Namespace) -> Iterator[str]:
    host = machine.describe()
    yield "# Polls per second"
    yield ""
    yield (
        f"{time.strftime('%Y-%m-%d')}; {host['cores']} cores ({host['processor']}),"
        f" {host['memory']} of memory, {host['system']}, Python {host['python']}."
        f" {options.agents:,} agents with a token each, {CONNECTIONS} connections kept alive,"
        f" {options.rounds} rounds of {options.seconds} s in turn; the web server, Redis and"
        " PostgreSQL share one core, wrk has the other. Median, with the least and the most."
        " Other work on the machine took part of both cores: the last column says how much."
        " Requests per second of processor time count only what the answering side used."
    )
    yield ""
    yield (
        "| | per second | per second of processor time | p50 ms | p99 ms | at about half load |"
        " p99 ms then | wrk's core busy | other work, cores |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for way in ways:
        columns = (
            ("per_second", 0),
            ("per_cpu_second", 0),
            ("p50", 1),
            ("p99", 1),
            ("half_per_second", 0),
            ("half_p99", 1),
            ("load_share", 2),
            ("foreign_share", 2),
        )
        cells = [spread((run[name] for run in way.runs), digits) for name, digits in columns]
        yield f"| {way.name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
