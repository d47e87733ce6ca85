"""An agent that is killed over and over: started by `test_agent_killed`, with a home and a seed."""

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sayso_agent import Agent, Event, WindowFacts
from sayso_agent.run import Pace, Runner

TRACKER = WindowFacts(platform="web", host="tracker.example.com", private=False)


def happenings(life: int) -> Iterator[Event]:
    """Clicks, each of them told apart by its place, and now and then a line that was typed."""
    for number in itertools.count():
        yield Event("mouse_click", TRACKER, {"x": number, "y": life, "action": "click"})
        if number % 7 == 0:
            text = f"canary of life {life}"
            yield Event("key_content", TRACKER, {"text": text}, secure=False, settles=True)
        time.sleep(0.002)


def live(folder: Path, life: int) -> None:
    runner = Runner(Agent(folder), lambda _: None, Pace(poll=0.1, upload=0.1))
    runner.serve(live=happenings(life))


def main(folder: str, lives: int, seed: int) -> None:
    chance = random.Random(seed)
    for life in range(lives):
        child = os.fork()
        if child == 0:
            try:
                live(Path(folder), life)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.05, 0.4))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"life {life} ended by itself")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
