"""The tick: a thread in every worker that does owed work, with or without Redis and beat."""

import logging
import threading
from typing import Any

from celery import bootsteps

logger = logging.getLogger(__name__)
LOCK = 7_215_001
"""The advisory lock that lets one worker's tick at a time look for work."""


class TickStep(bootsteps.StartStopStep):
    """Starts after the pool has forked and before the broker is asked for anything."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, worker: Any) -> None:
        """Begin ticking."""
        self.thread = threading.Thread(
            target=tick_until, args=(self.stopping,), name="tick", daemon=True
        )
        self.thread.start()

    def stop(self, worker: Any) -> None:
        """Let the slice at hand finish; what it leaves is found again by the next worker."""
        self.stopping.set()
        if self.thread:
            self.thread.join(timeout=10)


def tick_until(stopping: threading.Event) -> None:
    """Do owed work every TICK_SECONDS until told to stop; a lost database is waited for."""
    from django.conf import settings
    from django.db import close_old_connections, connection

    from portal.work import run_slice

    while not stopping.wait(settings.TICK_SECONDS):
        close_old_connections()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
                if not cursor.fetchone()[0]:
                    continue
                try:
                    while run_slice() and not stopping.is_set():
                        pass
                finally:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        except Exception:  # noqa: BLE001  a tick must outlive every fault of one round
            logger.warning("tick_failed")
            connection.close()
