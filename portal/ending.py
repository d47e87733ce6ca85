"""A worker that `up` started ends with it, also where the signal that says so came to nothing.

The kernel sends one when `up` is killed. What a worker makes of it depends on how far its start has
come; one that was about to connect to Redis, which had ended as well, went on trying for ever.
"""

import os
import signal
import threading
import time
from typing import Any, Final

from celery import bootsteps

SUPERVISOR: Final = "SAYSO_SUPERVISOR"
"""Names `up`'s process to what it starts. Nobody else's end is taken for a reason to end."""
LOOK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 5.0
"""For ending in order: what is cut off then is owed still, and done by the next worker."""


class EndStep(bootsteps.StartStopStep):
    """Watches whether `up` is there; after the pool has forked, as a thread must not be before."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        """Begin to watch, where there is anybody to watch."""
        supervisor = int(os.environ.get(SUPERVISOR, "0"))
        if supervisor:
            threading.Thread(
                target=_end_after, args=(supervisor,), name="end with up", daemon=True
            ).start()

    def stop(self, worker: Any) -> None:
        """Watch on: a stop may take longer than it should, and nobody may be left."""


def _end_after(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(LOOK_SECONDS)
    time.sleep(GRACE_SECONDS)
    if os.getpgrp() == os.getpid():  # `up` gives each program a group of its own
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
