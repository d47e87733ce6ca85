"""Time that a test lets pass in this process, and a real web server in a thread of it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from socketserver import ThreadingMixIn
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest


class Travel:
    """Moves the clock by which the portal issues and signs; PostgreSQL's own stays."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        from django.utils import timezone

        from portal.endpoint import view

        self.ahead = timedelta(0)
        real = timezone.now
        clock = SimpleNamespace(time=self.time, monotonic=time.monotonic)
        patch.setattr(timezone, "now", lambda: real() + self.ahead)
        patch.setattr(view, "time", clock)

    def time(self) -> float:
        return time.time() + self.ahead.total_seconds()

    def pass_time(self, span: timedelta) -> None:
        from portal.policykeys import ring

        self.ahead += span
        ring.forget()

    def until(self, moment: datetime) -> None:
        """Go to a moment and a little beyond."""
        from django.utils import timezone

        self.pass_time(moment - timezone.now() + timedelta(seconds=1))


class AgentClock:
    """The clocks of an agent that travels along."""

    def __init__(self, travel: Travel) -> None:
        self._travel = travel

    def now(self) -> Any:
        from sayso_agent.lease import Instant

        ahead = self._travel.ahead.total_seconds()
        return Instant(time.monotonic() + ahead, time.time() + ahead)


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Website:
    """The portal's Django under a real HTTP server."""

    def __init__(self) -> None:
        from django.core.wsgi import get_wsgi_application

        self._server = make_server(
            "127.0.0.1", 0, get_wsgi_application(), server_class=_Threaded, handler_class=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
