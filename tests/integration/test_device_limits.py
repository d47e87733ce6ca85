"""The device flow in an office behind one address: nobody is in another's way, nobody can guess."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests import factories

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def world(database: Any, monkeypatch: pytest.MonkeyPatch) -> factories.World:
    from portal.pages import approve

    approve.buckets.cache_clear()
    monkeypatch.setattr(approve, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    return factories.make_world()


def start(address: str = "203.0.113.7") -> Any:
    return Client(REMOTE_ADDR=address).post(
        "/identity/o/api/device/code",
        urlencode({"client_id": "sayso-agent", "scope": "openid"}),
        content_type=FORM,
    )


def browser(world: factories.World, name: str) -> Client:
    from portal.models import User

    user = User.objects.create_user(
        f"{name}@example.org", None, name=name, subject=world.another_subject()
    )
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def look_up(client: Client, code: str) -> str:
    return client.get("/identity/o/device", {"code": code}).content.decode()


def test_a_whole_office_enrols_from_one_address(world: factories.World) -> None:
    """More people in a minute than any limit by the address of old allowed."""
    for number in range(40):
        code = start().json()["user_code"]
        client = browser(world, f"p{number}")
        assert "confirm" in look_up(client, code)
        client.post(f"/identity/o/device?code={code}", {"action": "confirm"})
        assert "confirm" not in look_up(client, code), "it is used up"


def test_one_login_cannot_guess(world: factories.World) -> None:
    code = start().json()["user_code"]
    thief = browser(world, "thief")
    for guess in range(20):
        look_up(thief, f"BCDF-{guess:04}")

    assert "confirm" not in look_up(thief, code), "not even with the right one"
    assert "confirm" in look_up(browser(world, "owner"), code), "others at the address may"


def test_no_code_is_lost_while_a_fleet_is_typed_in(world: factories.World) -> None:
    codes = [start().json()["user_code"] for _ in range(200)]

    client = browser(world, "it")
    assert "confirm" in look_up(client, codes[0])
    assert "confirm" in look_up(client, codes[100])
    assert "confirm" in look_up(client, codes[-1])


def test_one_address_cannot_fill_the_database(world: factories.World, settings: Any) -> None:
    from portal.pages import approve

    settings.DEVICE_CODES_PER_ADDRESS = 5
    approve.buckets.cache_clear()

    answers = [start() for _ in range(6)]

    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[-1].json() == {"error": "slow_down"}
    assert int(answers[-1]["Retry-After"]) >= 1
    assert start("203.0.113.8").status_code == 200
    approve.buckets.cache_clear()
