"""Waking the workers early. Never waits, never fails: whoever hears nothing looks by themselves."""

import contextlib
import logging
import queue
import threading

logger = logging.getLogger(__name__)
_waiting: queue.Queue[str] = queue.Queue(maxsize=100)
_thread: threading.Thread | None = None
_lock = threading.Lock()


def work_owed() -> None:
    """Ask a worker to look at what is owed; returns at once, whether or not Redis is there."""
    _start()
    # Where a hundred nudges wait already, one more would say nothing new.
    with contextlib.suppress(queue.Full):
        _waiting.put_nowait("portal.tasks.work")


def _start() -> None:
    global _thread  # noqa: PLW0603  one sender per process, made at first need
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_send_all, name="nudge", daemon=True)
            _thread.start()


def _send_all() -> None:
    from portal.celery import app

    while True:
        task = _waiting.get()
        while not _waiting.empty():  # several decisions in a moment need one nudge
            _waiting.get_nowait()
        try:
            app.send_task(task, retry=False)
        except Exception:  # noqa: BLE001  whatever Redis does, the row in PostgreSQL stands
            logger.warning("nudge_not_sent task=%s", task)
