"""What PostgreSQL itself refuses: changed ledgers, and changes without a ledger entry."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from audit import events, ledger, protection
from audit.ledger import Actor
from tests.audit.conftest import say

SAID = events.ConsentWithdrawn(purpose="train-agents", notice_version=3)
REFUSED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def signed(database: Any, sequencer: Any) -> Any:
    """A database with a few signed entries, and one that waits."""
    for subject in (uuid4(), None):
        say(subject)
    sequencer.step()
    say(uuid4())
    return database


@pytest.fixture
def toy(database: Any) -> Any:
    """A governed table; one row stands, covered as it should be."""
    database.sql("CREATE TABLE toy (id int PRIMARY KEY, state text)")
    database.sql(protection.governed("toy"))
    database.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON toy TO sayso_app")
    with transaction.atomic():
        run("INSERT INTO toy VALUES (1, 'given'), (2, 'given')")
        cover(("toy", 1), ("toy", 2))
    return database


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def cover(*rows: tuple[str, object]) -> None:
    ledger.append(SAID, actor=Actor.system("tests"), covers=rows)


def accepted(
    database: Any, statements: list[str], *, role: str, refusal: type[Exception] = REFUSED
) -> list[str]:
    """Return the statements that were not refused."""
    passed = []
    for sql in statements:
        try:
            database.sql(sql, role=role)
        except refusal:
            continue
        passed.append(sql)
    return passed


BEYOND_APP = [
    "SELECT body FROM audit_entry",
    "SELECT type FROM audit_entry",
    "SELECT * FROM audit_private",
    "SELECT * FROM audit_coverage",
    "SELECT * FROM audit_pending",
    "SELECT * FROM audit_leaf",
    "SELECT * FROM audit_tile",
    "SELECT * FROM audit_checkpoint",
    "UPDATE audit_entry SET type = 'x'",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry CASCADE",
    "INSERT INTO audit_entry (type, body, recorded_at) VALUES ('consent.given', '{}', now())",
    "INSERT INTO audit_entry (type, body, xid) VALUES ('consent.given', '{}', '1')",
    "INSERT INTO audit_entry (id, type, body) VALUES (99, 'consent.given', '{}')",
    "INSERT INTO audit_coverage (entry_id, xid, table_name, row_pk) VALUES (1, '1', 't', '1')",
    "UPDATE audit_coverage SET row_pk = '2'",
    "DELETE FROM audit_coverage",
    "UPDATE audit_private SET subject_ref = NULL",
    "DELETE FROM audit_private",
    "UPDATE audit_sealkey SET wrapped = NULL",
    "DELETE FROM audit_sealkey",
    "INSERT INTO audit_pending VALUES (1)",
    "DELETE FROM audit_pending",
    "INSERT INTO audit_leaf (index, entry_id, chain) VALUES (9, 1, '')",
    "INSERT INTO audit_checkpoint (size, root, chain, note, record_note) VALUES (9,'','','','')",
    "UPDATE audit_tile SET data = ''",
    "INSERT INTO audit_ledgerkey (vkey, origin) VALUES ('', '')",
    "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE sql AS ''",
    "DROP TRIGGER audit_append_only ON audit_entry",
    "DROP TABLE audit_entry CASCADE",
]


def test_the_application_can_add_and_nothing_else(signed: Any) -> None:
    assert accepted(signed, BEYOND_APP, role="app") == []


BEYOND_READER = [
    "INSERT INTO audit_entry (type, body) VALUES ('consent.given', '{}')",
    "UPDATE audit_private SET subject_ref = NULL",
    "DELETE FROM audit_checkpoint",
    "INSERT INTO audit_report (kind, title) VALUES ('x', 'x')",
    "SELECT audit_destroy_detail(gen_random_uuid())",
]


def test_the_reader_reads(signed: Any) -> None:
    assert accepted(signed, BEYOND_READER, role="reader") == []


BEYOND_SEQUENCER = [
    "INSERT INTO audit_entry (type, body) VALUES ('consent.given', '{}')",
    "SELECT * FROM audit_private",
    "SELECT * FROM audit_sealkey",
    "SELECT * FROM audit_coverage",
    "UPDATE audit_leaf SET index = 9",
    "DELETE FROM audit_leaf",
    "UPDATE audit_checkpoint SET note = ''",
    "UPDATE audit_tile SET level = 3",
    "DELETE FROM audit_tile",
    "UPDATE audit_ledgerkey SET vkey = ''",
    "SELECT audit_destroy_detail(gen_random_uuid())",
]


def test_the_sequencer_sequences(signed: Any) -> None:
    assert accepted(signed, BEYOND_SEQUENCER, role="sequencer") == []


BEYOND_OWNER = [
    "UPDATE audit_entry SET type = 'x'",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry CASCADE",
    "UPDATE audit_leaf SET chain = chain",
    "DELETE FROM audit_leaf",
    "TRUNCATE audit_leaf",
    "UPDATE audit_checkpoint SET note = ''",
    "DELETE FROM audit_checkpoint",
    "TRUNCATE audit_checkpoint",
    "UPDATE audit_ledgerkey SET vkey = ''",
    "DELETE FROM audit_ledgerkey",
    "DELETE FROM audit_tile",
    "TRUNCATE audit_tile",
    "UPDATE audit_tile SET data = data",
    "UPDATE audit_tile SET data = substring(data FROM 1 FOR 32)",
    "UPDATE audit_tile SET data = set_byte(data, 0, get_byte(data, 0) # 1) || data",
    "UPDATE audit_tile SET index = 7, data = data || data",
    "UPDATE audit_coverage SET row_pk = '2'",
    "TRUNCATE audit_coverage",
    "UPDATE audit_pending SET entry_id = 7",
    "DELETE FROM audit_pending",
    "TRUNCATE audit_pending",
    "TRUNCATE audit_private",
    "TRUNCATE audit_sealkey",
    "DELETE FROM audit_sealkey",
    "UPDATE audit_sealkey SET month = '2020-01', ref = NULL",
    "INSERT INTO audit_leaf (index, entry_id, chain) SELECT 7, max(id), '' FROM audit_entry",
]


def test_even_the_owner_cannot_without_switching_the_protection_off(signed: Any) -> None:
    say(covers=[("t", 1)])
    refusal = psycopg.errors.IntegrityError
    assert accepted(signed, BEYOND_OWNER, role="owner", refusal=refusal) == []


BAD_BODIES = [
    ("consent.given", b'{"type":"consent.refused"}'),
    ("consent.given", b"no json"),
    ("consent.given", b"\xff"),
    ("consent.given", b""),
    ("consent.given", b'{"type":"consent.given","more":"' + b"x" * 16_384 + b'"}'),
]


def test_a_body_is_json_of_its_type_and_size(database: Any) -> None:
    for row in BAD_BODIES:
        with pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.DataError)):
            database.sql("INSERT INTO audit_entry (type, body) VALUES (%s, %s)", *row, role="app")


def test_a_covered_change_commits(toy: Any) -> None:
    with transaction.atomic():
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")
        cover(("toy", 1))
    with transaction.atomic():
        cover(("toy", 2))  # the entry may come first
        run("DELETE FROM toy WHERE id = 2")
    assert toy.sql("SELECT * FROM toy") == [(1, "withdrawn")]


def _nothing() -> None: ...


UNCOVERED = [
    (_nothing, "INSERT INTO toy VALUES (3, 'given')"),
    (_nothing, "UPDATE toy SET state = 'given' WHERE id = 1"),
    (_nothing, "UPDATE toy SET state = 'withdrawn'"),
    (_nothing, "DELETE FROM toy WHERE id = 1"),
    (_nothing, "DELETE FROM toy"),
    (_nothing, "INSERT INTO toy SELECT n, 'given' FROM generate_series(3, 30) n"),
    (lambda: cover(("toy", 2)), "UPDATE toy SET state = 'withdrawn' WHERE id = 1"),
    (lambda: cover(("toy", 1)), "UPDATE toy SET state = 'withdrawn'"),
    (lambda: cover(("toys", 1)), "UPDATE toy SET state = 'withdrawn' WHERE id = 1"),
    (lambda: cover(("toy", 11)), "UPDATE toy SET state = 'withdrawn' WHERE id = 1"),
    (
        _nothing,
        "INSERT INTO toy VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET state = 'x'",
    ),
    (
        _nothing,
        (
            "INSERT INTO audit_coverage (entry_id, table_name, row_pk) SELECT max(id), 'toy', '1' "
            "FROM audit_entry; UPDATE toy SET state = 'x' WHERE id = 1"
        ),
    ),
    (
        _nothing,
        (
            "INSERT INTO audit_coverage (entry_id, table_name, row_pk) VALUES (4711, 'toy', '1'); "
            "UPDATE toy SET state = 'x' WHERE id = 1"
        ),
    ),
]


def test_a_change_without_its_entry_does_not_commit(toy: Any) -> None:
    for said, act in UNCOVERED:
        with pytest.raises(IntegrityError, match="no entry in the ledger"), transaction.atomic():  # noqa: PT012
            said()
            run(act)
    assert toy.sql("SELECT * FROM toy ORDER BY id") == [(1, "given"), (2, "given")]


def test_asking_early_does_not_get_around_the_gate(toy: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")
        cover(("toy", 1))
    with transaction.atomic():
        cover(("toy", 1))
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")
        run("SET CONSTRAINTS ALL DEFERRED")
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        run("UPDATE toy SET state = 'given' WHERE id = 2")
        run("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_entry_that_was_rolled_back_covers_nothing(toy: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")
        try:
            with transaction.atomic():
                cover(("toy", 1))
                1 / 0  # noqa: B018
        except ZeroDivisionError:
            pass


def test_an_entry_of_an_earlier_transaction_covers_nothing(toy: Any) -> None:
    with transaction.atomic():
        cover(("toy", 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")


KEYS_TO_THE_GATE = [
    "TRUNCATE toy",
    "ALTER TABLE toy DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_requires_entry ON toy",
    "SET session_replication_role = replica",
]


def test_the_application_cannot_open_the_gate(toy: Any) -> None:
    assert accepted(toy, KEYS_TO_THE_GATE, role="app") == []


def test_a_governed_table_is_not_emptied_by_its_owner_either(toy: Any) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        toy.sql("TRUNCATE toy")


def test_without_the_ledger_there_is_no_change(toy: Any) -> None:
    toy.sql("REVOKE INSERT (type) ON audit_entry FROM sayso_app")
    with pytest.raises(Exception, match="permission denied"), transaction.atomic():  # noqa: PT012
        run("UPDATE toy SET state = 'withdrawn' WHERE id = 1")
        cover(("toy", 1))
    assert toy.sql("SELECT state FROM toy WHERE id = 1") == [("given",)]


def test_partitions_are_governed_as_their_parent(database: Any) -> None:
    database.sql(
        "CREATE TABLE piece (ref uuid, day int, PRIMARY KEY (ref, day)) PARTITION BY RANGE (day)"
    )
    database.sql(protection.governed("piece", pk="ref"))
    database.sql("CREATE TABLE piece_1 PARTITION OF piece FOR VALUES FROM (1) TO (2)")
    database.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON piece, piece_1 TO sayso_app")
    ref = uuid4()

    with transaction.atomic():
        run(f"INSERT INTO piece VALUES ('{ref}', 1)")
        cover(("piece", ref))
    for sql in ("DELETE FROM piece", "DELETE FROM piece_1", "UPDATE piece SET ref = ref"):
        with pytest.raises(IntegrityError), transaction.atomic():
            run(sql)
    assert database.sql("SELECT count(*) FROM piece") == [(1,)]


def test_only_the_events_asked_for_are_watched(database: Any) -> None:
    database.sql("CREATE TABLE loose (id int PRIMARY KEY)")
    database.sql(protection.governed("loose", events=["delete"]))
    database.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON loose TO sayso_app")

    run("INSERT INTO loose VALUES (1)")
    with pytest.raises(IntegrityError):
        run("DELETE FROM loose")


def test_rows_of_an_append_only_table_stay(database: Any) -> None:
    database.sql("CREATE TABLE fact (id int PRIMARY KEY)")
    database.sql(protection.append_only("fact"))
    database.sql("INSERT INTO fact VALUES (1)")

    for sql in ("UPDATE fact SET id = 2", "DELETE FROM fact", "TRUNCATE fact"):
        with pytest.raises(psycopg.errors.RestrictViolation, match="what is recorded there stays"):
            database.sql(sql)


def test_the_protection_may_be_installed_again(signed: Any) -> None:
    for _ in range(2):
        signed.sql(protection.install())
    awake = set(signed.sql(protection.AWAKE))
    assert awake >= protection.EXPECTED
    assert len(protection.EXPECTED) == 23


@pytest.mark.parametrize("name", ["", "Upper", "x; DROP TABLE y", 'a"b', "a" * 64])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="plain"):
        protection.append_only(name)
    with pytest.raises(ValueError, match="plain"):
        protection.governed("fine", pk=name)
    with pytest.raises(ValueError, match="at least one"):
        protection.governed("fine", events=())


def test_functions_that_act_as_owner_have_a_fixed_path(database: Any) -> None:
    rows = database.sql(
        "SELECT proname, proconfig FROM pg_proc WHERE proname LIKE 'audit%' AND prosecdef"
    )
    assert len(rows) >= 6
    assert all("search_path=pg_catalog, public, pg_temp" in config for _, config in rows)
