"""A thousand agents in one process: polls over HTTP with their tokens, as fast as it is answered.

Run as a program. Reads one JSON line of set-up and then commands from standard input, and answers
each with one JSON line. It knows nothing of Django and reads no database.

- `rest SECONDS`: every agent polls in turn, with the version it has; counts the answers.
- `watch`: the same, until every agent has a version newer than now. An agent that has one polls no
  more, since its next poll would be half a minute away. Says when each arrived.
- `once`: every agent asks once, with the version it has or with none.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import uvloop

PATIENCE: Final = 240.0


@dataclass
class Polled:
    """One agent: its place in the list, its token, what it has, and when that came."""

    number: int
    token: str
    etag: str = ""
    arrived: float = 0.0

    @property
    def version(self) -> int:
        """The version it has; the portal puts it first in the tag."""
        return int(self.etag.strip('"').partition(".")[0] or "0")


@dataclass
class Connection:
    """A kept-alive connection that polls for some agents, one after the other."""

    port: int
    agents: Sequence[Polled]
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def poll(self, agent: Polled) -> int:
        """Ask once; remember the tag that came with a 200. Returns the status."""
        known = f"If-None-Match: {agent.etag}\r\n" if agent.etag else ""
        asked = (
            f"GET /api/v1/policy HTTP/1.1\r\nHost: 127.0.0.1\r\n{known}"
            f"Authorization: Bearer {agent.token}\r\n\r\n"
        )
        try:
            status, headers = await self._ask(asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()  # the server closes what was idle for some seconds
            status, headers = await self._ask(asked)
        if status == 200:
            agent.etag, agent.arrived = headers["etag"], time.monotonic()
        return status

    async def close(self) -> None:
        """Close the connection, where there is one."""
        if self.writer:
            self.writer.close()
            with contextlib.suppress(ConnectionError):
                await self.writer.wait_closed()
        self.reader = self.writer = None

    async def _ask(self, asked: str) -> tuple[int, dict[str, str]]:
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(asked.encode())
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if length := int(headers.get("content-length", "0")):
            await self.reader.readexactly(length)
        return int(lines[0].split(" ")[1]), headers


@dataclass
class Fleet:
    """All agents, spread over the connections."""

    connections: list[Connection]
    others: list[int] = field(default_factory=list)
    """Statuses that were neither 200 nor 304: there should be none."""

    @property
    def agents(self) -> list[Polled]:
        """Every agent."""
        return [agent for one in self.connections for agent in one.agents]

    async def close(self) -> None:
        """Close every connection."""
        for connection in self.connections:
            await connection.close()

    async def rest(self, seconds: float) -> dict[str, float]:
        """Poll in turn for some time; return answers per second, and how many were not a 304."""
        until = time.monotonic() + seconds
        counts = await asyncio.gather(*(self._rest(one, until) for one in self.connections))
        total = sum(number for number, _ in counts)
        return {"polls_per_second": total / seconds, "news": sum(new for _, new in counts)}

    async def _rest(self, connection: Connection, until: float) -> tuple[int, int]:
        answers = news = 0
        while True:
            for agent in connection.agents:
                if time.monotonic() >= until:
                    return answers, news
                status = await self._polled(connection, agent)
                answers += 1
                news += status != 304

    async def watch(self) -> dict[str, Any]:
        """Poll until everyone has something newer; return when it came, and which version."""
        counts = await asyncio.gather(*(self._watch(one) for one in self.connections))
        agents = sorted(self.agents, key=lambda agent: agent.number)
        found = [(agent.arrived, agent.version) for agent in agents]
        return {"arrived": found, "polls": sum(counts)}

    async def _watch(self, connection: Connection) -> int:
        before = {agent.number: agent.version for agent in connection.agents}
        until, polls = time.monotonic() + PATIENCE, 0
        waiting = list(connection.agents)
        while waiting and time.monotonic() < until:
            for agent in waiting:
                await self._polled(connection, agent)
                polls += 1
            waiting = [agent for agent in waiting if agent.version == before[agent.number]]
        return polls

    async def once(self) -> dict[str, int]:
        """Let each agent ask once; return how many that were."""
        await asyncio.gather(*(self._once(one) for one in self.connections))
        return {"asked": len(self.agents)}

    async def _once(self, connection: Connection) -> None:
        for agent in connection.agents:
            await self._polled(connection, agent)

    async def _polled(self, connection: Connection, agent: Polled) -> int:
        status = await connection.poll(agent)
        if status not in {200, 304}:
            self.others.append(status)
        return status


async def main() -> None:
    """Serve commands until the input ends."""
    lines = _lines()
    wanted = json.loads(await anext(lines))
    fleet = spread_over(wanted["port"], wanted["tokens"], wanted["connections"])
    _say({"agents": len(fleet.agents)})
    async for line in lines:
        command, *arguments = line.split()
        answer: dict[str, Any]
        if command == "rest":
            answer = await fleet.rest(float(arguments[0]))
        elif command == "watch":
            _say({"watching": True})
            answer = await fleet.watch()
        else:
            answer = await fleet.once()
        _say({**answer, "others": fleet.others})
    await fleet.close()


def spread_over(port: int, tokens: Sequence[str], connections: int) -> Fleet:
    """Return an agent for each token, spread over so many connections that open at need."""
    agents = [Polled(number, token) for number, token in enumerate(tokens)]
    parts = [agents[start::connections] for start in range(min(connections, len(agents)))]
    return Fleet([Connection(port, part) for part in parts])


async def _lines() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
