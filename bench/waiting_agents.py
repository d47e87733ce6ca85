"""Very many agents that wait for a change, in one process, each on a connection of its own.

Run as a program: `waiting_agents PORT SECONDS`. Reads one JSON list of [token, tag] from standard
input, says `waiting` when all wait, and then a line for each answer: the agent's number, the
status, and when it was there on the monotonic clock, which all processes of a machine share. Knows
nothing of Django.
"""

import asyncio
import json
import sys
import time
from typing import Final, cast

import uvloop

AT_ONCE: Final = 200
"""Connections that are opened at the same time."""


_there: Final[list[tuple[int, int, float]]] = []
"""What came and was not told yet: to tell each at once would keep the next from being read."""


class Waiting(asyncio.Protocol):
    """One agent: asks once, and notes when it is answered."""

    def __init__(self, number: int, asked: bytes) -> None:
        self.number = number
        self.asked = asked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.Transport", transport).write(self.asked)

    def data_received(self, data: bytes) -> None:
        """Note the answer; its body may come later, and says nothing more."""
        if data.startswith(b"HTTP/1.1 "):
            _there.append((self.number, int(data[9:12]), time.monotonic()))


async def _wait(port: int, seconds: int, agents: list[list[str]]) -> None:
    loop = asyncio.get_running_loop()
    for start in range(0, len(agents), AT_ONCE):
        await asyncio.gather(
            *(
                loop.create_connection(
                    lambda number=number, token=token, tag=tag: Waiting(  # type: ignore[misc]
                        number, _request(token, tag, seconds)
                    ),
                    "127.0.0.1",
                    port,
                )
                for number, (token, tag) in enumerate(agents[start : start + AT_ONCE], start)
            )
        )
        await asyncio.sleep(0.05)
    print("waiting", flush=True)
    while True:
        await asyncio.sleep(1)
        while _there:
            number, status, at = _there.pop()
            print(number, status, f"{at:.6f}")
        sys.stdout.flush()


def _request(token: str, tag: str, seconds: int) -> bytes:
    return (
        f"GET /api/v1/policy HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"If-None-Match: {tag}\r\nPrefer: wait={seconds}\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_wait(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.stdin.readline())))
