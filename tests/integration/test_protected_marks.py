"""The marks of a protected app stay, and none is set against the catalogue, or all agreed to it.

PostgreSQL itself refuses it, as it refuses that the app leaves its kind.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests import factories

AUTHOR, MEMBER, ONE, TWO, REPORTER = (UUID(int=n) for n in (90, 91, 92, 93, 94))
TAKE_OFF = "UPDATE consent_appmatcher SET retired_at = now() WHERE value = 'tracker.example'"
KNOWN = ["web", "domain", "app.bamboohr.com"]
"""A host that the catalogue knows as never captured."""
TRACKER = ["web", "domain", "tracker.example"]
OTHER = ["web", "domain", "clinic.example"]


@pytest.fixture
def world(database: Any) -> factories.World:
    """The tracker turned out to be about health, and is recognised by two hosts."""
    from consent import services

    world = factories.make_world()
    services.change_app(
        app=world.apps["tracker"],
        fields={"category": "health", "matchers": [TRACKER, OTHER]},
        actor=factories.OFFICER,
    )
    services.give_seat(
        person=MEMBER, unit="works", valid_from=factories.LONG_AGO, actor=factories.OFFICER
    )
    return world


def raw(*statements: str) -> None:
    """Run statements as the application in one transaction, with an entry for all it wrote."""
    from django.db import connection, transaction

    with transaction.atomic():
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        enter_all()


def enter_all() -> None:
    from audit import events, ledger
    from consent.models import App, AppMatcher, Proposal

    ledger.append(
        events.AppChanged(app="tracker", category="office", fields=("matchers",), digest="0"),
        actor=factories.OFFICER,
        covers=[*App.objects.all(), *AppMatcher.ever.all(), *Proposal.objects.all()],
    )


def marks(database: Any, app: str = "tracker") -> list[str]:
    found = database.sql(
        "SELECT m.value FROM consent_appmatcher m JOIN consent_app a ON a.id = m.app_id "
        f"WHERE a.code = '{app}' AND m.retired_at IS NULL ORDER BY m.value"
    )
    return [value for (value,) in found]


def proposed(**fields: Any) -> Any:
    from consent import services

    return services.propose(
        kind="app.change", payload={"app": "tracker", "fields": fields}, proposed_by=AUTHOR
    )


def agree(proposal: Any, *, also: str = "", officers: int = 2) -> Any:
    """Let the council and the officers agree; with the last vote something else is tried, too."""
    from django.db import connection, transaction

    from consent import services

    services.vote(proposal=proposal.uuid, voter=MEMBER, vote="approve", unit="works")
    for officer in (ONE, TWO)[:officers]:
        factories.make_officer(officer)
        with transaction.atomic():
            services.vote(proposal=proposal.uuid, voter=officer, vote="approve")
            if also and officer == TWO:
                with connection.cursor() as cursor:
                    cursor.execute(also)
                enter_all()
    proposal.refresh_from_db()
    return proposal


def refused(what: str) -> Any:
    from django.db import IntegrityError

    return pytest.raises(IntegrityError, match=what)


def lost() -> Any:
    return refused("take a mark off app tracker")


def against_catalogue() -> Any:
    return refused("against the catalogue")


def test_no_protected_app_loses_a_mark_by_the_service_or_an_entry_alone(
    world: Any, database: Any
) -> None:
    from consent import services

    with lost():
        raw(TAKE_OFF)
    with lost():
        services.change_app(
            app=world.apps["tracker"], fields={"matchers": [OTHER]}, actor=factories.OFFICER
        )
    with lost():  # there and back: what it is at the end counts
        ordinary = "UPDATE consent_app SET category = '{}' WHERE code = 'tracker'"
        raw(ordinary.format("office"), TAKE_OFF, ordinary.format("health"))

    assert marks(database) == ["clinic.example", "tracker.example"]


def test_nor_does_one_that_was_reported(world: Any, database: Any) -> None:
    from consent import services
    from consent.policy.types import AppCategory

    services.report_app(
        app=world.apps["sheet"],
        suspected=AppCategory.HEALTH,
        reporter=REPORTER,
        actor=factories.OFFICER,
    )

    with refused("take a mark off app sheet"):
        raw(TAKE_OFF.replace("tracker", "sheet"))

    assert marks(database, "sheet") == ["sheet.example"]


def test_an_ordinary_app_loses_and_gets_marks_as_before(world: Any, database: Any) -> None:
    raw(TAKE_OFF.replace("tracker", "sheet"))

    assert marks(database, "sheet") == []


def test_what_all_agreed_to_takes_the_mark_off_and_no_other(world: Any, database: Any) -> None:
    with lost():
        agree(
            proposed(matchers=[OTHER]),
            also=TAKE_OFF.replace("tracker.example", "clinic.example"),
        )
    assert len(marks(database)) == 2

    assert agree(proposed(matchers=[TRACKER])).state == "applied"

    assert marks(database) == ["tracker.example"]
    with lost():  # what was agreed to once is agreed to once
        raw(TAKE_OFF)


def test_who_agrees_to_another_name_agrees_to_no_other_mark(world: Any, database: Any) -> None:
    with lost():
        agree(proposed(name="Clinic", matchers=[TRACKER]), also=TAKE_OFF)


@pytest.mark.parametrize("officers", [0, 1])
def test_a_proposal_that_lacks_somebody_takes_nothing_off(
    world: Any, database: Any, officers: int
) -> None:
    assert agree(proposed(matchers=[OTHER]), officers=officers).state == "open"

    with lost():
        raw(TAKE_OFF)


def test_who_lets_the_app_go_lets_no_mark_go_with_it(world: Any, database: Any) -> None:
    proposal = proposed(category="office")

    with lost():
        agree(proposal, also=TAKE_OFF)
    assert agree(proposal).state == "applied"

    raw(TAKE_OFF)
    assert marks(database) == ["clinic.example"]


def test_a_mark_stays_the_one_it_is(world: Any, database: Any) -> None:
    raw(TAKE_OFF.replace("tracker", "sheet"))
    for change in (
        "SET value = 'nowhere.example' WHERE value = 'tracker.example'",
        "SET app_id = (SELECT id FROM consent_app WHERE code = 'sheet')",
        "SET platform = 'mac'",
        "SET retired_at = NULL WHERE value = 'sheet.example'",
    ):
        for role in ("app", "owner"):
            with pytest.raises(psycopg.errors.IntegrityError, match="stays"):
                database.sql(f"UPDATE consent_appmatcher {change}", role=role)
    with pytest.raises(psycopg.errors.IntegrityError, match=r"take a mark off|no entry"):
        database.sql("DELETE FROM consent_appmatcher WHERE value = 'tracker.example'", role="owner")


# --- marks that the catalogue knows as never captured ---------------------------------------------


def list_known() -> Any:
    """An app of a protected kind that has a mark of the catalogue's."""
    from consent import services
    from consent.policy.types import AppCategory, MatcherKind, Platform

    return services.list_app(
        code="people",
        name="People",
        category=AppCategory.HR,
        data_of="own",
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, KNOWN[2])],
        actor=factories.OFFICER,
    )


def despite(database: Any) -> bool:
    found = database.sql(
        f"SELECT despite_catalogue FROM consent_appmatcher WHERE value = '{KNOWN[2]}' "
        "AND retired_at IS NULL"
    )
    return bool(found) and bool(found[0][0])


SET = "UPDATE consent_appmatcher SET despite_catalogue = true"


def test_no_mark_is_set_against_the_catalogue_by_the_service_or_an_entry_alone(
    world: Any, database: Any
) -> None:
    from consent import services

    list_known()
    with against_catalogue():
        raw(SET)
    with against_catalogue():
        services.change_app(
            app=world.apps["sheet"],
            fields={"matchers": [["web", "domain", "www.workday.com"]]},
            actor=factories.OFFICER,
        )

    assert not despite(database)


@pytest.mark.parametrize("named", ["category", "matchers"])
def test_what_all_agreed_to_sets_it_so(world: Any, database: Any, named: str) -> None:
    from consent import services

    list_known()
    fields = {"category": "office"} | ({"matchers": [KNOWN]} if named == "matchers" else {})
    proposal = services.propose(
        kind="app.change", payload={"app": "people", "fields": fields}, proposed_by=AUTHOR
    )

    assert agree(proposal).state == "applied"

    assert despite(database)


def test_of_an_app_that_is_doubted_nobody_agreed_to_its_marks(world: Any, database: Any) -> None:
    """At once it is of no kind; then it is as it was, and its mark needs all who must agree."""
    from consent import services

    sheet = world.apps["sheet"]
    raw(
        "INSERT INTO consent_appmatcher (app_id, platform, kind, value, despite_catalogue) "
        f"VALUES ({sheet.pk}, 'web', 'domain', '{KNOWN[2]}', false)"
    )  # stored before the catalogue knew it

    def kind(category: str) -> Any:
        return services.propose(
            kind="app.change",
            payload={"app": "sheet", "fields": {"category": category}},
            proposed_by=AUTHOR,
        )

    doubted = kind("unknown")
    assert (doubted.tightens, doubted.applied_at is None) == (True, False)
    assert not despite(database)

    again = kind("office")
    assert (again.tightens, again.approvals_needed, again.council_units) == (False, 2, ["works"])
    assert agree(again).state == "applied"
    assert despite(database)


def test_a_reported_app_gets_no_mark_of_the_catalogue_at_once(world: Any, database: Any) -> None:
    """More marks of a reported app close more, but not such a one: it would stay when it is not."""
    from consent import services
    from consent.policy.types import AppCategory

    services.report_app(
        app=world.apps["sheet"],
        suspected=AppCategory.HEALTH,
        reporter=REPORTER,
        actor=factories.OFFICER,
    )
    proposal = services.propose(
        kind="app.change",
        payload={
            "app": "sheet",
            "fields": {"matchers": [["web", "domain", "sheet.example"], KNOWN]},
        },
        proposed_by=AUTHOR,
    )

    assert (proposal.tightens, proposal.state, proposal.approvals_needed) == (False, "open", 2)
    assert marks(database, "sheet") == ["sheet.example"]


def test_who_agrees_to_another_name_sets_nothing_against_the_catalogue(
    world: Any, database: Any
) -> None:
    """Also where all had to agree to it, since the app has such a mark."""
    from consent import services

    sheet = world.apps["sheet"]
    raw(
        "INSERT INTO consent_appmatcher (app_id, platform, kind, value, despite_catalogue) "
        f"VALUES ({sheet.pk}, 'web', 'domain', '{KNOWN[2]}', false)"
    )
    proposal = services.propose(
        kind="app.change", payload={"app": "sheet", "fields": {"name": "X"}}, proposed_by=AUTHOR
    )
    assert (proposal.approvals_needed, proposal.council_units) == (2, ["works"])

    with against_catalogue():
        agree(proposal, also=f"{SET} WHERE value = '{KNOWN[2]}'")

    assert not despite(database)
