"""What the agent's tests share: a fake portal, an enrolled agent, a clock that is moved by hand."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

AGENTKIT = Path(__file__).resolve().parents[2] / "agentkit"
if str(AGENTKIT) not in sys.path:
    sys.path.insert(0, str(AGENTKIT))

from agent_helpers import FakeClock, enrolled
from sayso_agent import Agent
from sayso_agent.conformance.portal import FakePortal


@pytest.fixture
def portal() -> Iterator[FakePortal]:
    with FakePortal() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def agent(portal: FakePortal, clock: FakeClock, tmp_path: Path) -> Iterator[Agent]:
    """An enrolled agent whose clock stands still."""
    made = enrolled(portal, tmp_path / "home", clock)
    yield made
    made.close()
