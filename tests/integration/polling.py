"""What the tests of the policy endpoint share: polls through the real ASGI application."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from tests import factories

PATH = "/api/v1/policy"


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def document(self) -> dict[str, Any]:
        payload = self.body.split(b".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=="))
        return found

    @property
    def allows(self) -> bool:
        """Whether a 200 allows anything."""
        return bool(self.document["allow"])


def enrolled(subject: Any) -> tuple[Any, str]:
    """An agent of the subject and its token."""
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    agent = factories.make_agent(subject)
    token = new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(token))
    return agent, token


class Portal:
    """The ASGI application in an event loop of its own, as a server would run it."""

    def __init__(self) -> None:
        from django.db import connections

        # As with the pool of a real server: a thread gives its connection back after each question,
        # and leaves none open behind it when it ends.
        self._kept = {alias: db["CONN_MAX_AGE"] for alias, db in connections.databases.items()}
        for db in connections.databases.values():
            db["CONN_MAX_AGE"] = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.app = self.do(self._make())
        self.endpoint = self.app._endpoint

    async def _make(self) -> Any:
        from portal.endpoint.asgi import PolicyFirst, _begin

        app = PolicyFirst(_nowhere)
        app._endpoint = _begin()
        return app

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(40)

    def begin(self, token: str | None, etag: str | None = None, prefer: str | None = None) -> Any:
        """Start a poll; its `result()` is what was said."""
        return asyncio.run_coroutine_threadsafe(ask(self.app, token, etag, prefer), self.loop)

    def poll(self, token: str | None, etag: str | None = None, prefer: str | None = None) -> Said:
        said: Said = self.begin(token, etag, prefer).result(40)
        return said

    @property
    def believes_redis(self) -> bool:
        return self.endpoint.shared.watch.usable() is not None

    def wait_for_fence(self, held: bool = True, seconds: float = 10) -> None:
        wait_until(lambda: self.believes_redis is held, seconds)

    def close(self) -> None:
        self.do(self.endpoint.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        gc.collect()
        from django.db import connections

        for alias, seconds in self._kept.items():
            connections.databases[alias]["CONN_MAX_AGE"] = seconds


async def ask(
    app: Any, token: str | None, etag: str | None = None, prefer: str | None = None
) -> Said:
    """One request through an ASGI application."""
    headers = [(b"host", b"127.0.0.1")]
    if token is not None:
        headers.append((b"authorization", b"Bearer " + token.encode()))
    if etag is not None:
        headers.append((b"if-none-match", etag.encode()))
    if prefer is not None:
        headers.append((b"prefer", prefer.encode()))
    scope = {
        "type": "http",
        "method": "GET",
        "path": PATH,
        "headers": headers,
        "query_string": b"",
    }
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, _silence, send)
    start = messages[0]
    return Said(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(m["body"] for m in messages[1:]),
    )


async def _silence() -> Any:
    await asyncio.sleep(3600)


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a poll was handed on")


def wait_until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
