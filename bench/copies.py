"""Many people from few: copies, row for row, of those whom the services wrote.

Written past the services, by the owner of the tables and in one transaction:

- consent_subject and, for each subject, consent_subjectfact, consent_cohortmembership,
  consent_personalpolicy, consent_acknowledgement, consent_consentevent, consent_consentscope,
  consent_agent, portal_agenttoken, retention_deletioncase.

Each row is a copy of one that the services wrote for another person, every column of it, so it
says what services would have written: who a person is lies in the keys alone, and those are new
(`KEYS`, and the new owner of each row). The triggers that ask for a ledger entry sleep meanwhile,
and foreign keys are taken off and put back, which makes PostgreSQL check every one of them.

Left out: the ledger's entries about the copies and the keys that seal them. No measurement here
reads them; the size of a real ledger has to be added to the size of the database.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg
from django.apps import apps
from django.db import connection as django_connection
from django.db import models
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench import plan
from consent.models import (
    Acknowledgement,
    Agent,
    CohortMembership,
    ConsentEvent,
    ConsentScope,
    PersonalPolicy,
    Subject,
    SubjectFact,
)
from portal.api.tokens import PREFIX
from portal.models import AgentToken
from portal.servers import locations
from retention.models import DeletionCase

NEW_UUID: Final = "gen_random_uuid()"
OF_SUBJECT: Final = "JOIN {table} o ON o.subject_id = c.original"
OLD_EVENT: Final = "JOIN consent_consentevent e ON e.subject_id = c.original "
NEW_EVENT: Final = (
    " JOIN consent_consentevent n ON n.subject_id = c.subject AND n.position = e.position"
)


@dataclass(frozen=True)
class Copied:
    """A table whose rows are copied: how they are found, and which columns become new."""

    model: type[models.Model]
    new: Mapping[str, LiteralString] = field(default_factory=dict)
    found_by: LiteralString = OF_SUBJECT

    @property
    def table(self) -> str:
        """The table's name."""
        return self.model._meta.db_table  # noqa: SLF001  Django's public secret


TABLES: Final = (
    Copied(Subject, {"id": "c.subject", "ref": NEW_UUID}, "JOIN {table} o ON o.id = c.original"),
    Copied(SubjectFact),
    Copied(PersonalPolicy),
    Copied(CohortMembership),
    Copied(Acknowledgement),
    Copied(ConsentEvent, {"uuid": NEW_UUID}),
    Copied(
        ConsentScope,
        {"event_id": "n.id"},
        OLD_EVENT + "JOIN {table} o ON o.event_id = e.id" + NEW_EVENT,
    ),
    Copied(
        DeletionCase,
        {"uuid": NEW_UUID, "consent_event_id": "n.id"},
        OLD_EVENT + "JOIN {table} o ON o.consent_event_id = e.id" + NEW_EVENT,
    ),
    Copied(
        Agent,
        {"ref": NEW_UUID, "public_key": "sha256(uuid_send(gen_random_uuid()))"},
    ),
    Copied(
        AgentToken,
        {
            "agent_id": "n.id",
            "sha256": "sha256(convert_to(%(prefix)s || encode("
            "sha256(convert_to(n.ref::text, 'UTF8')), 'hex'), 'UTF8'))",
        },
        "JOIN consent_agent a ON a.subject_id = c.original JOIN {table} o ON o.agent_id = a.id"
        " JOIN consent_agent n ON n.subject_id = c.subject",
    ),
)
PLAN_COPIES: Final = """
CREATE TABLE bench_copy AS
SELECT nextval(pg_get_serial_sequence('consent_subject', 'id')) AS subject, original, number
FROM (
  SELECT o.subject AS original, o.number
  FROM unnest(%(originals)s::bigint[], %(numbers)s::int[], %(times)s::int[])
    AS o (subject, number, times), generate_series(1, o.times)
  ORDER BY random()
) AS shuffled
"""


def copy_people(originals: list[int], *, people: int) -> int:
    """Copy the originals until there are that many people; return how many copies were made.

    All or nothing: whatever goes wrong leaves the database as it was.
    """
    _refuse_uncopied()
    with psycopg.connect(_address()) as connection:
        connection.execute("SET LOCAL work_mem = '256MB'")
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        connection.execute("SELECT setseed(0.5)")
        times = copies_of_each(len(originals), people - len(originals))
        connection.execute(
            PLAN_COPIES,
            {"originals": originals, "numbers": list(range(len(originals))), "times": times},
        )
        connection.execute("CREATE INDEX ON bench_copy (original)")
        connection.execute("ANALYZE bench_copy")
        with _unguarded(connection):
            for copied in TABLES:
                connection.execute(_insert(copied), {"prefix": PREFIX})
    as_owner("VACUUM ANALYZE")
    return sum(times)


def sample_of_copies(size: int) -> list[tuple[int, int]]:
    """Return copies picked at random, each with the number of the archetype it comes from."""
    picked = "SELECT subject, number FROM bench_copy ORDER BY hashint8(subject) LIMIT %s"
    return [(int(subject), int(number)) for subject, number in as_owner(picked, size)]


def forget_copies() -> None:
    """Drop the list of who is a copy of whom."""
    as_owner("DROP TABLE bench_copy")


def as_owner(statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement as the owner of the tables; return its rows."""
    with psycopg.connect(_address(), autocommit=True) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def _address() -> str:
    name = django_connection.settings_dict["NAME"]
    return make_conninfo(locations.database_url("owner"), dbname=name)


def copies_of_each(originals: int, copies: int) -> list[int]:
    """Return how many copies each original gets: together exactly `copies`."""
    weights = plan.weights(originals)
    total = sum(weights)
    times = [int(copies * weight / total) for weight in weights]
    for number in range(copies - sum(times)):
        times[number % originals] += 1
    return times


def _insert(copied: Copied) -> sql.Composed:
    """Return the statement that copies one table; a column added one day is copied, too."""
    new: dict[str, LiteralString] = dict(copied.new)
    columns = [one.column for one in copied.model._meta.concrete_fields]  # noqa: SLF001
    if "subject_id" in columns:
        new["subject_id"] = "c.subject"
    if "id" not in new:
        columns.remove("id")
    values = [sql.SQL(new[c]) if c in new else sql.Identifier("o", c) for c in columns]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM bench_copy c {found}"
    ).format(
        table=sql.Identifier(copied.table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        found=sql.SQL(copied.found_by).format(table=sql.Identifier(copied.table)),
    )


@contextmanager
def _unguarded(connection: psycopg.Connection) -> Any:
    """Let the triggers sleep and the foreign keys away; back again, and checked, at the end."""
    tables = [copied.table for copied in TABLES]
    keys = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)",
        [tables],
    ).fetchall()
    for table in tables:
        connection.execute(_alter(table, "DISABLE TRIGGER USER"))
    for table, name, _ in keys:
        connection.execute(_alter(table, f'DROP CONSTRAINT "{name}"'))
    yield
    for table, name, definition in keys:
        connection.execute(_alter(table, f'ADD CONSTRAINT "{name}" {definition}'))
    for table in tables:
        connection.execute(_alter(table, "ENABLE TRIGGER USER"))


def _alter(table: str, what: str) -> sql.Composed:
    # The words are the catalogue's own, or ours.
    return sql.SQL("ALTER TABLE {} ").format(sql.Identifier(table)) + sql.SQL(what)  # type: ignore[arg-type]


def _refuse_uncopied() -> None:
    """Stop where a person has rows that are not copied: such copies would not be whole."""
    copied = {one.model for one in TABLES}
    for model in apps.get_models():
        if model in copied:
            continue
        for one in model._meta.concrete_fields:  # noqa: SLF001
            if (
                one.related_model in copied
                and model.objects.filter(  # type: ignore[attr-defined]
                    **{f"{one.name}__isnull": False}
                ).exists()
            ):
                raise RuntimeError(f"{model.__name__}.{one.name} is about people and is not copied")
