"""Tickets in tests: made, used by a machine, and approved by its person."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from django.test import Client

from tests import factories
from tests.integration.agents import ENROL, Ed25519, Key, b64, proof


def world_of_tickets(settings: Any) -> factories.World:
    """A world whose person said yes, with nothing slowed down."""
    from portal.api import rotation
    from portal.pages import fleet

    settings.POLICY_BURST = 1_000_000
    rotation._buckets._loose.clear()
    fleet._buckets._loose.clear()
    made = factories.make_world()
    made.say_yes()
    return made


def browser_of(email: str, *, subject: Any = None, role: str = "") -> Client:
    from portal.appointments import grant_role
    from portal.models import Role, User

    user = User.objects.create_user(email, None, name="A", subject=subject)
    if role:
        grant_role(user=user, role=Role(role), actor=factories.OFFICER)
    browser = Client()
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return browser


def make(**differs: Any) -> Any:
    from portal.fleet.sets import make_tickets

    wanted = {"label": "laptops", "site": "north", "days": 7, "request": uuid4(), **differs}
    return make_tickets(actor=factories.OFFICER, **wanted)


def ticket(**differs: Any) -> tuple[Any, str]:
    """One ticket, and what a machine shows of it."""
    made = make(**differs)
    return made.ticket_set.tickets.get(), secret_in(made.handed[0].ticket)


def secrets_of(count: int, **differs: Any) -> tuple[Any, list[str]]:
    """A set of tickets for a site, and what machines show of them."""
    made = make(count=count, **differs)
    return made.ticket_set, [secret_in(one.ticket) for one in made.handed]


def secret_in(handed: str) -> str:
    """What a machine shows of its ticket: all but the thumbprint of the root behind the dot."""
    return handed.partition(".")[0]


def end(row: Any) -> None:
    from portal.fleet.ending import end_ticket

    end_ticket(uuid=row.ticket_set.uuid, number=row.number, actor=factories.OFFICER)


@dataclass
class Waiting:
    """A machine's answer at enrolment."""

    status: int
    said: dict[str, Any]

    @property
    def token(self) -> str:
        token: str = self.said["token"]
        return token


def enrol(secret: str, key: Key | None = None, **differs: Any) -> Waiting:
    key = key or Ed25519()
    answer = Client().post(
        "/api/v1/agents",
        {
            "name": "laptop",
            "platform": "linux",
            "public_key": b64(key.public),
            "key_kind": key.kind,
            "proof": proof(key, secret, ENROL),
            **differs,
        },
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    return Waiting(answer.status_code, answer.json())


def approve(browser: Client, waiting: Waiting, action: str = "confirm") -> Any:
    body = {"code": waiting.said["code"], "action": action}
    return browser.post("/you/machines/approve/", body)


def document(response: Any) -> dict[str, Any]:
    payload = response.content.split(b".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + b"=="))
    return found


def at_site(subject: Any, site: str = "north") -> None:
    from consent import services

    services.record_fact(
        subject=subject,
        kind="site",
        value=site,
        valid_from=date(2020, 1, 1),
        source="test",
        actor=factories.OFFICER,
    )


def cohort_of_ten(world: factories.World) -> Any:
    """The cohort of the world's person, with enough people that it may be named."""
    for _ in range(9):
        world.another_subject()
    world.subject.refresh_from_db()
    return world.subject.cohort
