"""HTTP of the kit's portal: a request as it came, and answers that may drip or break off."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


def reply(status: int, value: Any) -> Answer:
    """Return an answer in JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def problem(status: int, code: str, *, retry_after: int | None = None, **more: Any) -> Answer:
    """Return a refusal (RFC 9457)."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    value = {"type": "about:blank", "title": code, "status": status, "code": code, **more}
    return status, headers, json.dumps(value).encode()


TRUNCATED: Final = {"X-Truncate": "1"}
SLOW: Final = {"X-Slow": "1"}
LOST: Final = {"X-Lost": "1"}


def handler(
    respond: Callable[[Seen], Answer], recovered: Callable[[], bool], now: Callable[[], float]
) -> type[BaseHTTPRequestHandler]:
    """Return a handler that asks `respond` and dates answers by `now`; slow answers break off once
    it has `recovered`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, sent, data = respond(Seen(self.command, self.path, headers, body))
            if "X-Lost" in sent:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if "X-Truncate" in sent:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif "X-Slow" in sent:
                self._drip(data)
            else:
                with suppress(OSError):  # an agent that has heard enough hangs up
                    self.wfile.write(data)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(now() if timestamp is None else timestamp)

        def _drip(self, data: bytes) -> None:
            try:
                for i in range(len(data)):
                    if recovered():
                        self.close_connection = True  # who waits for a slow answer asks anew
                        return
                    self.wfile.write(data[i : i + 1])
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = _serve  # noqa: N815  the base class wants these names

        def handle(self) -> None:
            with suppress(ConnectionError):  # an agent that has heard enough hangs up
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
