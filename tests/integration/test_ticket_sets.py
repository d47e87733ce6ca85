"""Sets of tickets: made at once, handed over once, told of and ended, by page, command and API."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.integration.agents import Ed25519, code_of, poll
from tests.integration.ticketing import (
    approve,
    at_site,
    browser_of,
    cohort_of_ten,
    end,
    enrol,
    make,
    secret_in,
    secrets_of,
    ticket,
    world_of_tickets,
)

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PAGE = "/privacy/tickets/"


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    return world_of_tickets(settings)


@pytest.fixture
def employee(world: factories.World) -> Client:
    return browser_of("a@example.org", subject=world.subject)


def counts(made: Any) -> dict[str, int]:
    """How the tickets of a set stand, without what stands at nought."""
    from portal.fleet import overview

    (told,) = overview.told([made], timezone.now())
    assert told.total == sum(told.states.values()), "each stands in exactly one way"
    return {state.value: count for state, count in told.states.items() if count}


# --- made, and kept as hashes ---------------------------------------------------------------------


def test_each_ticket_of_a_set_is_its_own_and_kept_as_a_hash(world: Any, database: Any) -> None:
    made = make(count=200)

    handed = [one.ticket for one in made.handed]
    assert len(set(handed)) == 200
    assert [one.number for one in made.handed] == list(range(1, 201))
    rows = " ".join(row for (row,) in database.sql("SELECT t::text FROM portal_enrolmentticket t"))
    assert not [ticket for ticket in handed if secret_in(ticket) in rows]
    assert counts(made.ticket_set) == {"open": 200}


def test_ten_thousand_are_made_in_one_go_with_one_entry(world: Any, database: Any) -> None:
    from portal.fleet.sets import MOST

    made = make(count=MOST)

    assert len(made.handed) == MOST
    assert database.sql("SELECT count(*) FROM audit_entry WHERE type = 'ticket.made'") == [(1,)]
    assert enrol(secret_in(made.handed[-1].ticket)).status == 201


def test_a_ticket_for_each_serial_number_is_good_for_no_other(world: Any) -> None:
    made = make(site="", serials=["C02-1", "C02-2"])
    first, second = made.handed

    assert (first.serial, second.serial) == ("C02-1", "C02-2")
    assert enrol(secret_in(first.ticket), serial="C02-2").said["code"] == "ticket_refused"
    assert enrol(secret_in(second.ticket), serial="c02-2").status == 201
    assert enrol(secret_in(first.ticket), serial="C02-1").status == 201
    assert not made.ticket_set.tickets.filter(shown_again_at__isnull=False).exists()


def test_counts_tell_how_the_tickets_stand(world: Any) -> None:
    made, secrets = secrets_of(5)
    old, _ = secrets_of(2, days=0)
    enrol(secrets[0])
    enrol(secrets[1])
    end(made.tickets.get(number=3))
    end(made.tickets.get(number=1))

    assert counts(made) == {"used": 2, "ended": 1, "open": 2}
    assert counts(old) == {"expired": 2}


def test_ending_a_set_ends_the_open_ones_alone(world: Any, database: Any) -> None:
    from portal.fleet.ending import end_tickets

    made, secrets = secrets_of(3)
    waiting = enrol(secrets[0])

    ended = [end_tickets(uuid=made.uuid, actor=factories.OFFICER) for _ in range(2)]

    assert ended == [2, 0]
    assert counts(made) == {"used": 1, "ended": 2}
    assert poll(waiting.token).status_code == 200
    assert enrol(secrets[1]).said["code"] == "ticket_refused"
    assert database.sql("SELECT count(*) FROM audit_entry WHERE type = 'ticket.revoked'") == [(1,)]


# --- asked again ----------------------------------------------------------------------------------


def test_the_same_request_again_makes_no_second_set(world: Any) -> None:
    from portal.fleet.models import TicketSet

    request = uuid4()
    lost = make(count=3, request=request)

    heard = make(count=3, request=request)

    assert (lost.is_new, heard.is_new) == (True, False)
    assert TicketSet.objects.count() == 1
    assert counts(heard.ticket_set) == {"open": 3}
    assert enrol(secret_in(lost.handed[0].ticket)).said["code"] == "ticket_refused"
    assert enrol(secret_in(heard.handed[0].ticket)).status == 201


def test_once_a_ticket_was_used_or_ended_its_request_is_answered(world: Any) -> None:
    from portal.fleet.sets import RequestAnswered

    used, ended = uuid4(), uuid4()
    enrol(secret_in(make(count=2, request=used).handed[1].ticket))
    end(make(count=2, request=ended).ticket_set.tickets.get(number=1))

    for request in (used, ended):
        with pytest.raises(RequestAnswered):
            make(count=2, request=request)


@pytest.mark.parametrize("differs", [{"count": 3}, {"site": "south"}, {"days": 8}, {"label": "x"}])
def test_another_question_under_the_same_request_is_refused(
    world: Any, differs: dict[str, Any]
) -> None:
    from portal.fleet.sets import RequestDiffers

    request = uuid4()
    make(count=2, request=request)

    with pytest.raises(RequestDiffers):
        make(**{"count": 2, "request": request, **differs})


# --- what the database itself refuses -------------------------------------------------------------


def test_the_database_makes_no_ticket_for_several(world: Any) -> None:
    from portal.fleet.models import EnrolmentTicket

    made = make().ticket_set
    for differs in ({}, {"ticket_set": made, "number": 2, "places": 2}):
        row = EnrolmentTicket(
            sha256=b"x" * 32, site="north", expires_at=timezone.now(), **{"places": 1, **differs}
        )
        with pytest.raises(DatabaseError, match="for one machine"), transaction.atomic():
            row.save()


@pytest.mark.parametrize(
    "change",
    [
        {"used": 0},
        {"sha256": b"y" * 32},
        {"site": "south"},
        {"expires_at": timezone.now() + timedelta(days=300)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_database_lets_no_used_ticket_be_used_anew(world: Any, change: dict[str, Any]) -> None:
    made, secret = ticket()
    enrol(secret)

    with pytest.raises(DatabaseError, match="stays what it was made for"):
        type(made).objects.filter(pk=made.pk).update(**change)


def test_the_database_counts_no_use_too_many(world: Any, database: Any) -> None:
    made, secret = ticket()
    enrol(secret)

    with pytest.raises(psycopg.errors.CheckViolation):
        database.sql(f"UPDATE portal_enrolmentticket SET used = used + 1 WHERE id = {made.pk}")


# --- made before each was for one machine ---------------------------------------------------------


def made_earlier(database: Any, *, places: int) -> tuple[Any, str]:
    """A ticket as they were made before, which nothing can make any more."""
    from portal.api.tokens import token_hash
    from portal.fleet.models import EnrolmentTicket

    secret, uuid = "set_" + "e" * 43, uuid4()
    database.sql("ALTER TABLE portal_enrolmentticket DISABLE TRIGGER USER")
    database.sql(
        "INSERT INTO portal_enrolmentticket"
        " (uuid, label, sha256, site, places, used, expires_at)"
        " VALUES (%s, 'Old laptops', %s, 'north', %s, 0, now() + interval '5 days')",
        uuid,
        token_hash(secret),
        places,
    )
    database.sql("ALTER TABLE portal_enrolmentticket ENABLE TRIGGER USER")
    return EnrolmentTicket.objects.get(uuid=uuid), secret


def test_a_ticket_made_earlier_stays_good_for_what_it_had(
    world: factories.World, employee: Client, database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    at_site(world.subject)
    row, secret = made_earlier(database, places=2)
    key = Ed25519()

    one, again, two, more = [enrol(secret, by) for by in (key, key, Ed25519(), Ed25519())]

    assert [each.status for each in (one, again, two, more)] == [201, 201, 201, 403]
    assert approve(employee, two).status_code == 302
    row.refresh_from_db()
    assert (row.used, row.shown_again_at) == (2, None)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_ticket_made_earlier_is_shown_as_such_and_can_be_ended(world: Any, database: Any) -> None:
    row, secret = made_earlier(database, places=200)
    waiting = enrol(secret)
    operator = browser_of("op@example.org", role="operator")

    page = operator.get(PAGE).content.decode()
    listed = _run()
    operator.post(f"{PAGE}{row.uuid}/end/")

    assert "each for several machines" in page
    assert "used 1 of 200" in page
    assert "Old laptops: north, 1/200" in listed
    assert enrol(secret).said["code"] == "ticket_refused"
    assert code_of(poll(waiting.token)) == (403, "agent_revoked")


def _poll(waiting: Any) -> Any:
    return poll(waiting.token)


# --- the API --------------------------------------------------------------------------------------


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
        ask(mdm, label="a", serials=["C02-1", "C02-2"]),
        ask(mdm, label="b", site="north", count=5),
        ask(mdm, label="c", cohort=listed["cohort"], count=5, days=3),
    ]

    assert [one.status_code for one in made] == [201, 201, 201], made[0].content
    assert [len(one.json()["tickets"]) for one in made] == [2, 5, 5]
    assert [one["serial"] for one in made[0].json()["tickets"]] == ["C02-1", "C02-2"]
    assert made[0]["Cache-Control"] == "no-store"
    assert listed == {"cohort": cohort.digest, "people_of": "Ireland (IE)"}
    waiting = enrol(secret_in(made[2].json()["tickets"][4]["ticket"]))
    assert approve(employee, waiting).status_code == 302


def test_a_system_whose_answer_got_lost_asks_again(world: factories.World) -> None:
    mdm, wanted = service(), {"label": "b", "site": "north", "count": 2, "request": str(uuid4())}

    lost, heard = ask(mdm, **wanted), ask(mdm, **wanted)
    enrol(secret_in(heard.json()["tickets"][0]["ticket"]))

    assert (lost.status_code, heard.status_code) == (201, 200)
    assert lost.json()["uuid"] == heard.json()["uuid"]
    assert lost.json()["expires_at"] == heard.json()["expires_at"]
    assert code_of(ask(mdm, **wanted)) == (409, "request_answered")
    assert code_of(ask(mdm, **{**wanted, "count": 3})) == (409, "request_differs")
    assert len(mdm.get("/api/v1/tickets").json()) == 1


def test_the_api_says_what_is_wrong_with_a_ticket(world: factories.World) -> None:
    cohort_of_ten(world)
    mdm = service()

    assert code_of(ask(mdm, label="x")) == (422, "ticket_unbound")
    assert code_of(ask(mdm, label="x", site="a", serials=["b"])) == (422, "ticket_unbound")
    assert code_of(ask(mdm, label="x", serials=["b"], count=2)) == (422, "ticket_of_many")
    assert code_of(ask(mdm, label="x", serials=["b", "B "])) == (422, "serial_twice")
    assert code_of(ask(mdm, label="x", cohort="0" * 64)) == (404, "cohort_unknown")
    for wrong in ({"sight": "a"}, {"places": 5}, {"count": 10_001}, {"serials": []}):
        assert code_of(ask(mdm, label="x", site="a", **wrong)) == (400, "invalid_request"), wrong


def test_a_system_sees_when_and_by_which_machine_each_was_used(world: Any) -> None:
    from hashlib import sha256

    mdm, key = service(), Ed25519()
    made = ask(mdm, label="b", site="north", count=3).json()
    secrets = [secret_in(one["ticket"]) for one in made["tickets"]]
    enrol(secrets[1], key)
    enrol(secrets[1])

    (listed,) = mdm.get("/api/v1/tickets").json()
    seen = mdm.get(f"/api/v1/tickets/{made['uuid']}").json()

    assert listed["counts"] == {"open": 2, "used": 1, "expired": 0, "ended": 0, "shown_again": 1}
    assert {**listed, "tickets": seen["tickets"]} == seen
    assert [one["state"] for one in seen["tickets"]] == ["open", "used", "open"]
    used = seen["tickets"][1]
    assert used["machine"] == {"platform": "linux", "key_sha256": sha256(key.public).hexdigest()}
    assert used["used_at"]
    assert used["shown_again_at"]
    assert not [secret for secret in secrets if secret in str(seen)]


def test_a_system_ends_one_ticket_or_the_open_ones(world: Any) -> None:
    mdm = service()
    made = ask(mdm, label="b", site="north", count=4).json()
    secrets = [secret_in(one["ticket"]) for one in made["tickets"]]
    waiting = enrol(secrets[0])
    address = f"/api/v1/tickets/{made['uuid']}"

    one = mdm.post(f"{address}/1/end").json()
    ended = [mdm.post(f"{address}/end").json() for _ in range(2)]

    assert (one["state"], bool(one["ended_at"])) == ("used", True)
    assert code_of(poll(waiting.token)) == (403, "agent_revoked")
    assert ended == [{"ended": 3}, {"ended": 0}]
    assert enrol(secrets[3]).said["code"] == "ticket_refused"
    for unknown in (f"{address}/5/end", f"/api/v1/tickets/{uuid4()}/end"):
        assert code_of(mdm.post(unknown)) == (404, "ticket_unknown")
    assert code_of(mdm.get(f"/api/v1/tickets/{uuid4()}")) == (404, "ticket_unknown")


def test_nobody_else_makes_or_sees_tickets_by_the_api(
    world: factories.World, employee: Client
) -> None:
    from portal.fleet.models import EnrolmentTicket

    uuid = make().ticket_set.uuid
    for client, refusal in (
        (Client(), (401, "token_unknown")),
        (service("facts"), (401, "token_unknown")),
        (employee, (403, "role_missing")),
    ):
        assert code_of(ask(client, label="x", site="a")) == refusal
        for path in ("", "/cohorts", f"/{uuid}"):
            assert code_of(client.get(f"/api/v1/tickets{path}")) == refusal
        for path in (f"/{uuid}/end", f"/{uuid}/1/end"):
            assert code_of(client.post(f"/api/v1/tickets{path}")) == refusal
    assert EnrolmentTicket.objects.get().revoked_at is None


# --- pages ----------------------------------------------------------------------------------------


def fields(**differs: Any) -> dict[str, Any]:
    """What the form sends."""
    return {
        **dict.fromkeys(("site", "cohort", "count", "serials"), ""),
        "label": "Laptops",
        "days": 5,
        "request": str(uuid4()),
        **differs,
    }


def shown(page: str) -> list[list[str]]:
    """The list that the page shows, this once."""
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found
    return list(csv.reader(io.StringIO(html.unescape(found.group(1)))))


def test_tickets_are_shown_once_and_listed_without_saying_whose(
    world: factories.World, employee: Client
) -> None:
    officer = browser_of("o@example.org", role="privacy_officer")
    at_site(world.subject)
    made = officer.post(PAGE, fields(site="north", count=3)).content.decode()
    secrets = [secret_in(row[1]) for row in shown(made)]
    waiting = enrol(secrets[0])
    address = re.search(rf'href="({PAGE}[0-9a-f-]+/)"', made).group(1)  # type: ignore[union-attr]
    before = [officer.get(path).content.decode() for path in (PAGE, address)]

    approve(employee, waiting)
    after = [officer.get(path).content.decode() for path in (PAGE, address)]

    assert len(secrets) == 3
    assert not [secret for secret in secrets for page in before if secret in page]
    assert "1 used" in before[0]
    assert "2 open" in before[0]
    assert "Linux, key " in before[1]
    assert [*map(_without_form_token, before)] == [*map(_without_form_token, after)], (
        "it tells of an approval"
    )


def _without_form_token(page: str) -> str:
    fresh = r'(name="(?:csrfmiddlewaretoken|request)" value|data-csrf|nonce)="[^"]*"'
    return re.sub(fresh, "", page)


def test_the_list_is_given_back_as_a_file(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    serials = 'C02-1\n\n "C02",2 \r\nC02-3'
    page = operator.post(PAGE, fields(serials=serials)).content.decode()
    rows, address = shown(page), re.search(r'action="([^"]+/file/)"', page).group(1)  # type: ignore[union-attr]
    listed = "\r\n".join(page_line(row) for row in rows)

    table = operator.post(address, {"tickets": listed, "form": "csv"})
    text = operator.post(address, {"tickets": listed, "form": "text"})

    assert [row[1] for row in rows] == ["C02-1", '"C02",2', "C02-3"]
    assert list(csv.reader(io.StringIO(table.content.decode()))) == [
        ["number", "serial", "ticket"],
        *rows,
    ]
    assert text.content.decode().split() == [row[2] for row in rows]
    assert "attachment" in table["Content-Disposition"]
    assert "no-store" in table["Cache-Control"]


def page_line(row: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def test_what_is_not_the_list_is_made_no_file(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    one, other = make(count=2), make()
    address = f"{PAGE}{one.ticket_set.uuid}/file/"
    good = f"1,{one.handed[0].ticket}\n"

    for text in ("", "hello", good + good, f"1,{other.handed[0].ticket}\n", good + "x\n"):
        answer = operator.post(address, {"tickets": text, "form": "csv"})
        assert answer.status_code == 400, text
    assert operator.post(address, {"tickets": good, "form": "csv"}).status_code == 200


def test_sending_the_form_twice_makes_one_set_and_voids_nothing(world: Any) -> None:
    from portal.fleet.models import TicketSet

    operator = browser_of("p@example.org", role="operator")
    wanted = fields(site="north", count=2)
    secret = secret_in(shown(operator.post(PAGE, wanted).content.decode())[0][1])

    again = operator.post(PAGE, wanted, follow=True).content.decode()

    assert "made and shown already" in again
    assert "set_" not in again
    assert TicketSet.objects.count() == 1
    assert enrol(secret).status == 201


def test_serial_numbers_can_be_uploaded(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    file = SimpleUploadedFile("serials.txt", b"\xef\xbb\xbfC02-1\r\nC02-2\r\n")

    page = operator.post(PAGE, fields(serials_file=file)).content.decode()

    assert [row[1] for row in shown(page)] == ["C02-1", "C02-2"]


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({}, "Name one: a site, a group or serial numbers."),
        ({"serials": "C02", "site": "north"}, "Name one: a site, a group or serial numbers."),
        ({"site": "north"}, "Say how many."),
        ({"site": "north", "count": 10_001}, "less than or equal to 10000"),
        ({"serials": "C02\nC03", "count": 2}, "leave the number of tickets empty"),
        ({"serials": "C02\nC03\nc02"}, "Serial numbers 1 and 3 are the same."),
        ({"serials": "C02\n" + "x" * 81}, "Serial number 2 is longer than 80"),
        ({"serials": "\n".join(map(str, range(10_001)))}, "These are more than 10,000."),
    ],
    ids=range(8),
)
def test_the_page_says_what_is_wrong(world: Any, differs: dict[str, Any], said: str) -> None:
    from portal.fleet.models import TicketSet

    operator = browser_of("p@example.org", role="operator")

    answer = operator.post(PAGE, fields(**differs))

    assert answer.status_code == 422
    assert said in html.unescape(answer.content.decode())
    assert not TicketSet.objects.exists()


def test_a_file_that_is_no_list_is_refused(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    for data, said in ((b"\xff\xfe\x00", "no text file"), (b"1" * 400_001, "larger than 400 kB")):
        file = SimpleUploadedFile("serials.txt", data)
        answer = operator.post(PAGE, fields(serials_file=file))
        assert (answer.status_code, said in answer.content.decode()) == (422, True)


def test_the_page_ends_one_ticket_or_the_open_ones(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    made, secrets = secrets_of(3)

    operator.post(f"{PAGE}{made.uuid}/2/end/")
    refused = enrol(secrets[1])
    page = operator.post(f"{PAGE}{made.uuid}/end/", follow=True).content.decode()

    assert refused.said["code"] == "ticket_refused"
    assert "2 tickets ended." in page
    assert counts(made) == {"ended": 3}
    assert operator.post(f"{PAGE}{made.uuid}/4/end/").status_code == 404


def test_a_long_set_goes_over_several_pages(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    made = make(count=101).ticket_set

    first = operator.get(f"{PAGE}{made.uuid}/").content.decode()
    second = operator.get(f"{PAGE}{made.uuid}/", {"after": 100}).content.decode()

    assert "?after=100" in first
    assert f"{PAGE}{made.uuid}/100/end/" in first
    assert f"{PAGE}{made.uuid}/101/end/" in second
    assert f"{PAGE}{made.uuid}/100/end/" not in second


def test_many_sets_go_over_several_pages(world: Any) -> None:
    operator = browser_of("p@example.org", role="operator")
    for number in range(26):
        make(label=f"No {number:02}")

    first = operator.get(PAGE).content.decode()
    older = re.search(r'href="(\?before=\d+)"', first).group(1)  # type: ignore[union-attr]
    second = operator.get(PAGE + older).content.decode()

    assert ("No 25" in first, "No 00" in first) == (True, False)
    assert ("No 25" in second, "No 00" in second) == (False, True)


def test_nobody_else_sees_tickets(world: Any, employee: Client) -> None:
    manager = browser_of("m@example.org", role="manager")
    made = make().ticket_set

    for client in (employee, manager):
        for path in ("", f"{made.uuid}/"):
            assert client.get(PAGE + path).status_code == 403
        for path in (f"{made.uuid}/end/", f"{made.uuid}/1/end/", f"{made.uuid}/file/"):
            assert client.post(PAGE + path).status_code == 403
    assert counts(made) == {"open": 1}


def test_the_page_and_the_command_make_tickets_for_a_cohort(world: factories.World) -> None:
    from portal.fleet.models import EnrolmentTicket

    cohort = cohort_of_ten(world)
    officer = browser_of("o@example.org", role="privacy_officer")

    page = officer.post(PAGE, fields(cohort=cohort.pk, count=3)).content.decode()
    digits = _run("--cohorts").split()[0]
    _run("--make", "y", "--cohort", digits)

    assert "3 for Ireland (IE)" in page
    assert [row.cohort for row in EnrolmentTicket.objects.all()] == [cohort] * 4
    with pytest.raises(CommandError):
        _run("--make", "z", "--cohort", "0000")


# --- the command ----------------------------------------------------------------------------------


def _run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("ticket", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_the_command_makes_lists_and_ends(world: Any) -> None:
    from portal.fleet.models import TicketSet

    one, two, three = map(
        secret_in, _run("--make", "north", "--site", "north", "--count", "3").split()
    )
    made = TicketSet.objects.get()
    assert enrol(one).status == 201
    assert "north: 3 for north, 2 open, 1 used, 0 expired, 0 ended" in _run()
    _run("--end", str(made.uuid), "--number", "2")
    assert enrol(two).status == 403
    assert _run("--end", str(made.uuid)) == f"ended 1 of {made.uuid}"

    assert enrol(three).status == 403
    for wrong in (
        ["--make", "anything"],
        ["--make", "x", "--site", "north", "--count", "10001"],
        ["--make", "x", "--serial", "C02", "--count", "2"],
        ["--end", str(uuid4())],
        ["--end", str(made.uuid), "--number", "9"],
    ):
        with pytest.raises(CommandError):
            _run(*wrong)


def test_the_command_makes_one_for_each_serial_number_of_a_file(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "serials.txt"
    file.write_text("C02-1\nC02-2\n")

    rows = list(csv.reader(io.StringIO(_run("--make", "x", "--serials", str(file), "--csv"))))

    assert [row[:2] for row in rows] == [["number", "serial"], ["1", "C02-1"], ["2", "C02-2"]]
    assert enrol(secret_in(rows[2][2]), serial="C02-2").status == 201
    file.write_text("C02-1\nC02-1\n")
    for wrong in (file, tmp_path / "missing.txt"):
        with pytest.raises(CommandError):
            _run("--make", "x", "--serials", str(wrong))
