"""Asks real servers over HTTP for people's policies, as fast as they answer, and notes each answer.

python -m tests.integration.fresh_asker FOLDER. Nothing of the portal is imported here. What costs
is kept out of the way of an answer: requests are bytes made ready when a tag changes, a 304 is
known by its first bytes and the tag that it must name, and judging comes when all is over.
"""

from __future__ import annotations

import array
import asyncio
import base64
import json
import random
import re
import sys
from functools import partial
from pathlib import Path
from time import monotonic_ns

from tests.integration.fresh_plan import NOTHING, PAIRS, PURPOSE, Plan, packed

END = b"\r\n\r\n"
WAIT = 1
"""Seconds for which the last line to each server asks to be told of a change."""
AGAIN = 0.02
"""Seconds to let a server be that could say nothing."""
FLUSH = 12_288
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_TAG = re.compile(rb'\r\netag: ("[^"\r\n]+")\r\n', re.IGNORECASE)


class Asker:
    """What the lines share: of each person the newest policy, and what each policy allowed."""

    def __init__(self, plan: Plan, file: Path) -> None:
        self.plan = plan
        self.events: array.array[int] = array.array("Q")  # asked, there, fresh_plan.packed
        self.written = 0
        self.done = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.chance = random.Random(1)
        self.bare: list[bytes] = []
        self.tags: list[bytes] = [b""] * len(plan.tokens)
        self.masks: list[int] = [0] * len(plan.tokens)
        self.requests: list[bytes] = []
        for token in plan.tokens:
            lines = ["GET /api/v1/policy HTTP/1.1", "Host: localhost"]
            lines += [f"Authorization: Bearer {token}", ""]
            self.bare.append("\r\n".join(lines).encode())
            self.requests.append(self.bare[-1] + b"\r\n")
        self._file = file.open("wb", buffering=0)

    def has(self, person: int, tag: bytes, mask: int) -> None:
        """Take over a policy, unless it is older than the one there is, as an agent would."""
        if _version(tag) > _version(self.tags[person]):
            self.tags[person], self.masks[person] = tag, mask
            self.requests[person] = self.bare[person] + b"If-None-Match: " + tag + END

    def flush(self) -> None:
        """Write down what was noted."""
        self.written += len(self.events) // 3
        self._file.write(self.events.tobytes())
        del self.events[:]

    def fail(self, error: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(error)


class Line(asyncio.Protocol):
    """One connection that is kept open: asks about one person after another."""

    def __init__(self, asker: Asker, server: int, people: list[int], *, waits: bool) -> None:
        self._asker = asker
        self._server = server
        self._people = people
        self._waits = waits
        self._transport: asyncio.Transport | None = None
        self._next = 0
        self._asked = 0
        self._person = self._mask = 0
        self._tag = self._named = b""
        self._unread = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        if not self._asker.done:
            self._asker.fail(ConnectionError(f"server {self._server} closed a line: {error}"))

    def ask(self) -> None:
        """Ask about the next person."""
        asker = self._asker
        if asker.done or self._transport is None:
            self.busy = False
            return
        self.busy = True
        self._next = at = (self._next + 1) % len(self._people)
        self._person = person = self._people[at]
        self._tag, self._mask = asker.tags[person], asker.masks[person]
        request = asker.requests[person]
        if self._waits:
            request = request[:-2] + b"Prefer: wait=%d" % WAIT + END
        elif asker.chance.random() < asker.plan.bare:
            self._tag, request = b"", asker.bare[person] + b"\r\n"
        self._named = b"\r\netag: " + self._tag + b"\r\n"
        self._asked = monotonic_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        there = monotonic_ns()
        if self._unread:
            data = self._unread + data
        if data[9:12] == b"304" and data.endswith(END):
            if not self._tag or self._named not in data:
                self._asker.fail(AssertionError(f"a 304 for another policy: {data!r}"))
                return
            self._unread = b""
            self._note(there, self._mask)
        elif self._is_whole(data):
            self._unread = b""
            try:
                self._take(data, there)
            except Exception as error:  # noqa: BLE001  whatever it is, the run has failed
                self._asker.fail(error)
        else:
            self._unread = data

    def _is_whole(self, data: bytes) -> bool:
        head, end, body = data.partition(END)
        length = _LENGTH.search(head + b"\r\n")
        return bool(end) and len(body) >= (int(length[1]) if length else 0)

    def _take(self, data: bytes, there: int) -> None:
        """Take an answer that is no 304."""
        head, _, body = data.partition(END)
        found = _STATUS.match(head)
        status = int(found[1]) if found else 0
        if status == 503:
            self._note(there, NOTHING, AGAIN)
        elif status == 409 and self._waits:  # something changed: nothing may go on
            self._note(there, 0)
        elif status == 200 and (tag := _TAG.search(head + b"\r\n")):
            if self._tag and _version(tag[1]) <= _version(self._tag):
                raise AssertionError(f"version {tag[1]!r} came after {self._tag!r}")
            mask = allowed(body)
            self._asker.has(self._person, tag[1], mask)
            self._note(there, mask)
        else:
            raise AssertionError(data)

    def _note(self, there: int, said: int, pause: float = 0.0) -> None:
        asker = self._asker
        events = asker.events
        events.extend((self._asked, there, packed(self._server, self._person, said)))
        if len(events) >= FLUSH:
            asker.flush()
        if pause := pause or asker.plan.pause:
            asyncio.get_running_loop().call_later(pause, self.ask)
        else:
            self.ask()


def allowed(token: bytes) -> int:
    """What a signed policy lets an agent capture, as bits; raises for what nobody said yes to."""
    payload = token.split(b".")[1]
    document = json.loads(base64.urlsafe_b64decode(payload + b"=="))
    mask = 0
    for entry in document["allow"]:
        assert entry["purpose"] == PURPOSE
        for signal in entry["signals"]:
            mask |= 1 << PAIRS.index((entry["app"], signal))
    return mask


def _version(tag: bytes) -> int:
    return int(tag[1:].partition(b".")[0]) if tag else 0


def _itself(line: Line) -> Line:
    return line


async def ask_on(folder: Path) -> None:
    """Ask until there are enough answers, or until told to stop."""
    plan = Plan.read(folder)
    asker = Asker(plan, folder / "answers")
    loop = asyncio.get_running_loop()
    lines: list[Line] = []
    for server, port in enumerate(plan.ports):
        for number in range(plan.lines):
            people = list(range(number, len(plan.tokens), plan.lines))
            waits = number == plan.lines - 1
            line = Line(asker, server, people, waits=waits)
            await loop.create_connection(partial(_itself, line), "127.0.0.1", port)
            lines.append(line)
    (folder / "asker.ready").touch()
    while not (folder / "go").exists():
        await asyncio.sleep(0.05)
    for line in lines:
        line.ask()
    while not asker.over.done():
        await asyncio.sleep(0.1)
        asker.flush()
        if (folder / "stop").exists() or (plan.answers and asker.written >= plan.answers):
            break
    asker.done = True
    for _ in range(200):
        if not any(line.busy for line in lines):
            break
        await asyncio.sleep(0.1)
    asker.flush()
    if asker.over.done():
        asker.over.result()


def main() -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask_on(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
