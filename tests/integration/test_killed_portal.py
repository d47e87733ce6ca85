"""A web process that is killed while it takes a batch in: not done, or done though nobody heard.

A real process on a real socket, whatever it dies at: the machine says the same again to the next,
and the batch is in once.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests import factories
from tests.conftest import ROOT
from tests.integration.fault import environment
from tests.integration.serving import Line, request, wait_until
from tests.integration.test_admission_answers import Machine, enrolled
from tests.integration.test_intake import put
from tests.integration.test_receiving import LATER, files, work

CONTENT = b"0123456789abcdef" * 20_000
LONGEST = 120.0
"""How long a test waits for an answer: a process has to start first."""
WEB = """
import os, signal, sys
from pathlib import Path
from tests.conftest import point_everything_at
import django; django.setup()
point_everything_at(sys.argv[1])
from django.conf import settings
from django.db import transaction
settings.HOME = Path(sys.argv[2]).parent
settings.STORES = {"files": {"kind": "filesystem", "root": Path(sys.argv[2])}}
from portal import web
from retention import services
from retention.services import receiving

def killed_after(does, *, committed):
    def done(*args, **more):
        if committed:
            does(*args, **more)
        else:
            with transaction.atomic():
                does(*args, **more)
                os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return done

match sys.argv[3]:
    case "manifest not kept":
        services.announce_batch = killed_after(services.announce_batch, committed=False)
    case "manifest kept":
        services.announce_batch = killed_after(services.announce_batch, committed=True)
    case "judgement not kept":
        receiving.admit = killed_after(receiving.admit, committed=False)
    case "judged":
        receiving.admit = killed_after(receiving.admit, committed=True)
    case "judged and tidied":
        services.receive_bytes = killed_after(services.receive_bytes, committed=True)
web.serve(web.APPLICATION, fd=int(sys.argv[4]))
"""
AWAITING, ADMITTED = "awaiting_bytes", "admitted"
KNOWN: dict[str, list[tuple[str]]] = {
    "manifest not kept": [],
    "manifest kept": [(AWAITING,)],
    "half of the bytes": [(AWAITING,)],
    "judgement not kept": [(AWAITING,)],
    "judged": [(ADMITTED,)],
    "judged and tidied": [(ADMITTED,)],
}
"""What the database says once the process is dead."""
TOLD = {
    "manifest not kept": AWAITING,
    "manifest kept": AWAITING,
    "half of the bytes": AWAITING,
    "judgement not kept": ADMITTED,  # the portal looks, and finds the bytes
    "judged": ADMITTED,
    "judged and tidied": ADMITTED,
}
"""What the machine hears when it announces the batch again."""


def killed(database: Any, store: Path, moment: str, *asked: bytes) -> None:
    """Ask a process that dies at a moment; whoever asks last hears nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        number = listener.fileno()
        command = [sys.executable, "-c", WEB, database.name, str(store), moment, str(number)]
        with subprocess.Popen(command, cwd=ROOT, env=environment(), pass_fds=[number]) as running:
            try:
                for one in asked[:-1]:
                    with closing(sent(listener, one)) as line:
                        assert line.reply().status == 201
                with closing(sent(listener, asked[-1])) as line:
                    if moment == "half of the bytes":
                        wait_until(lambda: any(files(store)))
                        running.kill()
                    with pytest.raises((EOFError, ConnectionError)):
                        line.reply()
                assert running.wait(LONGEST) == -signal.SIGKILL
            finally:
                running.kill()


def sent(listener: socket.socket, asked: bytes) -> Line:
    line = Line(socket.create_connection(listener.getsockname(), timeout=LONGEST))
    line.send(asked)
    return line


@pytest.fixture
def machine(database: Any, store: Path) -> Machine:
    world = factories.make_world()
    world.say_yes()
    return enrolled(world.subject)


@pytest.mark.parametrize("moment", KNOWN)
def test_what_a_killed_process_had_begun_is_finished_once_by_the_next(
    machine: Machine, database: Any, store: Path, moment: str
) -> None:
    said = factories.manifest_for(factories.make_policy(machine.agent), CONTENT).document()
    said["from"], said["until"] = said.pop("captured_from"), said.pop("captured_until")
    manifest, path = json.dumps(said), f"/api/v1/batches/{said['batch']}/bytes"
    kind = "Content-Type: application/json"
    more = (f"Content-Length: {len(manifest)}", kind)
    announced = request(
        machine.token, method="POST", path="/api/v1/batches", more=more, body=manifest
    )
    head = put(path, machine.token, len(CONTENT))
    brought = CONTENT[: len(CONTENT) // 2] if moment == "half of the bytes" else CONTENT
    asked = [announced] if moment.startswith("manifest") else [announced, head + brought]

    killed(database, store, moment, *asked)
    known = database.sql("SELECT state FROM retention_admission")
    client = Client(headers={"authorization": f"Bearer {machine.token}"})
    told = client.post("/api/v1/batches", manifest, content_type="application/json")
    if told.json()["state"] == AWAITING:
        answer = client.put(path, CONTENT, content_type="application/octet-stream")
        assert answer.status_code == 201
    again = client.post("/api/v1/batches", manifest, content_type="application/json")
    work(after=LATER)

    assert known == KNOWN[moment]
    assert (told.status_code, told.json()["state"]) == (200 if known else 201, TOLD[moment])
    assert again.json()["state"] == "admitted"
    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]
    assert database.sql("SELECT count(*) FROM retention_upload") == [(0,)]
    whole, *drafts = sorted(files(store), key=len, reverse=True)
    assert whole == CONTENT
    # What came of the half goes when the batch does (test_receiving).
    assert len(drafts) == (moment == "half of the bytes")
