"""Apps leave a protected kind, or a report, as two officers and the councils agreed, or not at all.

PostgreSQL itself refuses it.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine

from consent.policy.types import NEVER_CATEGORIES
from tests import factories

LET_GO = "UPDATE consent_app SET category = 'office' WHERE code = 'tracker'"
AUTHOR, MEMBER, ONE, TWO = (UUID(int=n) for n in (90, 91, 92, 93))


@pytest.fixture
def world(database: Any) -> factories.World:
    """The tracker turned out to be about health."""
    from consent import services

    world = factories.make_world()
    services.change_app(
        app=world.apps["tracker"], fields={"category": "health"}, actor=factories.OFFICER
    )
    return world


def raw(*statements: str) -> None:
    """Run statements as the application in one transaction, with an entry for all it wrote."""
    from django.db import connection, transaction

    from audit import events, ledger
    from consent.models import App, Proposal

    with transaction.atomic():
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        ledger.append(
            events.AppChanged(app="tracker", category="office", fields=("category",), digest="0"),
            actor=factories.OFFICER,
            covers=[*App.objects.all(), *Proposal.objects.all()],
        )


def category(database: Any) -> str:
    return str(database.sql("SELECT category FROM consent_app WHERE code = 'tracker'")[0][0])


def refused() -> Any:
    from django.db import IntegrityError

    return pytest.raises(IntegrityError, match="only two officers and the councils")


def proposed(**more: Any) -> Any:
    from consent import services

    services.give_seat(
        person=MEMBER, unit="works", valid_from=factories.LONG_AGO, actor=factories.OFFICER
    )
    return services.propose(
        kind="app.change",
        payload={"app": "tracker", "fields": {"category": "office"}},
        proposed_by=AUTHOR,
        **more,
    )


def votes(proposal: Any, *, officers: int = 2, council: bool = True) -> Any:
    from consent import services

    if council:
        services.vote(proposal=proposal.uuid, voter=MEMBER, vote="approve", unit="works")
    for officer in (ONE, TWO)[:officers]:
        factories.make_officer(officer)
        services.vote(proposal=proposal.uuid, voter=officer, vote="approve")
    proposal.refresh_from_db()
    return proposal


@pytest.mark.parametrize("kind", sorted(kind.value for kind in NEVER_CATEGORIES))
def test_no_protected_kind_is_left_by_an_entry_in_the_ledger_alone(
    database: Any, kind: str
) -> None:
    from consent import services

    world = factories.make_world()
    services.change_app(
        app=world.apps["tracker"], fields={"category": kind}, actor=factories.OFFICER
    )

    with refused():
        raw(LET_GO)
    with refused():
        raw(LET_GO.replace("office", "unknown"))

    assert category(database) == kind


def test_what_all_agreed_to_lets_it_go(world: Any, database: Any) -> None:
    assert votes(proposed()).state == "applied"
    assert category(database) == "office"


def test_to_another_protected_kind_and_of_ordinary_apps_nothing_is_asked(
    world: Any, database: Any
) -> None:
    raw(LET_GO.replace("office", "banking"))
    raw("UPDATE consent_app SET category = 'design' WHERE code = 'sheet'")
    raw(LET_GO, LET_GO.replace("office", "hr"))  # there and back is nowhere

    assert category(database) == "hr"


@pytest.mark.parametrize(("officers", "council"), [(0, True), (1, True), (2, False)])
def test_a_proposal_that_lacks_somebody_lets_nothing_go(
    world: Any, database: Any, officers: int, council: bool
) -> None:
    assert votes(proposed(), officers=officers, council=council).state == "open"

    with refused():
        raw(LET_GO)

    assert category(database) == "health"


def test_what_was_agreed_to_once_is_agreed_to_once(world: Any, database: Any) -> None:
    """Protected again since: neither does the old proposal count, nor is it written anew."""
    from django.db import IntegrityError

    from consent import services

    votes(proposed())
    services.change_app(
        app=world.apps["tracker"], fields={"category": "health"}, actor=factories.OFFICER
    )

    with refused():
        raw(LET_GO)
    for again in ("decided_at = decided_at", "decided_at = now()", "state = 'applied'"):
        with pytest.raises(IntegrityError, match="stays so"):
            raw(f"UPDATE consent_proposal SET {again}", LET_GO)

    assert category(database) == "health"


@pytest.mark.parametrize(
    "also",
    [
        "UPDATE consent_app SET category = 'design' WHERE code = 'tracker'",  # to another kind
        "UPDATE consent_app SET category = 'office' WHERE code = 'sheet'",  # another one, too
    ],
)
def test_what_was_agreed_to_lets_go_nothing_else(world: Any, database: Any, also: str) -> None:
    """In the very transaction in which it takes effect, by whatever savepoints."""
    from django.db import connection, transaction

    from audit import events, ledger
    from consent import services
    from consent.models import App

    services.change_app(
        app=world.apps["sheet"], fields={"category": "union"}, actor=factories.OFFICER
    )
    proposal = votes(proposed(), officers=1)
    factories.make_officer(TWO)

    def last_vote(*statements: str) -> None:
        with transaction.atomic():
            services.vote(proposal=proposal.uuid, voter=TWO, vote="approve")
            for statement in statements:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(statement)
            ledger.append(
                events.AppChanged(app="sheet", category="office", fields=("category",), digest="0"),
                actor=factories.OFFICER,
                covers=App.objects.all(),
            )

    with refused():
        last_vote(also)
    assert category(database) == "health"

    last_vote()
    assert category(database) == "office"


APPLY = "UPDATE consent_proposal SET state = 'applied', applied_at = now()"


@pytest.mark.parametrize("is_new", [False, True])
def test_a_council_that_is_new_since_is_asked_as_well(
    world: Any, database: Any, *, is_new: bool
) -> None:
    """The services fail such a proposal at its hour; whoever goes round them is refused."""
    from consent import services

    later = datetime.now(UTC) + timedelta(hours=1)
    assert votes(proposed(effective_at=later)).state == "approved"
    if is_new:
        services.give_seat(
            person=UUID(int=95), unit="new", valid_from=factories.LONG_AGO, actor=factories.OFFICER
        )

    with refused() if is_new else nullcontext():
        raw(APPLY, LET_GO)

    assert category(database) == ("health" if is_new else "office")


# --- apps that somebody reported --------------------------------------------------------------

UNBLOCK = "UPDATE consent_app SET blocked_at = NULL WHERE code = 'sheet'"


def report_sheet(world: Any, reporter: int = 96) -> None:
    from consent import services
    from consent.policy.types import AppCategory

    services.report_app(
        app=world.apps["sheet"],
        suspected=AppCategory.HEALTH,
        reporter=UUID(int=reporter),
        actor=factories.OFFICER,
    )


def unblocking(**more: Any) -> Any:
    from consent import services

    services.give_seat(
        person=MEMBER, unit="works", valid_from=factories.LONG_AGO, actor=factories.OFFICER
    )
    return services.propose(
        kind="app.unblock", payload={"app": "sheet"}, proposed_by=AUTHOR, **more
    )


def is_blocked(database: Any) -> bool:
    found = database.sql("SELECT blocked_at IS NOT NULL FROM consent_app WHERE code = 'sheet'")
    return bool(found[0][0])


def not_unblocked() -> Any:
    from django.db import IntegrityError

    return pytest.raises(IntegrityError, match="unblock app sheet")


def test_no_block_is_lifted_by_the_service_or_an_entry_alone(world: Any, database: Any) -> None:
    from consent import services

    report_sheet(world)

    with not_unblocked():
        raw(UNBLOCK)
    with not_unblocked():
        services.unblock_app(app=world.apps["sheet"], actor=factories.OFFICER)

    assert is_blocked(database)
    assert database.sql("SELECT settled_at FROM consent_appreport") == [(None,)]


def test_what_all_agreed_to_unblocks_it_once(world: Any, database: Any) -> None:
    report_sheet(world)
    assert votes(unblocking()).state == "applied"
    assert not is_blocked(database)

    report_sheet(world)
    with not_unblocked():
        raw(UNBLOCK)

    assert is_blocked(database)


@pytest.mark.parametrize(("officers", "council"), [(0, True), (1, True), (2, False)])
def test_a_proposal_that_lacks_somebody_unblocks_nothing(
    world: Any, database: Any, officers: int, council: bool
) -> None:
    report_sheet(world)
    assert votes(unblocking(), officers=officers, council=council).state == "open"

    with not_unblocked():
        raw(UNBLOCK)

    assert is_blocked(database)


def test_to_unblock_one_app_is_to_unblock_no_other(world: Any, database: Any) -> None:
    from django.db import IntegrityError, transaction

    from consent import services
    from consent.models import App
    from consent.policy.types import AppCategory

    report_sheet(world)
    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.UNION,
        reporter=UUID(int=97),
        actor=factories.OFFICER,
    )
    proposal = votes(unblocking(), officers=1)
    factories.make_officer(TWO)

    @transaction.atomic
    def unblock_both() -> None:
        services.vote(proposal=proposal.uuid, voter=TWO, vote="approve")
        services.unblock_app(app=App.objects.get(code="tracker"), actor=factories.OFFICER)

    with pytest.raises(IntegrityError, match="unblock app tracker"):
        unblock_both()

    assert is_blocked(database)
    assert votes(proposal).state == "applied"
    assert not is_blocked(database)


@pytest.mark.parametrize("again", [False, True])
def test_a_report_that_came_in_between_is_not_settled(
    world: Any, database: Any, *, again: bool
) -> None:
    """They agreed that what was reported was mistaken, and nothing about what came later."""
    from consent import services

    report_sheet(world)
    later = datetime.now(UTC) + timedelta(hours=1)
    proposal = votes(unblocking(effective_at=later))
    assert proposal.state == "approved"
    if again:
        report_sheet(world, reporter=98)

    with time_machine.travel(later, tick=False):
        services.apply_due_proposals()

    proposal.refresh_from_db()
    assert proposal.state == ("failed" if again else "applied")
    assert is_blocked(database) is again


@pytest.mark.parametrize("what", ["unblock", "let go"])
def test_what_is_only_proposed_in_the_same_transaction_frees_nothing(
    world: Any, database: Any, what: str
) -> None:
    from django.db import transaction

    report_sheet(world)

    @transaction.atomic
    def propose_and_do() -> None:
        if what == "unblock":
            unblocking()
            raw(UNBLOCK)
        else:
            proposed()
            raw(LET_GO)

    with not_unblocked() if what == "unblock" else refused():
        propose_and_do()

    assert is_blocked(database)
    assert category(database) == "health"


def test_an_app_keeps_its_code(world: Any, database: Any) -> None:
    for role in ("app", "owner"):
        with pytest.raises(psycopg.errors.IntegrityError, match="keeps its code"):
            database.sql("UPDATE consent_app SET code = 'other' WHERE code = 'tracker'", role=role)


# --- proposals of an earlier version ----------------------------------------------------------


def as_an_earlier_version_wrote_it(database: Any, proposal: Any) -> None:
    """It told that an app was blocked and on what suspicion, not by how many reports."""
    database.sql("ALTER TABLE consent_proposal DISABLE TRIGGER USER", role="owner")
    for told in ("before", "after"):
        database.sql(f"UPDATE consent_proposal SET {told} = {told} - 'reports'", role="owner")
    database.sql("ALTER TABLE consent_proposal ENABLE TRIGGER USER", role="owner")
    proposal.refresh_from_db()
    assert set(proposal.before) == set(proposal.after) == {"blocked", "suspected"}


@pytest.mark.parametrize("since", [False, True])
def test_what_an_earlier_version_proposed_takes_effect_unless_it_was_reported_since(
    world: Any, database: Any, *, since: bool
) -> None:
    report_sheet(world)
    proposal = unblocking()
    as_an_earlier_version_wrote_it(database, proposal)
    if since:
        report_sheet(world, reporter=98)

    assert votes(proposal).state == ("failed" if since else "applied")

    assert is_blocked(database) is since
