"""What PostgreSQL itself refuses, by raw SQL, in the role of the web process and of the owner."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import factories

FINAL = (
    "consent_consentevent",
    "consent_consentscope",
    "consent_noticetext",
    "consent_gateevidence",
    "consent_cohortpolicy",
    "consent_recordedregistry",
    "consent_issuedpolicy",
    "audit_entry",
)


@pytest.fixture
def world(database: Any) -> Any:
    world = factories.make_world()
    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))
    return world


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize("table", FINAL)
def test_a_final_row_can_be_neither_changed_nor_deleted(
    world: Any, database: Any, table: str, role: str
) -> None:
    before = database.sql(f"SELECT count(*) FROM {table}")
    assert before[0][0] > 0

    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(psycopg.Error):
            database.sql(statement, role=role)

    assert database.sql(f"SELECT count(*) FROM {table}") == before


def test_a_published_notice_is_final_even_for_the_owner(world: Any, database: Any) -> None:
    for statement in (
        "UPDATE consent_notice SET sha256 = 'x'",
        "DELETE FROM consent_notice",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            database.sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_purpose SET retention_days = 300",
        "UPDATE consent_app SET category = 'office'",
        "INSERT INTO consent_pause (subject_id, started_at) SELECT id, now() FROM consent_subject",
        "UPDATE consent_agent SET standing = 'active'",
        "DELETE FROM consent_allowlistentry",
    ],
)
@pytest.mark.parametrize("role", ["app", "owner"])
def test_a_governed_change_without_an_entry_does_not_commit(
    world: Any, database: Any, statement: str, role: str
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        database.sql(statement, role=role)

    assert isinstance(
        refusal.value,
        psycopg.errors.IntegrityError | psycopg.errors.InsufficientPrivilege,
    )


def test_requester_cannot_be_approver_in_raw_sql(world: Any, database: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="requester_is_not_approver"):
        database.sql(
            "INSERT INTO consent_proposal (uuid, kind, payload, payload_sha256, state,"
            " proposed_by, decided_by, tightens, approvals_needed, council_units)"
            " VALUES (gen_random_uuid(), 'x', '{}', '', 'rejected',"
            " '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001',"
            " false, 1, '{}')"
        )


def test_a_held_batch_cannot_be_erased_in_raw_sql(world: Any, database: Any, store: Any) -> None:
    from django.db import transaction

    from audit import events, ledger
    from retention.models import Hold

    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), b"kept")
    with transaction.atomic():
        hold = Hold.objects.create(
            subject=world.subject, reason_code="litigation", placed_by=factories.OFFICER.ref
        )
        ledger.append(
            events.HoldPlaced(reason="litigation", hold=hold.uuid),
            actor=factories.OFFICER,
            covers=[hold],
        )

    for statement in ("UPDATE retention_batch SET state = 'erased'", "DELETE FROM retention_batch"):
        with pytest.raises(psycopg.errors.IntegrityError, match="legal hold"):
            database.sql(statement)


def test_nothing_extends_the_term_of_a_batch(world: Any, database: Any, store: Any) -> None:
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), b"kept")

    with pytest.raises(psycopg.errors.IntegrityError, match="nothing extends"):
        database.sql("UPDATE retention_batch SET due_at = due_at + interval '1 day'")
