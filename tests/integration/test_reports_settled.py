"""A report about an app stays as it was made until all agreed that it was mistaken; then settled.

PostgreSQL itself refuses anything else.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import factories
from tests.integration.test_protected_in_database import is_blocked, report_sheet, unblocking, votes

SETTLE = "UPDATE consent_appreport SET settled_at = now()"
BORN_SETTLED = """
    INSERT INTO consent_appreport (app_id, reporter, suspected, settled_at)
    SELECT app_id, gen_random_uuid(), suspected, now() FROM consent_appreport
"""
SETTLED = "SELECT count(*), count(settled_at) FROM consent_appreport"


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world()
    report_sheet(world)
    return world


def written(statement: str, type_: str) -> None:
    """Run it as the application, with an entry of a type about the app and all its reports."""
    from django.db import connection, transaction

    from audit import events, ledger
    from consent.models import App, AppReport

    said = {
        "unblocked": events.AppUnblocked(app="sheet"),
        "reported": events.AppReported(app="sheet"),
        "changed": events.AppChanged(app="sheet", category="office", fields=(), digest="0"),
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement)
        ledger.append(
            said[type_],
            actor=factories.OFFICER,
            covers=[*App.objects.all(), *AppReport.objects.all()],
        )


@pytest.mark.parametrize("type_", ["unblocked", "reported", "changed"])
def test_no_entry_alone_settles_a_report(world: Any, database: Any, type_: str) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="settle report"):
        written(SETTLE, type_)

    assert database.sql(SETTLED) == [(1, 0)]


def test_it_is_settled_with_its_own_entry_alone(
    world: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All agreed, and the ledger would say something else of what was reported."""
    from audit import events, ledger
    from consent.exceptions import ChangedMeanwhile

    honest = ledger.append
    proposal = votes(unblocking(), officers=1)

    def append(event: Any, *, covers: Any = (), **said: Any) -> Any:
        if event.type == "app.unblocked":
            honest(events.AppReported(app="sheet"), covers=covers[1:], **said)
            covers = covers[:1]
        return honest(event, covers=covers, **said)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", append)
        with pytest.raises(ChangedMeanwhile):
            votes(proposal, council=False)
    assert (is_blocked(database), database.sql(SETTLED)) == (True, [(1, 0)])

    assert votes(proposal, council=False).state == "applied"
    assert (is_blocked(database), database.sql(SETTLED)) == (False, [(1, 1)])


@pytest.mark.parametrize("value", ["NULL", "now()", "'2020-01-01'"])
def test_what_is_settled_stays_settled_when_it_was(world: Any, database: Any, value: str) -> None:
    from django.db import IntegrityError

    votes(unblocking())
    before = database.sql("SELECT * FROM consent_appreport")

    with pytest.raises(IntegrityError, match="stays the one it is"):
        written(f"UPDATE consent_appreport SET settled_at = {value}", "unblocked")
    with pytest.raises(psycopg.errors.IntegrityError, match="stays the one it is"):
        database.sql(
            f"UPDATE consent_appreport SET settled_at = {value}",
            role="owner",
        )

    assert database.sql("SELECT * FROM consent_appreport") == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_appreport SET suspected = 'union'",
        "UPDATE consent_appreport SET reporter = gen_random_uuid()",
        "UPDATE consent_appreport SET recorded_at = '2020-01-01'",
        "UPDATE consent_appreport SET app_id = (SELECT id FROM consent_app WHERE code = 'tracker')",
        "DELETE FROM consent_appreport",
        BORN_SETTLED,
    ],
)
def test_what_was_reported_stays_as_it_was_said(world: Any, database: Any, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="stays the one it is"):
        database.sql(statement, role="owner")

    assert database.sql(SETTLED) == [(1, 0)]
