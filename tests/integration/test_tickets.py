"""Tickets for fleets: who comes with one is denied everything until a person approves."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.integration.agents import ENROL, P256, Ed25519, Key, b64, code_of, poll, proof
from tests.integration.polling import Portal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    from portal.api import rotation
    from portal.pages import fleet

    settings.POLICY_BURST = 1_000_000
    rotation._buckets._full_at.clear()
    fleet._buckets._full_at.clear()
    made = factories.make_world()
    made.say_yes()
    return made


@pytest.fixture
def employee(world: factories.World) -> Client:
    return browser_of("a@example.org", subject=world.subject)


def browser_of(email: str, *, subject: Any = None, role: str = "") -> Client:
    from portal.appointments import grant_role
    from portal.models import Role, User

    user = User.objects.create_user(email, None, name="A", subject=subject)
    if role:
        grant_role(user=user, role=Role(role), actor=factories.OFFICER)
    browser = Client()
    browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return browser


def ticket(**differs: Any) -> tuple[Any, str]:
    from portal.fleet.tickets import make_ticket

    wanted = {"label": "laptops", "serial": "", "site": "north", "places": 1, "days": 7, **differs}
    made, handed = make_ticket(actor=factories.OFFICER, **wanted)
    return made, secret_in(handed)


def secret_in(handed: str) -> str:
    """What a machine shows of its ticket: all but the thumbprint of the root behind the dot."""
    return handed.partition(".")[0]


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


# --- the way of a machine ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Ed25519, P256])
def test_a_machine_waits_denied_and_is_then_its_persons(
    world: factories.World, employee: Client, kind: Any
) -> None:
    at_site(world.subject)
    waiting = enrol(ticket()[1], kind())
    assert waiting.status == 201, waiting.said

    before = poll(waiting.token)
    again = poll(waiting.token, before["ETag"])
    approve(employee, waiting)
    after = poll(waiting.token)

    assert document(before)["allow"] == []
    assert document(before)["sessions"] == document(after)["sessions"] == ["own"]
    assert document(before)["aud"] == waiting.said["agent"] == document(after)["aud"]
    assert again.status_code == 304
    assert document(after)["allow"]
    assert document(after)["version"] > document(before)["version"]


def test_the_policy_of_a_waiting_machine_is_answered_alike_ahead_of_django(
    world: factories.World, employee: Client
) -> None:
    at_site(world.subject)
    waiting = enrol(ticket()[1])
    running = Portal()
    try:
        running.wait_for_fence()
        said = running.poll(waiting.token)
        plain = poll(waiting.token)
        assert said.body == plain.content
        assert running.poll(waiting.token, said.etag, "wait=5").status == 304
        approve(employee, waiting)
        assert running.poll(waiting.token, said.etag).allows
    finally:
        running.close()


def test_a_waiting_machine_can_do_nothing_else(world: Any) -> None:
    waiting = enrol(ticket()[1])

    for path in ("policy/ack", "batches", "explain", "agents/token"):
        answer = Client().post(
            f"/api/v1/{path}",
            {},
            content_type="application/json",
            headers={"Authorization": f"Bearer {waiting.token}"},
        )
        assert code_of(answer) == (409, "machine_waiting"), path


def test_a_machine_that_its_person_denies_is_cut_off(
    world: factories.World, employee: Client
) -> None:
    waiting = enrol(ticket()[1])

    approve(employee, waiting, "deny")

    assert code_of(poll(waiting.token)) == (403, "agent_revoked")
    assert approve(employee, waiting).status_code == 404


# --- what a ticket is good for -------------------------------------------------------------------


def test_a_ticket_is_good_for_as_many_machines_as_it_says(world: Any) -> None:
    made, secret = ticket(places=2)

    assert [enrol(secret).status for _ in range(3)] == [201, 201, 403]
    made.refresh_from_db()
    assert made.used == 2
    assert made.last_used_at is not None


def test_the_same_machine_may_ask_again_where_its_answer_got_lost(world: Any) -> None:
    made, secret = ticket()
    key = Ed25519()
    lost = enrol(secret, key)

    heard = enrol(secret, key)

    assert heard.status == 201
    assert heard.said["agent"] == lost.said["agent"]
    assert poll(heard.token).status_code == 200
    assert code_of(poll(lost.token)) == (401, "token_unknown")
    made.refresh_from_db()
    assert made.used == 1


def test_a_ticket_brings_the_root_that_the_machine_is_to_believe(world: Any) -> None:
    from portal.fleet.tickets import make_ticket

    wanted = {"label": "x", "serial": "", "site": "north", "places": 1, "days": 7}
    _made, handed = make_ticket(actor=factories.OFFICER, **wanted)

    secret, _, root = handed.partition(".")
    assert enrol(secret).said["root"] == root
    assert len(root) == 43


def test_a_ticket_for_a_serial_number_is_good_for_no_other(world: Any, database: Any) -> None:
    _made, secret = ticket(serial="C02-Test", site="")

    assert enrol(secret, serial="C02-OTHER").said["code"] == "ticket_refused"
    assert enrol(secret).said["code"] == "ticket_refused"
    assert enrol(secret, serial=" c02-test ").status == 201
    row = database.sql("SELECT t::text FROM portal_enrolmentticket t")[0][0]
    assert "c02-test" not in row.lower()
    assert secret not in row


def test_an_expired_a_revoked_and_an_unknown_ticket_are_refused_alike(world: Any) -> None:
    from portal.fleet.tickets import revoke_ticket

    revoked, one = ticket()
    _expired, two = ticket(days=0)
    revoke_ticket(uuid=revoked.uuid, actor=factories.OFFICER)

    refusals = [enrol(secret) for secret in (one, two, "set_" + "x" * 43)]

    assert {(r.status, r.said["code"], r.said["detail"]) for r in refusals} == {
        (403, "ticket_refused", refusals[0].said["detail"])
    }


def test_the_end_of_a_ticket_is_that_of_those_who_wait_not_of_those_approved(
    world: factories.World, employee: Client
) -> None:
    from portal.fleet.tickets import revoke_ticket

    at_site(world.subject)
    made, secret = ticket(places=2)
    approved, left = enrol(secret), enrol(secret)
    approve(employee, approved)

    revoke_ticket(uuid=made.uuid, actor=factories.OFFICER)

    assert poll(approved.token).status_code == 200
    assert code_of(poll(left.token)) == (403, "agent_revoked")
    assert approve(employee, left).status_code == 404


def test_who_does_not_work_at_the_site_cannot_approve(
    world: factories.World, employee: Client
) -> None:
    waiting = enrol(ticket()[1])
    at_site(world.subject, "south")

    assert approve(employee, waiting).status_code == 403
    assert document(poll(waiting.token))["allow"] == []


def test_a_proof_by_another_key_brings_no_place(world: Any) -> None:
    made, secret = ticket()

    refused = enrol(secret, proof=proof(Ed25519(), secret, ENROL))

    assert refused.said["code"] == "proof_invalid"
    made.refresh_from_db()
    assert made.used == 0


def test_a_machine_that_waited_too_long_is_cut_off(world: Any) -> None:
    from portal.fleet.models import PendingMachine

    waiting = enrol(ticket()[1])
    PendingMachine.objects.update(expires_at=timezone.now())

    assert code_of(poll(waiting.token)) == (403, "agent_revoked")


# --- bound to a cohort ---------------------------------------------------------------------------


def cohort_of_ten(world: factories.World) -> Any:
    """The cohort of the world's person, with enough people that it may be named."""
    for _ in range(9):
        world.another_subject()
    world.subject.refresh_from_db()
    return world.subject.cohort


def test_a_ticket_for_a_cohort_is_approved_by_its_people_and_no_others(
    world: factories.World, employee: Client
) -> None:
    cohort = cohort_of_ten(world)
    _made, secret = ticket(site="", cohort=cohort, places=2)
    one, other = enrol(secret), enrol(secret)
    stranger = browser_of("s@example.org", subject=world.another_subject("FR"))

    refused = approve(stranger, one)
    page = refused.content.decode()

    assert refused.status_code == 403
    assert "people of another group: Ireland" in page
    assert "Compare what is recorded about you" in page
    assert document(poll(one.token))["allow"] == []
    approve(employee, other)
    assert document(poll(other.token))["aud"] == other.said["agent"]


def test_who_moved_today_is_of_the_new_cohort_at_once(
    world: factories.World, employee: Client
) -> None:
    from consent import services

    cohort = cohort_of_ten(world)
    waiting = enrol(ticket(site="", cohort=cohort)[1])

    services.record_fact(
        subject=world.subject,
        kind="work_location",
        value="FR",
        valid_from=timezone.now().date(),
        source="test",
        actor=factories.OFFICER,
    )

    assert approve(employee, waiting).status_code == 403


def test_a_cohort_of_few_is_offered_nowhere(world: factories.World) -> None:
    from portal.fleet import groups

    cohort_of_ten(world)
    world.another_subject("FR")
    officer = browser_of("o@example.org", role="operator")

    page = officer.get("/privacy/tickets/").content.decode()

    assert [cohort.facts["jurisdictions"] for cohort in groups.offered()] == [["IE"]]
    assert "Ireland" in page
    assert "France" not in page


def test_the_page_and_the_command_make_a_ticket_for_a_cohort(world: factories.World) -> None:
    from portal.fleet.models import EnrolmentTicket

    cohort = cohort_of_ten(world)
    officer = browser_of("o@example.org", role="privacy_officer")
    wanted = {"label": "x", "serial": "", "site": "", "cohort": cohort.pk, "places": 3, "days": 5}

    page = officer.post("/privacy/tickets/", wanted).content.decode()
    out = io.StringIO()
    call_command("ticket", "--cohorts", stdout=out)
    digits = out.getvalue().split()[0]
    call_command(
        "ticket", "--make", "y", "--cohort", digits, stdout=io.StringIO(), stderr=io.StringIO()
    )

    assert "Ireland (IE) ·" in page
    assert [row.cohort for row in EnrolmentTicket.objects.all()] == [cohort, cohort]
    both = {**wanted, "site": "north"}
    assert officer.post("/privacy/tickets/", both).status_code == 422
    with pytest.raises(CommandError):
        call_command("ticket", "--make", "z", "--cohort", "0000", stdout=io.StringIO())


# --- the API ------------------------------------------------------------------------------------


def service(scope: str = "tickets") -> Client:
    from portal.models import ServiceToken
    from portal.service_tokens import give_token

    token = give_token(name="mdm", scope=ServiceToken.Scope(scope), actor=factories.OFFICER)
    return Client(HTTP_AUTHORIZATION=f"Bearer {token}")


def ask(client: Client, **wanted: Any) -> Any:
    return client.post("/api/v1/tickets", wanted, content_type="application/json")


def test_a_system_makes_tickets_of_each_kind(world: factories.World, employee: Client) -> None:
    cohort = cohort_of_ten(world)
    mdm = service()

    (listed,) = mdm.get("/api/v1/tickets/cohorts").json()
    made = [
        ask(mdm, label="a", serial="C02-1"),
        ask(mdm, label="b", site="north", places=5),
        ask(mdm, label="c", cohort=listed["cohort"], places=5, days=3),
    ]

    assert [one.status_code for one in made] == [201, 201, 201], made[0].content
    assert listed == {"cohort": cohort.digest, "people_of": "Ireland (IE)"}
    waiting = enrol(secret_in(made[2].json()["ticket"]))
    assert approve(employee, waiting).status_code == 302


def test_the_api_says_what_is_wrong_with_a_ticket(world: factories.World) -> None:
    cohort_of_ten(world)
    mdm = service()

    assert code_of(ask(mdm, label="x")) == (422, "ticket_unbound")
    assert code_of(ask(mdm, label="x", site="a", serial="b")) == (422, "ticket_unbound")
    assert code_of(ask(mdm, label="x", serial="b", places=2)) == (422, "ticket_of_many")
    assert code_of(ask(mdm, label="x", cohort="0" * 64)) == (404, "cohort_unknown")
    assert code_of(ask(mdm, label="x", sight="a")) == (400, "invalid_request")


def test_nobody_else_makes_tickets_by_the_api(world: factories.World, employee: Client) -> None:
    from portal.fleet.models import EnrolmentTicket

    assert code_of(ask(Client(), label="x", site="a")) == (401, "token_unknown")
    assert code_of(ask(service("facts"), label="x", site="a")) == (401, "token_unknown")
    assert code_of(ask(employee, label="x", site="a")) == (403, "role_missing")
    assert not EnrolmentTicket.objects.exists()


# --- pages and command ---------------------------------------------------------------------------


def test_a_ticket_is_shown_once_and_listed_without_saying_whose(
    world: factories.World, employee: Client
) -> None:
    officer = browser_of("o@example.org", role="privacy_officer")
    at_site(world.subject)
    wanted = {"label": "north", "serial": "", "site": "north", "places": 3, "days": 5}
    page = officer.post("/privacy/tickets/", wanted).content.decode()
    handed = page.partition("set_")[2].partition("<")[0]
    secret = secret_in(handed)
    waiting = enrol("set_" + secret)
    before = officer.get("/privacy/tickets/").content.decode()

    approve(employee, waiting)
    after = officer.get("/privacy/tickets/").content.decode()

    assert secret not in before
    assert "used 1 of 3" in before
    assert _without_form_token(before) == _without_form_token(after), "it tells of an approval"


def _without_form_token(page: str) -> str:
    import re

    return re.sub(r'(name="csrfmiddlewaretoken" value|data-csrf|nonce)="[^"]*"', "", page)


def test_a_ticket_for_anything_is_not_made(world: Any) -> None:
    from portal.fleet.models import EnrolmentTicket

    operator = browser_of("p@example.org", role="operator")
    for serial, site in (("", ""), ("C02", "north")):
        body = {"label": "x", "serial": serial, "site": site, "places": 1, "days": 5}
        assert operator.post("/privacy/tickets/", body).status_code == 422
    assert not EnrolmentTicket.objects.exists()


def test_nobody_else_sees_tickets(world: Any, employee: Client) -> None:
    manager = browser_of("m@example.org", role="manager")

    assert employee.get("/privacy/tickets/").status_code == 403
    assert manager.get("/privacy/tickets/").status_code == 403


def test_the_command_makes_lists_and_ends(world: Any) -> None:
    from portal.fleet.models import EnrolmentTicket

    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("ticket", *arguments, stdout=out, stderr=io.StringIO())
        return out.getvalue().strip()

    secret = secret_in(run("--make", "north", "--site", "north", "--places", "2"))
    made = EnrolmentTicket.objects.get()
    assert enrol(secret).status == 201
    assert "north, 1/2" in run()
    run("--end", str(made.uuid))

    assert enrol(secret).status == 403
    with pytest.raises(CommandError):
        run("--make", "anything")


def test_codes_are_not_to_be_guessed(
    world: Any, employee: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.pages import fleet

    monkeypatch.setattr(fleet, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    answers = [
        employee.get("/you/machines/approve/", {"code": f"BBBB-CCCC-{n:04}"}) for n in range(21)
    ]

    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429


def test_each_step_of_a_ticket_is_in_the_ledger(world: Any, database: Any) -> None:
    from portal.fleet.tickets import revoke_ticket

    made, secret = ticket()
    enrol(secret)
    revoke_ticket(uuid=made.uuid, actor=factories.OFFICER)
    revoke_ticket(uuid=made.uuid, actor=factories.OFFICER)

    types = database.sql("SELECT type FROM audit_entry WHERE type LIKE 'ticket.%' ORDER BY id")
    assert types == [("ticket.made",), ("ticket.used",), ("ticket.revoked",)]
