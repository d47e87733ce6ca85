"""How soon real agents stop: the last event captured after a tap on Withdraw, measured inside.

Agents are processes of the command `sayso-agent run`, fed without a pause; taps are HTTP requests
of signed-in people. Nothing here looks into an agent but at the status it writes for its person.
"""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop
from django.conf import settings
from django.db import connection, transaction
from sayso_agent.segment import Slot

from bench import late, machine, stop_world
from bench.feeding import Fed, feed
from bench.relay import Relay
from consent.models import IssuedPolicy
from portal.simulation.clicks import Click, Hand, find_commits
from portal.simulation.crowd import sign_in
from portal.simulation.http import Address

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  of Linux; the folder in it is ours alone
READY_SECONDS: Final = 400.0
BEFORE: Final = 1.0
AFTER: Final = 3.0
"""For so long before and after a tap events come densely; then the status is looked at."""
PEOPLE_AT_ONCE: Final = 50
LATE_BYTES: Final = 1_000_000
MARGIN: Final = 5.0
LONGEST_MARGIN: Final = 20.0
"""So that agents that hand in often have done so before anybody taps."""
ADMITTED_LATE: Final = """
SELECT count(*) FROM retention_admission a JOIN consent_agent g ON g.id = a.agent_id
JOIN consent_consentevent e ON e.subject_id = g.subject_id AND e.state = 'withdrawn'
WHERE g.subject_id = ANY(%s) AND a.state = 'admitted'
  AND a.decided_at > pg_xact_commit_timestamp(e.xmin)
"""
CAPTURED_LATE: Final = """
SELECT count(*) FROM retention_batch b
JOIN consent_consentevent e ON e.subject_id = b.subject_id AND e.state = 'withdrawn'
WHERE b.subject_id = ANY(%s) AND b.captured_until > pg_xact_commit_timestamp(e.xmin)
"""
JUDGED: Final = """
SELECT a.state, count(*) FROM retention_admission a JOIN consent_agent g ON g.id = a.agent_id
WHERE g.subject_id = ANY(%s) GROUP BY 1
"""
KEYS: Final = "SELECT key FROM retention_batch"


@dataclass
class Person:
    """One person, their agent's folder and input, and their tap."""

    subject: int
    session: str
    home: Path
    fed: Fed
    click: Click | None = None
    last: float | None = None
    """When the last event was written that the agent captured."""
    recording: bool = True
    short: int = 0
    """Events of before the tap that were not captured."""

    def status(self) -> dict[str, Any]:
        """Return what the agent last wrote for its person; nothing before its first words."""
        try:
            found: dict[str, Any] = json.loads((self.home / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def is_recording(self) -> bool:
        """Return whether the agent says that it records."""
        return str(self.status().get("line", "")).startswith("recording")

    def look(self) -> None:
        """See whether the agent stopped, and which event was the last that it captured."""
        status = self.status()
        if str(status.get("line", "")).startswith("recording") or self.click is None:
            return
        self.recording = False
        kept = sum(status["kept"].values())
        self.last = self.fed.times[kept - 1] if kept else 0.0
        self.short = max(sum(at < self.click.sent for at in self.fed.times) - kept, 0)


@dataclass(frozen=True)
class Scene:
    """What one measurement is about."""

    people: list[Person]
    relay: Relay
    portal: str
    taps_per_second: float
    upload_every: float
    offline: bool
    withdrawals: int

    @property
    def margin(self) -> float:
        """How long all record before the first tap."""
        return MARGIN + min(3 * self.upload_every, LONGEST_MARGIN)


def measure_stop(
    agents: int,
    port: int,
    taps_per_second: float,
    upload_every: float,
    withdrawals: int,
    *,
    offline: bool,
) -> dict[str, Any]:
    """Let people withdraw once each, and return when their agents captured the last event."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    relay, portal = Relay(port), f"http://127.0.0.1:{port}"
    # A thousand agents have a thousand disks; ours, which has one, is left to the portal.
    memory = SHARED_MEMORY if Path(SHARED_MEMORY).is_dir() else None
    with tempfile.TemporaryDirectory(prefix="sayso-stop-", dir=memory) as named:
        folder = Path(named)
        _say(f"writing {agents} people")
        way = f"http://127.0.0.1:{relay.port}" if offline else portal
        people, ends = _people(folder, agents, way)
        scene = Scene(people, relay, portal, taps_per_second, upload_every, offline, withdrawals)
        process = _start(folder, people, ends, upload_every)
        try:
            found = uvloop.run(_play(scene, process.pid))
        finally:
            process.terminate()
            process.wait(120)
        figures = _figures(people)
        answers = late.hand_in(_late(people, portal))
        return {
            **found,
            **figures,
            **_admitted([one.subject for one in people]),
            "late": answers,
            "lease_seconds": settings.POLICY_LEASE_SECONDS,
        }


async def _play(scene: Scene, pid: int) -> dict[str, Any]:
    people = scene.people
    if scene.offline:
        await scene.relay.open()
    _say("waiting until all record")
    began = time.monotonic()
    await _until(lambda: all(one.is_recording() for one in people), READY_SECONDS)
    ready = time.monotonic() - began
    memory = _memory(pid)
    feeding = asyncio.create_task(feed([one.fed for one in people]))
    await asyncio.sleep(scene.margin)
    before = machine.load()
    _say("people withdraw")
    try:
        if scene.offline:
            await _offline(people, scene.relay, scene.portal, scene.taps_per_second)
        else:
            chosen = random.Random(1).sample(people, min(scene.withdrawals, len(people)))
            await _connected(chosen, scene.portal, scene.taps_per_second)
    finally:
        feeding.cancel()
        await scene.relay.cut()
    return {
        "ready_seconds": ready,
        "agent_memory_mib": memory,
        "load": [before, machine.load()],
        "ended_early": sum(one.fed.failed for one in people),
    }


async def _connected(people: list[Person], portal: str, rate: float) -> None:
    """Tap for one person after the other while all agents hold their connection."""
    address = Address.of(portal)
    chance = random.Random(2)

    async def one(person: Person) -> None:
        person.fed.hurry(BEFORE + AFTER + 30)
        await asyncio.sleep(BEFORE + chance.random())
        await _tap(person, address, portal)
        until = time.monotonic() + AFTER + 30
        await asyncio.sleep(AFTER)
        person.look()
        while person.recording and time.monotonic() < until:
            await asyncio.sleep(0.5)
            person.look()
        person.fed.dense_until = 0.0

    tasks = []
    for person in people:
        tasks.append(asyncio.create_task(one(person)))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*tasks)


async def _offline(people: list[Person], relay: Relay, portal: str, rate: float) -> None:
    """Cut everybody off, tap for all, and see when the leases end; then let them in again."""
    address = Address.of(portal)
    await relay.cut()
    for person in people:
        person.fed.hurry(2 * settings.POLICY_LEASE_SECONDS)
        await _tap(person, address, portal)
        await asyncio.sleep(1 / rate)
    await asyncio.sleep(settings.POLICY_LEASE_SECONDS + MARGIN)
    for person in people:
        person.look()
        person.fed.dense_until = 0.0
    await relay.open()
    await asyncio.sleep(40)  # longer than an agent backs off: all have tried to hand in


async def _tap(person: Person, address: Address, origin: str) -> None:
    hand = Hand(address, origin)
    person.click = await hand.withdraw(person.subject, person.session)
    hand.close()


def _people(folder: Path, count: int, way: str) -> tuple[list[Person], list[int]]:
    """Write everybody; return them with the ends of the pipes that their agents read from."""
    notice = stop_world.found()
    written = []
    for start in range(0, count, PEOPLE_AT_ONCE):
        with transaction.atomic():
            for number in range(start, min(count, start + PEOPLE_AT_ONCE)):
                home = folder / f"{number:05}"
                subject, user = stop_world.write_person(number, notice, home, way)
                written.append((subject.pk, user.pk, home))
    sessions = sign_in(login for _, login, _ in written)
    people, ends = [], []
    for subject_pk, login, home in written:
        end, pipe = os.pipe()
        os.set_blocking(pipe, False)
        ends.append(end)
        people.append(Person(subject_pk, sessions[login], home, Fed(pipe)))
    return people, ends


def _start(
    folder: Path, people: list[Person], ends: list[int], upload_every: float
) -> subprocess.Popen[bytes]:
    plan = {
        "agents": [
            {"home": str(one.home), "events": end} for one, end in zip(people, ends, strict=True)
        ],
        "upload_every": upload_every,
        "most_files": max(ends) + 64,
    }
    file = folder / "plan.json"
    file.write_text(json.dumps(plan))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.agent_processes", str(file)], pass_fds=ends
    )
    for end in ends:
        os.close(end)
    return process


def _figures(people: list[Person]) -> dict[str, Any]:
    clicks = [one.click for one in people if one.click]
    exact = find_commits(clicks)
    if not exact:
        raise RuntimeError("PostgreSQL keeps no times of commits: set track_commit_timestamp")
    stopped = [one for one in people if one.click and one.last is not None]
    return {
        "agents": len(people),
        "tapped": len(clicks),
        "tap_errors": [click.error for click in clicks if click.error],
        "committed": sum(click.committed is not None for click in clicks),
        "stopped": len(stopped),
        "after_tap": [max(one.last - one.click.sent, 0.0) for one in stopped],  # type: ignore[operator, union-attr]
        "after_commit": [max(one.last - one.click.committed, 0.0) for one in stopped],  # type: ignore[operator, union-attr]
        "answered": [click.answered - click.sent for click in clicks],
        "events": sum(len(one.fed.times) for one in people),
        "uncaptured_before_tap": sum(one.short for one in people),
    }


def _late(people: list[Person], portal: str) -> Iterator[late.Late]:
    """Yield the machines of all who withdrew, with what they obeyed until then."""
    ahead = time.time() - time.monotonic()
    for person in people:
        if person.click is None or person.click.committed is None:
            continue
        issued = IssuedPolicy.objects.filter(agent__subject=person.subject).exclude(allow={})
        last = issued.latest("version")
        slot = Slot(
            purpose=stop_world.PURPOSE,
            app=stop_world.APP,
            version=last.version,
            issued_at=int(last.issued_at.timestamp()),
            until=int(last.lease_until.timestamp()),
            batch_bytes=LATE_BYTES,
            batch_seconds=settings.POLICY_LEASE_SECONDS,
        )
        yield late.Late(person.home, portal, slot, person.click.committed + ahead)


def _admitted(subjects: list[int]) -> dict[str, Any]:
    """Return what the database and the store say about batches of these people."""
    with connection.cursor() as cursor:
        cursor.execute(ADMITTED_LATE, [subjects])
        late = cursor.fetchone()[0]
        cursor.execute(CAPTURED_LATE, [subjects])
        captured = cursor.fetchone()[0]
        cursor.execute(JUDGED, [subjects])
        judged = dict(cursor.fetchall())
        cursor.execute(KEYS)
        keys = {key for (key,) in cursor.fetchall()}
    root = Path(settings.STORES["files"]["root"])
    files = [file for file in root.rglob("*") if file.is_file()] if root.exists() else []
    return {
        "judged": judged,
        "admitted_after_commit": late,
        "captured_after_commit": captured,
        "files_of_no_batch": sum(str(file.relative_to(root)) not in keys for file in files),
        "files": len(files),
    }


def _memory(parent: int) -> float:
    """Return what one agent's process takes (its proportional share), in MiB, of a sample."""
    pids = [pid for pid in machine.children(parent) if pid != parent][:50]
    found = []
    for pid in pids:
        with suppress(OSError):
            found.append(machine.memory(pid))
    return sum(found) / len(found) if found else 0.0


async def _until(true: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError("the agents do not record")
        await asyncio.sleep(0.5)


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()
