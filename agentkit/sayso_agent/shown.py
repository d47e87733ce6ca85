"""The visible state of a run: one line at each change, `status.json`, and the state command."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.agent import Agent
from sayso_agent.plain import status_line
from sayso_agent.state import StateCommand, state_word

SAVE_EVERY: Final = 5.0
"""How old the counts of `status` may be while the line stays the same, in seconds."""


@dataclass(slots=True)
class Shown:
    """Says what is recorded, whenever that changes, and at last that the agent has stopped."""

    agent: Agent
    say: Callable[[str], None]
    command: StateCommand | None = None
    said: str = ""
    _shown: object = None  # what the line was made from
    _counts: tuple[int, ...] = ()
    _saved: float = 0.0

    def show(self) -> None:
        """Say what is recorded now, if that is news; save the counts every few seconds."""
        agent = self.agent
        if (standing := agent.standing()) == self._shown:
            self._tell(self.said)
            return
        self._shown = standing
        rules = agent.rules
        names = {code: app.name for code, app in rules.policy.apps.items()} if rules else {}
        self._tell(status_line(agent.recordable(), names, agent.until(), agent.why_not()))

    def end(self) -> None:
        """Say that nothing is recorded any more, by all ways, and wait a little for the command."""
        self.agent.ended = True
        if self.command is not None:
            self.command.wait()  # one still on its way must not be the last to show its state
        self._tell(status_line([], {}, 0.0, "agent_stopped"))
        if self.command is not None:
            self.command.wait()

    def _tell(self, line: str) -> None:
        now, counts = time.monotonic(), self._counted()
        news = line != self.said
        if news or (counts != self._counts and now >= self._saved + SAVE_EVERY):
            self._counts, self._saved = counts, now
            self.agent.home.save_status(self._status(line))
        if news:
            self.said = line
            self.say(line)
            if self.command is not None:
                self.command.tell(self._word(), line)

    def _counted(self) -> tuple[int, ...]:
        agent = self.agent
        capture, done = agent.capture, agent.uploaded
        return (capture.kept.total(), capture.dropped.total(), done.admitted, done.refused.total())

    def _word(self) -> str:
        agent = self.agent
        policy = agent.policy
        paused = agent.home.paused() or bool(policy and policy.paused)
        return state_word(recording=bool(agent.recordable()), paused=paused)

    def _status(self, line: str) -> dict[str, Any]:
        agent = self.agent
        rules = agent.rules
        return {
            "line": line,
            "state": self._word(),
            "why": agent.why_not(),
            "at": time.time(),
            "version": rules.policy.version if rules else None,
            "lease_until": rules.lease.until if rules else None,
            "kept": dict(agent.capture.kept),
            "dropped": dict(agent.capture.dropped),
            "batches_admitted": agent.uploaded.admitted,
            "batches_refused": dict(agent.uploaded.refused),
        }
