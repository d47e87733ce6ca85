"""One agent under test on one portal that misbehaves: feeds events, and remembers what may arrive.

An event is known again by a number: `x` of a click, or `zq` and the number inside a text. Whether
it may arrive is said when it is fed, never found out from the agent.
"""

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sayso_agent.conformance.portal import AGENT, FakePortal, allow
from sayso_agent.conformance.report import NEVER_ASKED
from sayso_agent.conformance.wire import Seen
from sayso_agent.machine import account

PATIENCE: Final = 20.0
LONGEST_END: Final = 15.0
_TURN: Final = 0.03
_MARK: Final = re.compile(rb'"x"\s*:\s*(\d{6})(?!\d)|zq(\d{6})(?!\d)')

TRACKER: Final = {"platform": "web", "host": "tracker.example.com", "private": False}
EXPENSES: Final = {"platform": "web", "host": "expenses.example.com", "private": False}
PEOPLE: Final = {"platform": "web", "host": "hr.example.com", "private": False}
NATIVE: Final = {"platform": "linux", "executable": "tracker"}

POLICY: Final = "/api/v1/policy"
BATCHES: Final = "/api/v1/batches"
ALLOWED: Final = [allow("tracker", "mouse_click", "scroll")]
HELD: Final = 3600
"""An embargo that no play outlives, in seconds."""


def _said(acknowledgement: Mapping[str, Any]) -> int:
    version = acknowledgement.get("version")
    return version if isinstance(version, int) else 0


def arrived(bodies: Iterable[bytes]) -> set[int]:
    """Return the numbers of all events that are in what was sent, refused batches too."""
    return {int(x or zq) for body in bodies for x, zq in _MARK.findall(body)}


@dataclass
class Program:
    """The agent's process: events on its standard input, the portal's addresses in its environment.

    `state` is a folder that stays when it is started again.
    """

    words: Sequence[str]
    environment: dict[str, str]
    log: IO[bytes]
    process: "subprocess.Popen[bytes] | None" = None
    ended: int | None = None  # its exit code, where it ended before its input did

    def start(self) -> None:
        """Start it."""
        # The command is what the person who runs the kit wants to have tested.
        self.process = subprocess.Popen(  # noqa: S603
            self.words,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
        )

    def feed(self, line: bytes) -> None:
        """Give it one line; an agent that has ended misses it."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError, ValueError):
                self.process.stdin.write(line + b"\n")
                self.process.stdin.flush()

    def running(self) -> bool:
        """Return whether it still runs."""
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """End its input, give it time to hand in what it may, then end it."""
        process = self.process
        if process is None:
            return
        if process.stdin and not process.stdin.closed:
            self.ended = process.poll()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        for end in (None, process.terminate, process.kill):
            if end:
                end()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LONGEST_END)
                return


Play = Callable[["Stage"], None]
Told = tuple[str, str, Play]
"""A scenario's name, the question that it answers, and how it is played."""


@dataclass
class Stage:
    """What a scenario plays on."""

    portal: FakePortal
    program: Program
    patience: float = PATIENCE
    must: dict[int, str] = field(default_factory=dict)
    must_not: dict[int, str] = field(default_factory=dict)
    fed: dict[int, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(710_001))

    def begin(self, **policy: Any) -> None:
        """Start the agent under a policy and wait until it obeys it."""
        self.portal.policy = {**self.portal.policy, **policy}
        self.program.start()
        self.until(lambda: self._polls() > 0 or not self.program.running())
        if self._polls() == 0:
            self.faults.append(NEVER_ASKED)
        self.obeyed()

    def decree(self, **policy: Any) -> None:
        """Give a newer, proper policy that differs in this, and wait until the agent obeys it."""
        self.portal.policy = {**self.portal.policy, **policy}
        self.portal.version += 1  # last: who asks in between gets the new policy as well
        self.obeyed()

    def obeyed(self) -> None:
        """Wait until the agent has acknowledged the version that stands, or a later one."""
        version, heard = self.portal.version, self.portal.acknowledgements
        self.until(lambda: any(_said(a) >= version for a in heard) or not self.program.running())

    def asked(self, times: int = 2) -> None:
        """Wait until the agent has asked twice: by then it has taken the first answer."""
        before = self._polls()
        self.until(lambda: self._polls() >= before + times or not self.program.running())
        time.sleep(0.2)

    def until(self, there: Callable[[], bool]) -> bool:
        """Wait for something, with patience; return whether it came."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if there():
                return True
            time.sleep(_TURN)
        return False

    def event(
        self,
        what: str,
        *,
        allowed: bool | None,
        beside: Any = None,  # a mapping
        **fields: Any,
    ) -> None:
        """Feed one event; `allowed` None means that nobody minds whether it arrives.

        What is `beside` its fields is fed as it is.
        """
        number = next(self._numbers)
        line = {"signal": "mouse_click", "window": TRACKER, **fields}
        if "text" in line:
            line["text"] = f"zq{number} {line['text']}"
        else:
            line |= {"x": number, "y": 1, "action": "click"}
        line |= beside or {}
        self.fed[number] = json.dumps(line)
        self.feed(line)
        if allowed is not None:
            (self.must if allowed else self.must_not)[number] = what

    def feed(self, line: Mapping[str, Any]) -> None:
        """Feed a line of no number: nobody asks whether it arrives."""
        self.program.feed(json.dumps(line).encode())

    def fault(self, text: str, *, given: object = True) -> None:
        """Note what went wrong, where it is `given`."""
        if given:
            self.faults.append(text)

    @property
    def folder(self) -> Path:
        """Return the agent's state folder."""
        return Path(self.program.environment["SAYSO_STATE"])

    def handed_in(self) -> list[Seen]:
        """Return every request that brought bytes of a batch."""
        return [seen for seen in self.portal.requests if seen.method == "PUT"]

    def announced(self) -> list[Seen]:
        """Return every request that brought a manifest."""
        posts = (seen for seen in self.portal.requests if seen.method == "POST")
        return [seen for seen in posts if seen.path == BATCHES]

    def lines(self) -> list[dict[str, Any]]:
        """Return every event that was handed in, refused ones too, in the order of capture."""
        found = [json.loads(line) for seen in self.handed_in() for line in seen.body.splitlines()]
        return sorted(found, key=lambda line: float(line["t"]))

    def restart(self) -> None:
        """End the agent and start it again on the same state."""
        self.program.end()
        self.program.start()

    def _polls(self) -> int:
        return self.portal.paths("GET").count("/api/v1/policy")

    def verdict(self) -> list[str]:
        """Return everything that went wrong."""
        leaked, missing = self._judged()
        return [
            *(f"arrived: {self.must_not[number]}" for number in leaked),
            *(f"missing: {self.must[number]}" for number in missing),
            *self.faults,
        ]

    def lines_of_wrong(self) -> list[str]:
        """Return the lines of the events that went wrong, as they were fed."""
        leaked, missing = self._judged()
        return [self.fed[number] for number in (*leaked, *missing)]

    def _judged(self) -> tuple[list[int], list[int]]:
        came = arrived(seen.body for seen in self.portal.requests)
        return [n for n in self.must_not if n in came], [n for n in self.must if n not in came]


def environment(portal: FakePortal, state: Path) -> dict[str, str]:
    """Return what the agent under test is told; see the contract in the kit's documentation."""
    found = portal.addresses()
    return {
        "SAYSO_PORTAL": portal.url,
        "SAYSO_ISSUER": found["issuer"],
        "SAYSO_AGENT": AGENT,
        "SAYSO_TOKEN": portal.token,
        "SAYSO_POLICY_URL": found["policy_url"],
        "SAYSO_ACK_URL": found["ack_url"],
        "SAYSO_BATCHES_URL": found["batches_url"],
        "SAYSO_JWKS_URL": found["jwks_url"],
        "SAYSO_MANIFEST_URL": found["manifest_url"],
        "SAYSO_ROOT": found["root"],
        "SAYSO_ACCOUNT": account(),
        "SAYSO_STATE": str(state),
    }
