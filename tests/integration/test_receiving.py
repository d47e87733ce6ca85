"""Bytes that come by the portal: none stays that was not let in, and none comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from tests import factories
from tests.conftest import ROOT
from tests.integration.fault import environment

CONTENT = b"what was recorded"
KILLED = """
import os, signal, sys
from tests.conftest import point_everything_at
import django; django.setup()
point_everything_at(sys.argv[1])
from django.conf import settings
from pathlib import Path
from uuid import UUID
settings.STORES = {"files": {"kind": "filesystem", "root": Path(sys.argv[2])}}
from consent.models import Agent
from retention import services
from retention.services import receiving
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
def chunks():
    yield b"what was "
    if sys.argv[4] == "half way":
        os.sync()
        die()
    yield b"recorded"
if sys.argv[4] == "not judged":
    receiving.admit = die
elif sys.argv[4] == "not closed":
    receiving._close = die
services.receive_bytes(agent=Agent.objects.get(), batch=UUID(sys.argv[3]), chunks=chunks())
"""


@pytest.fixture
def agent(database: Any, store: Path) -> Any:
    world = factories.make_world()
    world.say_yes()
    return factories.make_agent(world.subject)


@pytest.fixture
def manifest(agent: Any) -> Any:
    from retention import services as retention

    said = factories.manifest_for(factories.make_policy(agent), CONTENT)
    retention.announce_batch(agent=agent, manifest=said)
    return said


def files(store: Path) -> list[bytes]:
    return [path.read_bytes() for path in store.rglob("*") if path.is_file()]


def killed(database: Any, store: Path, manifest: Any, moment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, database.name, str(store), str(manifest.batch), moment],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def withdraw(agent: Any) -> None:
    from consent import services

    services.withdraw_consent(subject=agent.subject, purpose="train-agents")


def work(*, after: timedelta = timedelta(0)) -> None:
    """All that workers do, some time from now."""
    from retention import services as retention

    with time_machine.travel(datetime.now(UTC) + after, tick=True):
        retention.expand_cases()
        retention.run_due_jobs()
        retention.settle_uploads()
        retention.run_due_jobs()


LATER = timedelta(minutes=16)
IMPORT_KILLED = """
import os, signal, sys
from tests.conftest import point_everything_at
import django; django.setup()
point_everything_at(sys.argv[1])
from datetime import UTC, datetime
from django.conf import settings
from pathlib import Path
settings.STORES = {"files": {"kind": "filesystem", "root": Path(sys.argv[2])}}
from consent.models import Agent
from retention import services
from retention.services import imports
from tests import factories
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
imports._take_in = die
agent = Agent.objects.get()
said = factories.manifest_for(agent.policies.get(), b"what was recorded")
services.import_batches(agent=agent, batches=[(said, b"what was recorded")], at=datetime.now(UTC))
"""


def test_what_a_killed_import_left_is_deleted(agent: Any, store: Path, database: Any) -> None:
    from retention.models import Upload

    factories.make_policy(agent)
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_KILLED, database.name, str(store)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert files(store) == [CONTENT]

    work(after=timedelta(hours=2))

    assert files(store) == []
    assert not Upload.objects.exists()


def test_an_import_that_took_too_long_lets_nothing_in(
    agent: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever settles has deleted its bytes meanwhile: rows would promise what is gone."""
    from retention import services as retention
    from retention.exceptions import StoreFailed
    from retention.models import Admission
    from retention.stores import FileStore

    said = factories.manifest_for(factories.make_policy(agent), CONTENT)
    batches, now = [(said, CONTENT)], datetime.now(UTC)
    put = FileStore.put

    def slowly(*told: Any, **more: Any) -> None:
        put(*told, **more)
        work(after=timedelta(hours=2))

    with monkeypatch.context() as slow:
        slow.setattr(FileStore, "put", slowly)
        with pytest.raises(StoreFailed):
            retention.import_batches(agent=agent, batches=batches, at=now)

    assert files(store) == []
    assert not Admission.objects.exists()
    (judged,) = retention.import_batches(agent=agent, batches=batches, at=now)
    assert (judged.state, files(store)) == ("admitted", [CONTENT])


@pytest.mark.parametrize("moment", ["half way", "not judged", "not closed"])
def test_what_a_killed_process_left_is_gone_after_a_withdrawal(
    agent: Any, manifest: Any, store: Path, database: Any, moment: str
) -> None:
    from retention.models import Upload

    killed(database, store, manifest, moment)
    assert len(files(store)) == 1

    withdraw(agent)
    work(after=LATER)
    work(after=2 * LATER)

    assert files(store) == []
    assert not Upload.objects.exists()
    assert database.sql("SELECT state FROM retention_batch") in ([], [("erased",)])


@pytest.mark.parametrize(
    ("moment", "kept"), [("half way", []), ("not judged", [CONTENT]), ("not closed", [CONTENT])]
)
def test_what_a_killed_process_left_is_judged_or_deleted_without_a_word_of_the_agent(
    agent: Any, manifest: Any, store: Path, database: Any, moment: str, kept: list[bytes]
) -> None:
    killed(database, store, manifest, moment)

    work(after=LATER)

    assert files(store) == kept
    assert database.sql("SELECT state FROM retention_batch") == [("kept",)] * len(kept)


def test_the_agent_sends_it_again_after_the_process_was_killed(
    agent: Any, manifest: Any, store: Path, database: Any
) -> None:
    from retention import services as retention

    killed(database, store, manifest, "half way")
    retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[CONTENT])
    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]

    withdraw(agent)
    work(after=LATER)
    work(after=2 * LATER)

    assert files(store) == [], "the draft of the first goes with it"


def interleaved(agent: Any, manifest: Any, meanwhile: Any) -> Iterator[bytes]:
    """The bytes of a slow request, in the middle of which something else happens."""
    yield CONTENT[:4]
    meanwhile()
    yield CONTENT[4:]


@pytest.mark.parametrize("certified_meanwhile", [True, False])
def test_a_slow_second_request_brings_nothing_back(
    agent: Any, manifest: Any, store: Path, database: Any, certified_meanwhile: bool
) -> None:
    """It began before the first was let in, and ends after the withdrawal was carried out."""
    from retention import services as retention
    from retention.exceptions import StoreFailed

    def meanwhile() -> None:
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[CONTENT])
        withdraw(agent)
        if certified_meanwhile:
            work()

    def certificates() -> int:
        return int(database.sql("SELECT count(*) FROM retention_certificate")[0][0])

    chunks = interleaved(agent, manifest, meanwhile)
    with suppress(StoreFailed):  # where the erasure took away what it wrote
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=chunks)
    assert certificates() == 0, "nothing is certified while bytes may still come"
    work(after=LATER)
    work(after=2 * LATER)

    assert files(store) == []
    assert certificates() == 1


def test_a_quicker_second_request_leaves_the_row_of_the_first(
    agent: Any, manifest: Any, store: Path
) -> None:
    """The first still sends: what it may yet write stays written down until it is settled."""
    from retention import services as retention
    from retention.models import Upload

    stood = []

    def meanwhile() -> None:
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[CONTENT])
        stood.append(Upload.objects.filter(batch=manifest.batch).exists())

    chunks = interleaved(agent, manifest, meanwhile)
    retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=chunks)
    work(after=LATER)

    assert stood == [True]
    assert files(store) == [CONTENT]
    assert not Upload.objects.exists()


def test_a_request_that_begins_after_the_judgement_opens_nothing(
    agent: Any, manifest: Any, store: Path
) -> None:
    """The row stands before the state is looked at: so it sees what was decided meanwhile."""
    from retention import services as retention
    from retention.models import Upload
    from retention.services import receiving

    opened = receiving._open

    def decided_just_before(batch: Any, **where: Any) -> Any:
        receiving._open = opened
        retention.receive_bytes(agent=agent, batch=batch, chunks=[CONTENT])
        return opened(batch, **where)

    def never() -> Iterator[bytes]:
        raise AssertionError("no byte is asked for")
        yield b""

    receiving._open = decided_just_before
    try:
        again = retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=never())
    finally:
        receiving._open = opened

    assert again.state == "admitted"
    assert files(store) == [CONTENT]
    assert not Upload.objects.exists()


def test_bytes_that_take_too_long_are_not_kept(agent: Any, manifest: Any, store: Path) -> None:
    from retention import services as retention
    from retention.exceptions import UploadTooSlow
    from retention.models import Upload

    begun = datetime.now(UTC)
    with time_machine.travel(begun, tick=False) as clock:

        def slow() -> Iterator[bytes]:
            yield CONTENT
            clock.shift(timedelta(minutes=5))

        with pytest.raises(UploadTooSlow):
            retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=slow())

    assert files(store) == []
    assert not Upload.objects.exists()


def test_nothing_is_put_where_something_is_being_settled(
    agent: Any, manifest: Any, store: Path, database: Any
) -> None:
    from retention import services as retention
    from retention.exceptions import StoreFailed

    killed(database, store, manifest, "half way")
    with time_machine.travel(datetime.now(UTC) + LATER, tick=True):
        with pytest.raises(StoreFailed):
            retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[CONTENT])
        retention.settle_uploads()
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[CONTENT])

    assert files(store) == [CONTENT]


# --- an id that two machines took ----------------------------------------------------------------

THEIRS = b"what another machine recorded, and longer"


@pytest.fixture
def other(agent: Any) -> Any:
    """Another machine of the same person, which takes the id of the first one's batch."""
    return factories.make_agent(agent.subject)


def meanwhile_imported(
    other: Any, manifest: Any, content: bytes, before_bytes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have the other machine import a batch of this id, and something happen before its bytes."""
    from retention import services as retention
    from retention.exceptions import ManifestDiffers
    from retention.services import imports

    said = factories.manifest_for(factories.make_policy(other), content, batch=manifest.batch)
    opened = imports._open

    def then(*told: Any, **more: Any) -> Any:
        monkeypatch.setattr(imports, "_open", opened)
        until = opened(*told, **more)
        before_bytes()
        return until

    monkeypatch.setattr(imports, "_open", then)
    with pytest.raises(ManifestDiffers):
        retention.import_batches(agent=other, batches=[(said, content)], at=datetime.now(UTC))


def test_an_import_writes_over_no_other_machines_bytes(
    agent: Any, other: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had looked for the id before the other machine announced and brought its batch."""
    from retention import services as retention
    from retention.models import Batch, Upload
    from retention.stores import store_named

    said = factories.manifest_for(factories.make_policy(agent), CONTENT)

    def brought() -> None:
        retention.announce_batch(agent=agent, manifest=said)
        retention.receive_bytes(agent=agent, batch=said.batch, chunks=[CONTENT])

    meanwhile_imported(other, said, THEIRS, brought, monkeypatch)

    kept = Batch.objects.get()
    assert b"".join(store_named(kept.store).read(kept.key)) == CONTENT
    work(after=timedelta(hours=2))
    assert files(store) == [CONTENT]
    assert not Upload.objects.exists()


def test_what_another_machine_imported_is_not_let_in_as_this_ones(
    agent: Any, other: Any, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very same bytes: they were announced by one machine, and brought by another."""
    from retention import services as retention
    from retention.models import Admission, Upload

    said = factories.manifest_for(factories.make_policy(agent), CONTENT)
    meanwhile_imported(
        other,
        said,
        CONTENT,
        lambda: retention.announce_batch(agent=agent, manifest=said),
        monkeypatch,
    )

    work(after=timedelta(hours=2))

    assert Admission.objects.get().state == Admission.State.AWAITING_BYTES
    assert files(store) == []
    assert not Upload.objects.exists()
    retention.receive_bytes(agent=agent, batch=said.batch, chunks=[CONTENT])
    assert files(store) == [CONTENT]


def test_what_one_machine_still_sends_is_not_forgotten_for_anothers(
    agent: Any, manifest: Any, store: Path, database: Any
) -> None:
    from retention.models import Upload
    from retention.services import imports
    from retention.services.admission import key_of

    killed(database, store, manifest, "half way")
    other = factories.make_agent(agent.subject)
    imports._open(other, [manifest.batch], store="files")

    keys = {key_of(agent, manifest.batch), key_of(other, manifest.batch)}
    assert set(Upload.objects.values_list("key", flat=True)) == keys
    work(after=timedelta(hours=2))
    assert files(store) == []
    assert not Upload.objects.exists()
