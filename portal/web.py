"""The web process, as `up` starts it: uvicorn with our settings. `python -m portal.web --help`."""

import argparse
import contextlib
import gc
import os
import socket
import sys
from typing import Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

import uvicorn
from django.conf import settings

APPLICATION: Final = "portal.asgi:application"
GRACE: Final = 5
"""Seconds that open answers get when the web stops."""
KEEP_ALIVE: Final = 75
"""Seconds a connection may idle: longer than agents pause, so that no poll needs a new one."""
PLAIN: Final = "portal.endpoint.heads:BoundedHeads"
FAST: Final = "portal.endpoint.protocol:PolicyProtocol"
YOUNG: Final = 10_000
"""Objects that may come before the collector looks at the young ones; some megabytes at most."""
STARTUP_FAILURE: Final = 3
"""The exit status that uvicorn's own command has where it could not start."""


def main(arguments: list[str]) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="portal.web", description=__doc__.partition(":")[0])
    parser.add_argument("--fd", type=int, help="the number of an open socket that listens")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--port", type=int, default=8000, help="the port to listen at")
    options = parser.parse_args(arguments)
    serve(APPLICATION, fd=options.fd, host=options.host, port=options.port)


def serve(application: str, *, fd: int | None, host: str = "", port: int = 0) -> None:
    """Serve an ASGI application at an open socket, or at an address."""
    # Before the settings are read: else each thread had a connection of its own, and a crowd
    # of machines took all there are.
    os.environ.setdefault("SAYSO_DATABASE_POOL", "yes")
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=FAST if settings.POLICY_FAST else PLAIN,
        server_header=False,
        proxy_headers=False,  # the application reads them itself, behind what polls need
        access_log=False,  # addresses of people stay out
        log_config=None,  # Django's is ours
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    config.load_app()  # sets Django up, which the protocol needs
    settle_down()
    server = uvicorn.Server(config)
    # Not by its number: uvicorn takes that for a Unix socket, and a TCP connection that is served
    # as one holds the body of an answer back until its head is acknowledged, 40 ms and more.
    sockets = None if fd is None else [socket.socket(fileno=fd)]
    with contextlib.suppress(KeyboardInterrupt):  # told to stop, and stopped
        server.run(sockets)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def settle_down() -> None:
    """Let the garbage collector leave alone what is there for good, and look less often.

    Code, settings and URLs stay; to look through them again and again, each time some hundred
    objects came, takes time from every answer and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
