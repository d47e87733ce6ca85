"""What the database itself refuses, as SQL that may be run again and again. Pure: only text.

The owner of the tables runs `install()` after each migration, and `append_only` or `governed` for
tables of other packages. Nothing here is personal to one table beyond its name.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

APP: Final = "sayso_app"
READER: Final = "sayso_reader"
SEQUENCER: Final = "sayso_sequencer"

Event = Literal["insert", "update", "delete"]

TABLES: Final = (
    "audit_entry",
    "audit_coverage",
    "audit_private",
    "audit_sealkey",
    "audit_pending",
    "audit_leaf",
    "audit_tile",
    "audit_ledgerkey",
    "audit_checkpoint",
    "audit_report",
    "audit_reportfile",
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

_DEFINER: Final = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"

FUNCTIONS: Final = f"""
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: what is recorded there stays', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END $$;

-- Arguments: the column that identifies a row, and the table's name (in a partition, the parent's).
CREATE OR REPLACE FUNCTION audit_require_entry() RETURNS trigger
LANGUAGE plpgsql {_DEFINER} AS $$
DECLARE
  row_key text;
BEGIN
  IF TG_ARGV[0] = 'id' AND TG_OP <> 'DELETE' THEN
    row_key := NEW.id::text;  -- nearly always so, and planned once a session, not once a row
  ELSIF TG_OP = 'DELETE' THEN
    EXECUTE format('SELECT ($1).%I::text', TG_ARGV[0]) INTO row_key USING OLD;
  ELSE
    EXECUTE format('SELECT ($1).%I::text', TG_ARGV[0]) INTO row_key USING NEW;
  END IF;
  -- Transaction numbers begin anew in a restored cluster; the hour keeps old rows from matching.
  IF NOT EXISTS (
    SELECT FROM public.audit_coverage c JOIN public.audit_entry e ON e.id = c.entry_id
    WHERE c.table_name = TG_ARGV[1] AND c.row_pk = row_key
      AND c.xid = pg_current_xact_id() AND e.xid = pg_current_xact_id()
      AND e.recorded_at > transaction_timestamp() - interval '1 hour'
  ) THEN
    RAISE EXCEPTION '% of % % has no entry in the ledger', TG_OP, TG_ARGV[1], row_key
      USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME,
        CONSTRAINT = TG_NAME, HINT = 'Append one that covers the row, in the same transaction.';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_enqueue() RETURNS trigger
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  INSERT INTO public.audit_pending (entry_id) VALUES (NEW.id);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_pending_until_sequenced() RETURNS trigger
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.audit_leaf WHERE entry_id = OLD.entry_id) THEN
    RAISE EXCEPTION 'entry % has no place in the tree yet', OLD.entry_id
      USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
  END IF;
  RETURN OLD;
END $$;

CREATE OR REPLACE FUNCTION audit_leaf_gapless() RETURNS trigger
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  IF NEW.index > 0 AND NOT EXISTS (SELECT FROM public.audit_leaf WHERE index = NEW.index - 1) THEN
    RAISE EXCEPTION 'leaf % would follow a gap', NEW.index
      USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION audit_tile_only_grows() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.level <> OLD.level OR NEW.index <> OLD.index
    OR octet_length(NEW.data) <= octet_length(OLD.data)
    OR substring(NEW.data FROM 1 FOR octet_length(OLD.data)) <> OLD.data
  THEN
    RAISE EXCEPTION 'tile %/% may only grow', OLD.level, OLD.index
      USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;

-- What is written about a person after their key was destroyed keeps no detail and no reference.
-- The lock makes a destruction wait for entries under way, and entries wait for a destruction.
CREATE OR REPLACE FUNCTION audit_private_respects_erasure() RETURNS trigger
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  IF NEW.subject_ref IS NOT NULL THEN
    PERFORM FROM public.audit_sealkey
      WHERE id = NEW.key_id AND destroyed_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
      IF NEW.actor_ref = NEW.subject_ref::text THEN
        NEW.actor_ref := NULL;
        NEW.actor_salt := NULL;
      END IF;
      NEW.subject_ref := NULL;
      NEW.subject_salt := NULL;
      NEW.sealed := NULL;
      NEW.key_id := NULL;
    END IF;
  END IF;
  RETURN NEW;
END $$;

-- Destroys a person's key and blanks what lies beside their entries. The entries stay.
CREATE OR REPLACE FUNCTION audit_destroy_detail(person uuid, OUT key uuid, OUT entries bigint)
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  INSERT INTO public.audit_sealkey (id, ref, month, destroyed_at)
    VALUES (gen_random_uuid(), person, '', clock_timestamp()) ON CONFLICT (ref) DO NOTHING;
  SELECT id INTO key FROM public.audit_sealkey WHERE ref = person FOR UPDATE;
  UPDATE public.audit_sealkey SET wrapped = NULL, destroyed_at = clock_timestamp()
    WHERE id = key AND destroyed_at IS NULL;
  DELETE FROM public.audit_coverage c USING public.audit_private p
    WHERE p.entry_id = c.entry_id AND p.subject_ref = person AND c.xid <> pg_current_xact_id();
  UPDATE public.audit_private SET actor_ref = NULL, actor_salt = NULL
    WHERE actor_ref = person::text;
  UPDATE public.audit_private
    SET subject_ref = NULL, subject_salt = NULL, sealed = NULL, key_id = NULL
    WHERE subject_ref = person;
  GET DIAGNOSTICS entries = ROW_COUNT;
END $$;

REVOKE EXECUTE ON FUNCTION audit_refuse_change(), audit_require_entry(), audit_enqueue(),
  audit_pending_until_sequenced(), audit_leaf_gapless(), audit_tile_only_grows(),
  audit_private_respects_erasure(), audit_destroy_detail(uuid) FROM PUBLIC;
"""  # noqa: S608  constants only


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a plain table or column name: {name!r}")
    return name


def _trigger(
    table: str, name: str, when: str, function: str, *, constraint: bool = False, each: str = "ROW"
) -> str:
    kind = "CONSTRAINT TRIGGER" if constraint else "TRIGGER"
    deferred = "DEFERRABLE INITIALLY DEFERRED " if constraint else ""
    call = function if function.endswith(")") else f"{function}()"
    return (
        f"DROP TRIGGER IF EXISTS {name} ON {_checked(table)};\n"
        f"CREATE {kind} {name} {when} ON {table} {deferred}"
        f"FOR EACH {each} EXECUTE FUNCTION {call};\n"
    )


def _no_truncate(table: str) -> str:
    return _trigger(
        table, "audit_no_truncate", "BEFORE TRUNCATE", "audit_refuse_change", each="STATEMENT"
    )


def append_only(table: str) -> str:
    """Return SQL that keeps every row of a table as it was inserted, whoever asks."""
    return _no_truncate(table) + _trigger(
        table, "audit_append_only", "BEFORE UPDATE OR DELETE", "audit_refuse_change"
    )


def governed(
    table: str, pk: str = "id", events: Iterable[Event] = ("insert", "update", "delete")
) -> str:
    """Return SQL that lets a row change only together with a ledger entry that covers it.

    Checked at commit, so entry and change may come in either order. A table may be partitioned.
    """
    when = " OR ".join(event.upper() for event in events)
    if not when:
        raise ValueError("a governed table has at least one event to watch")
    call = f"audit_require_entry('{_checked(pk)}', '{_checked(table)}')"
    return _no_truncate(table) + _trigger(
        table, "audit_requires_entry", f"AFTER {when}", call, constraint=True
    )


def own_triggers() -> str:
    """Return SQL that protects the ledger's own tables."""
    refuse = "audit_refuse_change"
    return "".join(
        (
            append_only("audit_entry"),
            _trigger("audit_entry", "audit_enqueue", "AFTER INSERT", "audit_enqueue"),
            append_only("audit_leaf"),
            _trigger("audit_leaf", "audit_leaf_gapless", "BEFORE INSERT", "audit_leaf_gapless"),
            append_only("audit_checkpoint"),
            append_only("audit_ledgerkey"),
            _no_truncate("audit_tile"),
            _trigger("audit_tile", "audit_no_delete", "BEFORE DELETE", refuse),
            _trigger("audit_tile", "audit_only_grows", "BEFORE UPDATE", "audit_tile_only_grows"),
            _no_truncate("audit_coverage"),
            _trigger("audit_coverage", "audit_no_update", "BEFORE UPDATE", refuse),
            _no_truncate("audit_pending"),
            _trigger("audit_pending", "audit_no_update", "BEFORE UPDATE", refuse),
            _trigger(
                "audit_pending",
                "audit_until_sequenced",
                "BEFORE DELETE",
                "audit_pending_until_sequenced",
            ),
            _no_truncate("audit_private"),
            _trigger(
                "audit_private",
                "audit_respects_erasure",
                "BEFORE INSERT",
                "audit_private_respects_erasure",
            ),
            _trigger("audit_sealkey", "audit_no_delete", "BEFORE DELETE", refuse),
            governed("audit_sealkey", events=("update",)),
        )
    )


def grants() -> str:
    """Return SQL that gives each role what it needs of the ledger's tables, and takes the rest."""
    tables = ", ".join(TABLES)
    return f"""
REVOKE ALL ON {tables} FROM PUBLIC, {APP}, {READER}, {SEQUENCER};
GRANT INSERT (type, body, event_time, imported), SELECT (id) ON audit_entry TO {APP};
GRANT INSERT (entry_id, table_name, row_pk) ON audit_coverage TO {APP};
GRANT INSERT ON audit_private TO {APP};
GRANT INSERT (id, ref, month, wrapped), SELECT ON audit_sealkey TO {APP};
GRANT EXECUTE ON FUNCTION audit_destroy_detail(uuid) TO {APP};
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_report TO {APP};
GRANT SELECT, INSERT, DELETE ON audit_reportfile TO {APP};
GRANT SELECT ON {tables} TO {READER};
GRANT SELECT ON audit_entry, audit_pending, audit_leaf, audit_tile, audit_checkpoint,
  audit_ledgerkey TO {SEQUENCER};
GRANT INSERT (index, entry_id, chain) ON audit_leaf TO {SEQUENCER};
GRANT INSERT, UPDATE (data) ON audit_tile TO {SEQUENCER};
GRANT INSERT (size, root, chain, note, record_note) ON audit_checkpoint TO {SEQUENCER};
GRANT INSERT (vkey, origin) ON audit_ledgerkey TO {SEQUENCER};
GRANT DELETE ON audit_pending TO {SEQUENCER};
"""


def install() -> str:
    """Return SQL for everything the ledger needs of the database beyond its tables."""
    return FUNCTIONS + own_triggers() + grants()


EXPECTED: Final = frozenset(
    (table, name)
    for name, table in re.findall(
        r"CREATE (?:CONSTRAINT )?TRIGGER (\w+) .*? ON (\w+) ", own_triggers()
    )
)
"""(table, trigger) of every trigger that must be there and awake before anything is signed."""

AWAKE: Final = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""
"""The triggers that are there and awake, to be compared with EXPECTED."""
