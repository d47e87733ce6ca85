"""Small things the agent's tests are built from."""

import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent import Agent, Event, Instant, WindowFacts
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.machine import account
from sayso_agent.portal import Endpoints

AGENTKIT = Path(__file__).resolve().parents[2] / "agentkit"
RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
AGENT_ID = "7d1f6f0e-6a3c-4a43-8a38-0b6a2f6f7a11"

TRACKER = WindowFacts(platform="web", host="tracker.example.com", private=False)
EXPENSES = WindowFacts(platform="web", host="expenses.example.com", private=False)
PEOPLE = WindowFacts(platform="web", host="hr.example.com", private=False)


class FakeClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.monotonic = 5000.0
        self.wall = float(int(time.time()))

    def now(self) -> Instant:
        return Instant(self.monotonic, self.wall, "one start")

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


def enrolled(portal: FakePortal, folder: Path, clock: FakeClock | None = None) -> Agent:
    """An agent as if it had enrolled with the portal."""
    home = Home(folder)
    portal.agent = AGENT_ID
    if clock is not None:
        portal.now = lambda: clock.wall
    if not home.enrolled():
        found = portal.addresses()
        endpoints = Endpoints(
            found["policy_url"],
            found["ack_url"],
            found["batches_url"],
            found["manifest_url"],
            found["token_url"],
            found["key_url"],
        )
        identity = Identity(
            portal.url,
            portal.url,
            AGENT_ID,
            portal.token,
            "test",
            endpoints,
            found["root"],
            account=account(),
        )
        key = Ed25519PrivateKey.generate()
        portal.agent_key = key.public_key().public_bytes_raw()
        home.save_identity(identity, key)
    return Agent(folder, clock=clock)


def click(window: WindowFacts = TRACKER, **data: Any) -> Event:
    return Event("mouse_click", window, {"x": 1, "y": 2, "action": "click", **data})


def typed(text: str, window: WindowFacts = TRACKER, **more: Any) -> Event:
    return Event("key_content", window, {"text": text}, secure=False, **more)


def spooled(home: Home) -> list[dict[str, Any]]:
    """Every event in the spool, decrypted, with where it lies."""
    return [
        {"purpose": s.slot.purpose, "app": s.slot.app, **json.loads(record.line)}
        for s in home.spool.segments()
        for record in s.records
    ]
