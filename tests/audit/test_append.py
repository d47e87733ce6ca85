"""append: one statement, in the transaction of the change, and nothing left of it otherwise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings

from audit import events, keys, ledger
from audit.errors import NothingToCoverError, OutsideTransactionError
from audit.ledger import Actor
from tests.audit.conftest import say
from tests.audit.test_events import any_event

SAID = events.ConsentWithdrawn(purpose="train-agents", notice_version=3)


def test_an_entry_needs_a_transaction(database: Any) -> None:
    for act in (
        lambda: ledger.append(SAID, actor=Actor.system("tests")),
        lambda: ledger.destroy_detail(uuid4(), reason="term_over", actor=Actor.system("tests")),
    ):
        with pytest.raises(OutsideTransactionError):
            act()
    assert database.sql("SELECT count(*) FROM audit_entry") == [(0,)]


def test_an_entry_stands_if_and_only_if_the_transaction_commits(database: Any) -> None:
    kept = say(uuid4())
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        ledger.append(SAID, actor=Actor.system("tests"), subject=uuid4(), covers=[("t", 1)])
        1 / 0  # noqa: B018

    for table, column in (
        ("audit_entry", "id"),
        ("audit_pending", "entry_id"),
        ("audit_private", "entry_id"),
    ):
        assert database.sql(f"SELECT {column} FROM {table}") == [(kept,)]
    assert database.sql("SELECT count(*) FROM audit_coverage") == [(0,)]


def test_an_append_is_one_statement_once_its_key_is_known(database: Any) -> None:
    subject = uuid4()
    for expected in (3, 1, 1):
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            ledger.append(
                SAID, actor=Actor.subject(subject), subject=subject, covers=[("a", 1), ("b", 2)]
            )
        statements = [query["sql"] for query in queries if "audit_" in query["sql"]]
        assert len(statements) == expected


def test_what_an_entry_covers_lies_beside_it(database: Any) -> None:
    from audit.models import SealKey

    row = SealKey(month="2026-11")
    entry = say(covers=[row, ("consent_event", 7)])

    found = database.sql("SELECT entry_id, table_name, row_pk FROM audit_coverage ORDER BY id")
    assert found == [(entry, "audit_sealkey", str(row.pk)), (entry, "consent_event", "7")]


def test_a_row_without_a_key_cannot_be_covered(database: Any) -> None:
    from audit.models import Report

    with pytest.raises(NothingToCoverError):
        say(covers=[Report()])


def test_times_come_from_the_database_and_imports_say_when(database: Any) -> None:
    happened = datetime(2020, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
    say(event_time=happened, imported=True)
    say()

    rows = database.sql(
        "SELECT event_time, imported, recorded_at BETWEEN now() - interval '1 minute' AND now() "
        "FROM audit_entry ORDER BY id"
    )
    assert rows == [(happened, True, True), (None, False, True)]
    with pytest.raises(IntegrityError):
        say(imported=True)


def test_a_body_holds_neither_person_nor_actor(database: Any) -> None:
    subject = uuid4()
    entry = say(subject)

    [(body, ref, actor)] = database.sql(
        "SELECT e.body, p.subject_ref, p.actor_ref FROM audit_entry e JOIN audit_private p "
        "ON p.entry_id = e.id WHERE e.id = %s",
        entry,
    )
    assert (ref, actor) == (subject, str(subject))
    assert str(subject).encode() not in body
    assert b"pl-PL" not in body
    assert json.loads(body)["data"]["purpose"] == "train-agents"


def test_sealed_detail_is_not_readable_in_the_tables(database: Any) -> None:
    say(uuid4())
    assert database.sql(
        "SELECT count(*) FROM audit_private WHERE position('pl-PL'::bytea in sealed) > 0"
    ) == [(0,)]


def test_one_key_a_person_and_one_a_month_for_the_rest(database: Any) -> None:
    one, other = uuid4(), uuid4()
    for subject in (one, other, None, one, None, other):
        say(subject)

    month = datetime.now(UTC).strftime("%Y-%m")
    rows = database.sql("SELECT ref, month FROM audit_sealkey ORDER BY month, ref")
    assert rows == [(min(one, other), ""), (max(one, other), ""), (None, month)]


def test_a_key_made_in_vain_is_not_remembered(database: Any) -> None:
    subject = uuid4()
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        ledger.append(SAID, actor=Actor.subject(subject), subject=subject)
        1 / 0  # noqa: B018
    assert keys._memory.get(keys.Owner.of(subject, datetime.now(UTC))) is None

    say(subject)

    assert opened(database, subject) == ["open"]


def test_a_key_remembered_from_another_database_is_looked_up_anew(database: Any) -> None:
    subject = uuid4()
    owner = keys.Owner.of(subject, datetime.now(UTC))
    keys._memory.put(owner, keys.Key(uuid4(), bytes(32)))

    say(subject)

    assert opened(database, subject) == ["open"]


def test_another_process_may_have_made_the_key(database: Any) -> None:
    subject = uuid4()
    owner = keys.Owner.of(subject, datetime.now(UTC))
    say(subject)
    keys.forget(owner)  # as in a process that has never seen this person

    say(subject)

    assert opened(database, subject) == ["open", "open"]
    assert database.sql("SELECT count(*) FROM audit_sealkey") == [(1,)]


def test_memory_is_bounded(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_REMEMBER", 3)
    people = [uuid4() for _ in range(5)]
    for person in people:
        say(person)

    assert len(keys._memory._keys) <= 3
    assert [opened(database, person) for person in people] == [["open"]] * 5


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(any_event())
def test_any_event_can_be_stored_and_opened(database: Any, said: events.Event) -> None:
    from audit import selectors

    with transaction.atomic():
        entry = ledger.append(said, actor=Actor.staff(uuid4()), subject=uuid4())

    detail = selectors.entry_detail(entry)
    assert detail is not None
    assert detail.opening == "open"
    assert detail.row.data == said.leaf_data()
    assert detail.detail == said.sealed_data()


def test_appends_do_not_wait_for_each_other(database: Any) -> None:
    """A second connection appends and commits while the first is still in its transaction."""
    subject, other = uuid4(), uuid4()
    say(subject)
    say(other)
    say()
    with transaction.atomic():
        ledger.append(SAID, actor=Actor.subject(subject), subject=subject)
        ledger.append(SAID, actor=Actor.system("tests"))
        in_other_connection(other, None)
    assert database.sql("SELECT count(*) FROM audit_entry") == [(7,)]


def test_the_first_entry_of_a_month_makes_nobody_wait(database: Any) -> None:
    with transaction.atomic():
        ledger.append(SAID, actor=Actor.system("tests"))
        keys.forget(keys.Owner.of(None, datetime.now(UTC)))
        in_other_connection(None)
    assert [row[0] for row in database.sql("SELECT month FROM audit_sealkey")] == [
        datetime.now(UTC).strftime("%Y-%m")
    ] * 2


def in_other_connection(*subjects: UUID | None) -> None:
    """Append in another thread, thus over another connection, and fail rather than wait."""
    from concurrent.futures import ThreadPoolExecutor

    def act() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            for subject in subjects:
                say(subject)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(act).result(timeout=20)


def opened(database: Any, subject: UUID) -> list[str]:
    from audit import selectors

    entries = database.sql(
        "SELECT entry_id FROM audit_private WHERE subject_ref = %s ORDER BY entry_id", subject
    )
    details = [selectors.entry_detail(entry) for (entry,) in entries]
    return [detail.opening for detail in details if detail]


def test_an_hour_of_margin_between_clocks_is_kept(database: Any) -> None:
    """The leaf's hour is the application's, recorded_at the database's; both are near now."""
    entry = say()
    [(body, recorded_at)] = database.sql(
        "SELECT body, recorded_at FROM audit_entry WHERE id = %s", entry
    )
    hour = datetime.fromisoformat(json.loads(body)["at"])
    assert abs(recorded_at - hour) <= timedelta(hours=1, minutes=1)


def test_many_entries_are_each_their_own_whatever_became_of_a_key(database: Any) -> None:
    from audit import selectors

    people = [uuid4() for _ in range(5)]
    say(people[3])  # has a key already
    for lost in (people[0], people[2]):
        keys._memory.put(keys.Owner.of(lost, datetime.now(UTC)), keys.Key(uuid4(), bytes(32)))
    said = [
        events.ConsentWithdrawn(purpose=f"purpose-{number}", notice_version=number + 1)
        for number in range(5)
    ]

    with transaction.atomic():
        numbers = ledger.append_all(
            [
                ledger.Entry(event, Actor.subject(who), who, [("a", place), ("b", place)])
                for place, (event, who) in enumerate(zip(said, people, strict=True))
            ]
        )

    assert len(set(numbers)) == 5
    for place, (number, who) in enumerate(zip(numbers, people, strict=True)):
        detail = selectors.entry_detail(number)
        assert detail is not None
        assert detail.opening == "open"
        assert detail.subject_ref == who
        assert detail.body["data"]["purpose"] == f"purpose-{place}"
        assert detail.covers == (("a", str(place)), ("b", str(place)))


def test_nothing_to_enter_is_no_statement(database: Any) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert ledger.append_all([]) == []

    assert not [query for query in queries if "audit_" in query["sql"]]
