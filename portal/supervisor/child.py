"""One program under supervision: started, watched, started again with growing pauses."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.servers import process

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0


@dataclass
class Child:
    """A program that `launch` starts; `keep` says whether its end is to be repaired."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    stop_signal: int = signal.SIGTERM
    patience: float = 10.0
    keep: bool = True
    running: subprocess.Popen[bytes] | None = None
    _started: float = field(default=0.0, repr=False)
    _pause: float = field(default=FIRST_PAUSE, repr=False)
    _again_at: float | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it now."""
        self.running = self.launch()
        self._started, self._again_at = time.monotonic(), None

    def adopt(self, running: subprocess.Popen[bytes]) -> None:
        """Take over one that somebody else started and saw ready."""
        self.running, self._started = running, time.monotonic()

    def ended(self) -> int | None:
        """Return its status, once, when it has ended since the last call; else None."""
        if self.running is None or self.running.poll() is None:
            return None
        status = self.running.returncode
        process.kill_group(self.running)  # a killed worker leaves its pool behind
        self.running = None
        return status

    def plan_restart(self) -> float:
        """Decide when to start it again, later each time it fails soon; return the pause."""
        if time.monotonic() - self._started >= STEADY_AFTER:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self._again_at = time.monotonic() + pause
        return pause

    def due(self) -> bool:
        """Return whether a planned restart's time has come."""
        return self._again_at is not None and time.monotonic() >= self._again_at

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End it: its own signal first, the kernel's when patience is over or `hurry` says so."""
        if self.running is None:
            return
        running, self.running = self.running, None
        deadline = time.monotonic() + self.patience
        if running.poll() is None:
            running.send_signal(self.stop_signal)
        while running.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        process.kill_group(running)
        running.wait()


def describe(status: int) -> str:
    """Return how a program ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
