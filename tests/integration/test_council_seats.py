"""Council seats: the council keeps its own, and nobody packs a council that they are asking."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests import factories
from tests.integration.test_agreements import agree
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import LONGER, propose

PAGE = "/council/seats/"
SYSTEM = factories.OFFICER


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def appoint(*arguments: str) -> str:
    out = io.StringIO()
    call_command("appoint", *arguments, stdout=out)
    return out.getvalue()


def user(email: str) -> Any:
    from portal.models import User

    return User.objects.get(email=email)


def seats(database: Any) -> list[Any]:
    return database.sql(
        "SELECT u.email, s.unit FROM consent_councilseat s JOIN portal_user u ON u.ref = s.person"
        " WHERE s.ended_at IS NULL ORDER BY 1, 2"
    )


def at_browser(email: str) -> Client:
    client = Client()
    client.force_login(user(email), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_the_operator_gives_the_first_seat_and_the_role_with_it(database: Any) -> None:
    said = appoint("kim@example.org", "--name", "Kim", "--seat", "munich", "--seat", "berlin")
    assert "works council, council of berlin, council of munich" in said
    appoint("kim@example.org", "--seat", "munich")

    assert seats(database) == [("kim@example.org", "berlin"), ("kim@example.org", "munich")]
    assert at_browser("kim@example.org").get("/council/").status_code == 200
    appoint("kim@example.org", "--end-seat", "munich")
    assert at_browser("kim@example.org").get("/council/").status_code == 200
    appoint("kim@example.org", "--end-seat", "berlin")
    assert at_browser("kim@example.org").get("/council/").status_code == 403
    assert seats(database) == []
    kinds = (
        "SELECT type, count(*) FROM audit_entry WHERE type LIKE 'council%%' GROUP BY 1 ORDER BY 1"
    )
    assert database.sql(kinds) == [("council.seat_ended", 2), ("council.seat_given", 2)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--end-seat", "munich"], "holds no seat in munich"), (["--seat", " "], "1 to 80")],
)
def test_a_seat_that_cannot_be_given_or_ended_changes_nothing(
    database: Any, arguments: list[str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        appoint("kim@example.org", "--name", "Kim", *arguments)
    assert database.sql("SELECT count(*) FROM portal_user") == [(0,)]


def test_a_member_hands_seats_on_in_their_own_unit_only(database: Any) -> None:
    appoint("kim@example.org", "--name", "Kim", "--seat", "munich")
    appoint("lee@example.org", "--name", "Lee", "--seat", "berlin")
    appoint("sam@example.org", "--name", "Sam")
    kim = at_browser("kim@example.org")

    answer = kim.post(PAGE, {"member": "sam@example.org", "unit": "munich"})
    assert answer.status_code == 302
    assert ("sam@example.org", "munich") in seats(database)
    for fields in (
        {"member": "sam@example.org", "unit": "berlin"},
        {"member": "nobody@example.org", "unit": "munich"},
    ):
        assert kim.post(PAGE, fields).status_code == 422
    numbers = dict(database.sql("SELECT unit, max(id) FROM consent_councilseat GROUP BY unit"))
    assert kim.post(PAGE, {"seat": numbers["berlin"]}).status_code == 404
    assert kim.post(PAGE, {"seat": numbers["munich"]}).status_code == 302

    assert seats(database) == [("kim@example.org", "munich"), ("lee@example.org", "berlin")]
    assert at_browser("sam@example.org").get("/council/").status_code == 403
    assert database.sql(
        "SELECT given_by, ended_by FROM consent_councilseat WHERE ended_by IS NOT NULL"
    ) == [(user("kim@example.org").ref, user("kim@example.org").ref)]


def test_the_privacy_team_sees_the_seats_and_gives_none(database: Any) -> None:
    appoint("kim@example.org", "--name", "Kim", "--seat", "munich")
    officer = signed_in("privacy_officer")

    page = officer.get(PAGE).content.decode()

    assert "munich: Kim" in page
    assert "Give a seat" not in page
    assert "End this seat" not in page
    fields = {"member": "kim@example.org", "unit": "munich"}
    assert officer.post(PAGE, fields).status_code == 404
    (number,) = database.sql("SELECT id FROM consent_councilseat")[0]
    assert officer.post(PAGE, {"seat": number}).status_code == 404
    assert len(seats(database)) == 1


def test_a_member_who_gives_up_their_own_seat_leaves(database: Any) -> None:
    appoint("kim@example.org", "--name", "Kim", "--seat", "munich")
    kim = at_browser("kim@example.org")
    (number,) = database.sql("SELECT id FROM consent_councilseat")[0]

    assert kim.post(PAGE, {"seat": number})["Location"] == "/"
    assert kim.get(PAGE).status_code == 403


# --- whoever asks the council does not alter it --------------------------------------------------


MEMBER, AUTHOR, THIRD = UUID(int=71), UUID(int=72), UUID(int=73)


def give(person: UUID, unit: str = "munich", by: UUID | None = None) -> Any:
    from consent import services

    return services.give_seat(
        person=person, unit=unit, valid_from=date(2025, 1, 1), actor=SYSTEM, by=by
    )


@pytest.fixture
def asked(world: Any) -> Any:
    """A change by AUTHOR that waits for the council of Munich."""
    agree("A", council_may_veto=True, council_units=["munich"])
    give(MEMBER)
    return propose("purpose.change", LONGER, by=AUTHOR)


def test_the_author_takes_no_seat_while_the_council_is_asked(asked: Any) -> None:
    from consent import exceptions, services

    with pytest.raises(exceptions.SeatConflict):
        give(AUTHOR)
    with pytest.raises(exceptions.SeatConflict):
        give(AUTHOR, by=MEMBER)
    assert give(AUTHOR, unit="berlin"), "of a council that is not asked"

    services.withdraw_proposal(proposal=asked.uuid, by=AUTHOR)
    assert give(AUTHOR, by=MEMBER)


def test_an_author_who_sits_there_gives_and_ends_no_seat(world: Any) -> None:
    from consent import exceptions, services

    agree("A", council_may_veto=True, council_units=["munich"])
    mine, other = give(AUTHOR), give(MEMBER)
    propose("purpose.change", LONGER, by=AUTHOR)

    with pytest.raises(exceptions.SeatConflict):
        give(THIRD, by=AUTHOR)
    with pytest.raises(exceptions.SeatConflict):
        services.end_seat(seat=other, actor=SYSTEM, by=AUTHOR)
    assert services.end_seat(seat=mine, actor=SYSTEM, by=MEMBER).ended_at


@pytest.mark.parametrize("by", [THIRD, MEMBER], ids=["a stranger", "oneself"])
def test_who_is_no_member_gives_nothing(world: Any, by: UUID) -> None:
    from consent import exceptions

    give(UUID(int=9))

    with pytest.raises(exceptions.SeatNotYours):
        give(MEMBER, by=by)


INSERT = (
    "INSERT INTO consent_councilseat (person, unit, valid_from, given_by)"
    " VALUES (%s, 'munich', '2025-01-01', %s)"
)


@pytest.mark.parametrize(
    ("person", "by", "words"),
    [
        (AUTHOR, None, "who proposed a change"),
        (AUTHOR, MEMBER, "who proposed a change"),
        (THIRD, AUTHOR, "only a member"),
        (THIRD, uuid4(), "only a member"),
        (THIRD, THIRD, "only a member|nobody_seats_themselves"),
    ],
)
def test_the_database_itself_keeps_councils_from_being_packed(
    asked: Any, database: Any, person: UUID, by: UUID | None, words: str
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match=words):
        database.sql(INSERT, person, by)


@pytest.mark.parametrize(
    "change",
    [
        "person = gen_random_uuid()",
        "unit = 'berlin'",
        "valid_from = '2020-01-01'",
        "given_by = person",
        f"ended_at = now(), ended_by = '{AUTHOR}'",
    ],
)
def test_the_database_lets_a_seat_only_be_ended_by_a_member(
    asked: Any, database: Any, change: str
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match=r"council|nobody_seats"):
        database.sql(f"UPDATE consent_councilseat SET {change}")


def test_an_ended_seat_stays_ended(asked: Any, database: Any) -> None:
    from consent import services
    from consent.models import CouncilSeat

    services.end_seat(seat=CouncilSeat.objects.get(), actor=SYSTEM)

    with pytest.raises(psycopg.errors.IntegrityError, match="once"):
        database.sql("UPDATE consent_councilseat SET ended_at = NULL")


def test_a_vote_from_a_seat_that_the_author_gave_afterwards_is_refused(
    world: Any, database: Any
) -> None:
    """Two at once: the author hands a seat on while their own proposal is being stored."""
    agree("A", council_may_veto=True, council_units=["munich"])
    give(AUTHOR)
    given = give(THIRD, by=AUTHOR)
    proposal = propose("purpose.change", LONGER, by=AUTHOR)
    vote = (
        "INSERT INTO consent_proposalvote (proposal_id, voter, unit, vote)"
        " VALUES (%s, %s, 'munich', 'approve')"
    )
    # What a race would have left: the seat is the younger of the two.
    database.sql("ALTER TABLE consent_councilseat DISABLE TRIGGER USER")
    later = datetime(2999, 1, 1, tzinfo=UTC)
    database.sql("UPDATE consent_councilseat SET recorded_at = %s WHERE id = %s", later, given.pk)
    database.sql("ALTER TABLE consent_councilseat ENABLE TRIGGER USER")

    with pytest.raises(psycopg.errors.IntegrityError, match="no seat"):
        database.sql(vote, proposal.pk, THIRD)
