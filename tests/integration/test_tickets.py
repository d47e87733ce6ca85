"""Tickets for fleets: who comes with one is denied everything until a person approves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.integration.agents import ENROL, P256, Ed25519, code_of, poll, proof
from tests.integration.polling import Portal
from tests.integration.ticketing import (
    Waiting,
    approve,
    at_site,
    browser_of,
    cohort_of_ten,
    document,
    end,
    enrol,
    make,
    secrets_of,
    ticket,
    world_of_tickets,
)

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    return world_of_tickets(settings)


@pytest.fixture
def employee(world: factories.World) -> Client:
    return browser_of("a@example.org", subject=world.subject)


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


def test_a_waiting_machine_is_offered_no_long_poll_as_it_gets_none(
    world: factories.World, employee: Client
) -> None:
    """Answered at once where a wait was offered, it would ask again at once: a fleet, for days."""
    at_site(world.subject)
    waiting = enrol(ticket()[1])
    running = Portal()
    try:
        before = running.poll(waiting.token)
        again = running.poll(waiting.token, before.etag, "wait=20")
        approve(employee, waiting)
        after = running.poll(waiting.token)
    finally:
        running.close()

    paces = [said.headers["policy-poll"] for said in (before, again, after)]
    assert paces == ["jitter=0.2", "jitter=0.2", "jitter=0.2, wait=30"]
    assert (again.status, before.document["poll_after"]) == (304, 30)


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


def test_a_ticket_is_good_for_one_machine(world: Any) -> None:
    made, (one, two) = secrets_of(2)

    assert [enrol(secret).status for secret in (one, one, two)] == [201, 403, 201]
    used = made.tickets.order_by("number").values_list("used", flat=True)
    assert list(used) == [1, 1]
    assert made.tickets.get(number=1).last_used_at is not None


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
    assert made.shown_again_at is None


def test_a_machine_whose_answer_got_lost_is_not_lost_with_the_time_of_its_ticket(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.fleet import tickets

    _made, secret = ticket(days=1)
    key = Ed25519()
    lost = enrol(secret, key)
    later = timezone.now() + timedelta(days=2)
    monkeypatch.setattr(tickets, "timezone", SimpleNamespace(now=lambda: later))

    heard = enrol(secret, key)

    assert heard.status == 201
    assert heard.said["agent"] == lost.said["agent"]
    assert enrol(ticket(days=1)[1]).said["code"] == "ticket_refused"


def test_a_spent_ticket_that_another_machine_shows_raises_an_alarm_once(
    world: factories.World, employee: Client, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    at_site(world.subject)
    made, secret = ticket()
    first = enrol(secret)

    others = [enrol(secret) for _ in range(2)]

    assert {(r.status, r.said["code"]) for r in others} == {(403, "ticket_refused")}
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == ["ticket_shown_again"]
    told = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'ticket.shown_again'")
    assert told == [(1,)]
    operator = browser_of("op@example.org", role="operator")
    listed = operator.get("/privacy/tickets/").content.decode()
    assert "Tickets that two machines showed" in listed
    assert f'/privacy/tickets/{made.ticket_set.uuid}/?after=0">laptops, ticket 1</a>' in listed
    page = employee.get("/you/machines/approve/", {"code": first.said["code"]}).content.decode()
    assert "Another machine showed the same ticket" in page
    assert approve(employee, first).status_code == 302, "whose it is decides who has the code"
    assert document(poll(first.token))["allow"]
    end(made)
    assert "two machines showed" not in operator.get("/privacy/tickets/").content.decode()


def test_of_machines_with_one_ticket_at_the_same_instant_exactly_one_gets_it(world: Any) -> None:
    from django.db import connections

    from portal.fleet.models import PendingMachine

    made, secrets = secrets_of(6)
    together = threading.Barrier(4)

    def ask_at_once(secret: str) -> int:
        try:
            together.wait(20)
            return enrol(secret).status
        finally:
            connections.close_all()

    for secret in secrets:
        with ThreadPoolExecutor(4) as machines:
            answers = sorted(machines.map(ask_at_once, [secret] * 4))
        assert answers == [201, 403, 403, 403]
    assert PendingMachine.objects.count() == 6
    assert not made.tickets.exclude(used=1).exists()


def test_the_same_machine_twice_at_the_same_instant_is_one_machine(world: Any) -> None:
    from django.db import connections

    from portal.fleet.models import PendingMachine

    _made, secret = ticket()
    key, together = Ed25519(), threading.Barrier(3)

    def ask_at_once(_place: int) -> Waiting:
        try:
            together.wait(20)
            return enrol(secret, key)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as askers:
        answers = list(askers.map(ask_at_once, range(3)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.said["agent"] for answer in answers}) == 1
    assert PendingMachine.objects.count() == 1
    assert sum(poll(answer.token).status_code == 200 for answer in answers) == 1


def test_a_ticket_brings_the_root_that_the_machine_is_to_believe(world: Any) -> None:
    secret, _dot, root = make().handed[0].ticket.partition(".")
    assert enrol(secret).said["root"] == root
    assert len(root) == 43


def test_a_ticket_for_a_serial_number_is_good_for_no_other(world: Any, database: Any) -> None:
    _made, secret = ticket(serials=["C02-Test"], site="")

    assert enrol(secret, serial="C02-OTHER").said["code"] == "ticket_refused"
    assert enrol(secret).said["code"] == "ticket_refused"
    assert enrol(secret, serial=" c02-test ").status == 201
    row = database.sql("SELECT t::text FROM portal_enrolmentticket t")[0][0]
    assert "c02-test" not in row.lower()
    assert secret not in row


def test_an_expired_a_revoked_and_an_unknown_ticket_are_refused_alike(world: Any) -> None:
    revoked, one = ticket()
    _expired, two = ticket(days=0)
    end(revoked)

    refusals = [enrol(secret) for secret in (one, two, "set_" + "x" * 43)]

    assert {(r.status, r.said["code"], r.said["detail"]) for r in refusals} == {
        (403, "ticket_refused", refusals[0].said["detail"])
    }


def test_the_end_of_a_ticket_is_that_of_those_who_wait_not_of_those_approved(
    world: factories.World, employee: Client
) -> None:
    at_site(world.subject)
    made, secrets = secrets_of(2)
    approved, left = map(enrol, secrets)
    approve(employee, approved)

    for row in made.tickets.all():
        end(row)

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


def test_a_ticket_for_a_cohort_is_approved_by_its_people_and_no_others(
    world: factories.World, employee: Client
) -> None:
    cohort = cohort_of_ten(world)
    _made, secrets = secrets_of(2, site="", cohort=cohort)
    one, other = map(enrol, secrets)
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
    made, secret = ticket()
    enrol(secret)
    end(made)
    end(made)

    types = database.sql("SELECT type FROM audit_entry WHERE type LIKE 'ticket.%' ORDER BY id")
    assert types == [("ticket.made",), ("ticket.used",), ("ticket.revoked",)]
