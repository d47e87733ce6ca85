"""From where somebody asks: of a proxy on this machine it is believed, of nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator

PASSWORD = "shown to this machine alone"
ELSEWHERE = "203.0.113.7"


@pytest.fixture
def demo(database: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_DATABASE_POOL", "no")  # as in this process
    settings.HOME = tmp_path
    account = {"label": "Employee", "email": "employee@company.example"}
    written = json.dumps({"password": PASSWORD, "accounts": [account]})
    (tmp_path / "demo-accounts.json").write_text(written, encoding="utf-8")


@async_to_sync
async def first_page(client: str, headers: list[tuple[bytes, bytes]]) -> str:
    from portal.asgi import application

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *headers],
        "client": (client, 40_000),
        "server": ("127.0.0.1", 8000),
    }
    asked = ApplicationCommunicator(application, scope)
    await asked.send_input({"type": "http.request", "body": b""})
    said = await asked.receive_output(30)
    assert said["status"] == 200
    body = b""
    while True:
        part = await asked.receive_output(30)
        body += part.get("body", b"")
        if not part.get("more_body"):
            await asked.wait()
            return body.decode()


@pytest.mark.parametrize(
    ("client", "forwarded", "is_shown"),
    [
        ("127.0.0.1", None, True),
        ("127.0.0.1", ELSEWHERE, False),
        (ELSEWHERE, None, False),
        (ELSEWHERE, "127.0.0.1", False),
    ],
)
def test_demo_passwords_are_shown_to_this_very_machine(
    demo: None, client: str, forwarded: str | None, is_shown: bool
) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []

    assert (PASSWORD in first_page(client, headers)) is is_shown
