"""The whole portal on a real socket, in a thread of the test: for clients that are real ones."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Iterator


class Quiet(WSGIRequestHandler):
    """One that writes no line for each request."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served_whole() -> Iterator[str]:
    """Serve until the block ends; the address is what comes out of it."""
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)

    def serve() -> None:
        try:
            server.serve_forever(0.02)
        finally:
            connections.close_all()  # each thread has its own

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
