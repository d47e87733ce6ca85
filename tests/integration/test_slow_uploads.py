"""Who sends slowly is waited for at nobody else's cost: few uploads each, and a time for each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.places import EACH, Locks, Places
from tests import factories
from tests.conftest import ROOT
from tests.integration.serving import WAYS, Line, Served, request, wait_until
from tests.integration.test_admission_answers import Machine, enrolled
from tests.integration.test_intake import announced, asked, files, places, put

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CONTENT = b"0123456789abcdef"
MANY = 32


def serving(way: str) -> Served:
    from django.core.asgi import get_asgi_application

    from portal.intake import BodiesFirst

    return Served(way, BodiesFirst(get_asgi_application()))


@pytest.fixture
def machines(database: Any, store: Path) -> tuple[Machine, Machine]:
    world = factories.make_world()
    other = replace(world, subject=world.another_subject())
    world.say_yes()
    other.say_yes()
    return enrolled(world.subject), enrolled(other.subject)


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest, machines: Any) -> Iterator[Served]:
    running = serving(request.param)
    yield running
    running.close()


def begun(served: Served, path: str, token: str, length: int = len(CONTENT)) -> Line:
    """An upload of which one byte has come."""
    line = served.connect()
    line.send(put(path, token, length), CONTENT[:1])
    return line


def code(line: Line) -> tuple[int, str]:
    said = line.reply()
    return said.status, json.loads(said.body).get("code", "")


def test_one_agent_that_sends_slowly_keeps_nobody_else_waiting(
    served: Served, machines: tuple[Machine, Machine], store: Path
) -> None:
    mine, other = machines
    paths = [announced(mine, CONTENT)] * (MANY // 2)
    paths += [announced(mine, CONTENT + bytes([n])) for n in range(MANY // 2)]
    lines = [begun(served, path, mine.token) for path in paths[: MANY // 2]]
    lines += [begun(served, path, mine.token, len(CONTENT) + 1) for path in paths[MANY // 2 :]]
    wait_until(lambda: len(unanswered(lines)) <= 2)

    _, foreign = asked(served, put(announced(other, CONTENT), other.token, 16), CONTENT)
    nobodys = begun(served, paths[0], "sat_" + "x" * 43)
    slow = unanswered(lines)

    assert foreign.status == 201
    assert code(nobodys) == (401, "token_unknown")
    assert len(slow) == 2
    assert sum(line in slow for line in lines[: MANY // 2]) <= 1, "one of each batch"
    for line in lines:
        if line not in slow:
            assert code(line) == (429, "uploads_under_way")
        line.close()
    wait_until(lambda: files(store) == [CONTENT])


def unanswered(lines: list[Line]) -> list[Line]:
    """Those on which nothing has come yet."""
    for line in lines:
        if not line._read:
            line.wire.settimeout(0.01)
            with suppress(TimeoutError):
                line._more()
            line.wire.settimeout(20)
    return [line for line in lines if not line._read]


def test_who_was_told_to_wait_hears_when_and_can_send_on_the_same_line(
    served: Served, machines: tuple[Machine, Machine], store: Path
) -> None:
    mine, _ = machines
    path = announced(mine, CONTENT)
    first = begun(served, path, mine.token)
    wait_until(lambda: len(places(served)))

    second = served.connect()
    second.send(put(path, mine.token, len(CONTENT)), CONTENT)
    refused = second.reply()
    first.close()
    wait_until(lambda: not len(places(served)))
    second.send(put(path, mine.token, len(CONTENT)), CONTENT)

    assert (refused.status, refused.headers["retry-after"]) == (429, "5")
    assert refused.headers["content-type"] == "application/problem+json"
    assert second.reply().status == 201
    wait_until(lambda: not len(places(served)))
    assert files(store) == [CONTENT]


def test_bytes_that_drip_have_the_time_of_their_length(
    served: Served, machines: tuple[Machine, Machine], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from retention.services import receiving

    mine, _ = machines
    monkeypatch.setattr(receiving, "PATIENCE", timedelta(seconds=0.5))
    line = begun(served, announced(mine, CONTENT), mine.token)

    assert code(line) == (408, "upload_too_slow")
    assert line.is_closed()
    assert files(store) == []


def test_where_all_threads_are_taken_nobody_is_left_without_an_answer(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal import uploads

    monkeypatch.setattr(uploads, "AT_ONCE", 1)
    monkeypatch.setattr(uploads, "QUEUE", 0.2)
    mine, other = machines
    served = serving("protocol")
    try:
        slow = begun(served, announced(mine, CONTENT), mine.token)
        wait_until(served.app._application._uploads._free.locked)

        busy = begun(served, announced(other, CONTENT), other.token)
        nobodys = begun(served, f"/api/v1/batches/{uuid4()}/bytes", "")

        assert code(nobodys)[0] == 401
        assert code(busy) == (503, "uploads_busy")
        slow.close()
        wait_until(lambda: not len(places(served)))
    finally:
        served.close()


@pytest.mark.parametrize("more", ["Content-Length: 9", "Transfer-Encoding: chunked"])
def test_any_other_body_has_its_time_too(
    served: Served, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal import intake

    monkeypatch.setattr(intake, "PATIENCE", 0.3)
    monkeypatch.setattr(intake, "SLOWEST", 10_000_000)
    line = served.connect()
    line.send(request(method="POST", path="/api/v1/agents", more=(more,)), b"4\r\n{")

    assert code(line) == (408, "body_too_slow")
    assert line.is_closed()


# --- pure ----------------------------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=60))
def test_places_are_as_many_as_there_are(steps: list[tuple[int, int, bool]]) -> None:
    with TemporaryDirectory() as folder:
        follow(Places(Locks(Path(folder) / "uploads.lock")), steps)


def follow(places: Places, steps: list[tuple[int, int, bool]]) -> None:
    taken: set[tuple[int, UUID]] = set()
    for agent, number, is_taking in steps:
        one = (agent, UUID(int=number))
        if is_taking:
            free = all(number != other.int for _, other in taken)
            free = free and sum(agent == other for other, _ in taken) < EACH
            assert places.take(*one) is free
            taken |= {one} if free else set()
        elif one in taken:
            places.leave(one[1])
            taken.remove(one)
    for _, batch in taken:
        places.leave(batch)
    assert len(places) == 0


OTHER = """
import sys
from pathlib import Path
from uuid import UUID
from portal.places import Locks, Places
places = Places(Locks(Path(sys.argv[1])))
for line in sys.stdin:
    agent, batch = map(int, line.split())
    print(places.take(agent, UUID(int=batch)), flush=True)
"""


def test_processes_count_together_and_one_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "uploads.lock"
    places = Places(Locks(path))
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:

        def takes(agent: int, batch: int) -> bool:
            assert other.stdin is not None
            assert other.stdout is not None
            print(agent, batch, file=other.stdin, flush=True)
            return other.stdout.readline().strip() == "True"

        assert takes(7, 1)
        assert not places.take(7, UUID(int=1)), "one of each batch"
        assert not places.take(8, UUID(int=1)), "whoever brings it"
        assert places.take(7, UUID(int=2))
        assert not takes(7, 3), "two of each agent"
        assert not places.take(7, UUID(int=3))
        assert places.take(8, UUID(int=3)), "who had no place left nothing behind"
        places.leave(UUID(int=2))
        assert takes(7, 2)
        assert not places.take(7, UUID(int=4))

        other.kill()
        other.wait(timeout=10)

    for number in (1, 2):
        assert places.take(7, UUID(int=number))


def test_without_the_file_every_process_counts_for_itself(tmp_path: Path) -> None:
    places = Places(Locks(tmp_path / "nothing" / "uploads.lock"))

    assert [places.take(7, UUID(int=n)) for n in range(EACH + 1)] == [True] * EACH + [False]
    places.leave(UUID(int=0))
    assert places.take(7, UUID(int=9))


@given(st.integers(1, 10_000_000), st.integers(1, 10_000_000))
def test_more_bytes_have_more_time_up_to_a_bound(size: int, other: int) -> None:
    from retention.services import within
    from retention.services.receiving import PATIENCE, WITHIN

    assert PATIENCE <= within(min(size, other)) <= within(max(size, other)) <= WITHIN
    assert within(1_000).total_seconds() < 31
