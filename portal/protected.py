"""What the database holds of protected and reported apps: they stay so but by what all agreed to.

Two officers and every council agree to a proposal that names the app, and its new kind, its marks
or that it is to be unblocked, which settles what was reported; the rows may change in the
transaction in which that takes effect, and in no other. So it is with each mark: one that such an
app loses, and one that stands despite the catalogue. Checked at commit, since the change is made
before the proposal is said to be in effect.
"""

from typing import Final

from audit.events import AppUnblocked
from consent.policy.types import NEVER_CATEGORIES

NEVER: Final = ", ".join(f"'{category.value}'" for category in sorted(NEVER_CATEGORIES))

PROTECTED: Final = f"""
CREATE OR REPLACE FUNCTION consent_refuse_other_code() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'an app keeps its code: proposals and agreements name it by that'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER consent_app_code BEFORE UPDATE ON consent_app
FOR EACH ROW WHEN ((NEW.id, NEW.code) IS DISTINCT FROM (OLD.id, OLD.code))
EXECUTE FUNCTION consent_refuse_other_code();

-- What a proposal of a kind about an app asked for, if all agreed to it and it takes effect now.
CREATE OR REPLACE FUNCTION consent_agreed_now(asked text, about text)
RETURNS SETOF jsonb LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  ahead int;
  payload jsonb;
BEGIN
  FOR ahead, payload IN SELECT -age(p.xmin), p.payload FROM consent_proposal p
    WHERE p.kind = asked AND p.state = 'applied' AND NOT p.tightens
    AND p.approvals_needed = 2 AND cardinality(p.council_units) > 0
    AND p.payload ->> 'app' = about
    AND p.council_units @> ARRAY(
      SELECT DISTINCT s.unit FROM consent_councilseat s WHERE s.ended_at IS NULL)
    AND EXISTS (SELECT FROM audit_coverage c WHERE c.table_name = 'consent_proposal'
      AND c.row_pk = p.id::text AND c.xid = pg_current_xact_id())
  LOOP
    -- What is decided is never written again: one that this transaction wrote took effect in it.
    -- In a savepoint its number is another one; of others in progress nobody sees the rows.
    IF pg_xact_status((pg_current_xact_id()::text::bigint + ahead)::text::xid8) = 'in progress' THEN
      RETURN NEXT payload;
    END IF;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION consent_refuse_lone_unprotecting() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a consent_app%ROWTYPE;
BEGIN
  SELECT * INTO a FROM consent_app WHERE id = NEW.id;
  IF a.category IN ({NEVER}) OR EXISTS (SELECT FROM consent_agreed_now('app.change', a.code) p
      WHERE p #>> '{{fields,category}}' = a.category) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils let app % out of its protected kind', a.code
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
END $$;

DROP TRIGGER IF EXISTS consent_app_let_go ON consent_app;
CREATE CONSTRAINT TRIGGER consent_app_let_go AFTER UPDATE OF category ON consent_app
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.category IN ({NEVER}) AND NEW.category NOT IN ({NEVER}))
EXECUTE FUNCTION consent_refuse_lone_unprotecting();

CREATE OR REPLACE FUNCTION consent_refuse_lone_unblocking() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a consent_app%ROWTYPE;
BEGIN
  SELECT * INTO a FROM consent_app WHERE id = NEW.id;
  IF a.blocked_at IS NOT NULL OR EXISTS (SELECT FROM consent_agreed_now('app.unblock', a.code)) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils unblock app %, which was reported', a.code
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
END $$;

DROP TRIGGER IF EXISTS consent_app_unblocked ON consent_app;
CREATE CONSTRAINT TRIGGER consent_app_unblocked AFTER UPDATE OF blocked_at ON consent_app
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.blocked_at IS NOT NULL AND NEW.blocked_at IS NULL)
EXECUTE FUNCTION consent_refuse_lone_unblocking();

CREATE OR REPLACE FUNCTION consent_refuse_other_report() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a report about an app stays the one it is, and begins unsettled'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER consent_report_stays BEFORE UPDATE ON consent_appreport
FOR EACH ROW WHEN ((NEW.id, NEW.app_id, NEW.reporter, NEW.suspected, NEW.recorded_at)
  IS DISTINCT FROM (OLD.id, OLD.app_id, OLD.reporter, OLD.suspected, OLD.recorded_at)
  OR OLD.settled_at IS NOT NULL)
EXECUTE FUNCTION consent_refuse_other_report();
CREATE OR REPLACE TRIGGER consent_report_begins BEFORE INSERT ON consent_appreport
FOR EACH ROW WHEN (NEW.settled_at IS NOT NULL) EXECUTE FUNCTION consent_refuse_other_report();
CREATE OR REPLACE TRIGGER consent_report_kept BEFORE DELETE ON consent_appreport
FOR EACH ROW EXECUTE FUNCTION consent_refuse_other_report();

-- What was reported is mistaken where all agreed to that, and the ledger says so of this report.
CREATE OR REPLACE FUNCTION consent_refuse_lone_settling() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM consent_app a, consent_agreed_now('app.unblock', a.code)
      WHERE a.id = NEW.app_id)
    AND EXISTS (SELECT FROM audit_coverage c JOIN audit_entry e ON e.id = c.entry_id
      WHERE c.table_name = TG_TABLE_NAME AND c.row_pk = NEW.id::text
      AND c.xid = pg_current_xact_id() AND e.xid = pg_current_xact_id()
      AND e.type = '{AppUnblocked.type}') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils settle report %', NEW.id
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
END $$;

DROP TRIGGER IF EXISTS consent_report_settled ON consent_appreport;
CREATE CONSTRAINT TRIGGER consent_report_settled AFTER UPDATE OF settled_at ON consent_appreport
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.settled_at IS DISTINCT FROM OLD.settled_at)
EXECUTE FUNCTION consent_refuse_lone_settling();

CREATE OR REPLACE FUNCTION consent_refuse_other_mark() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a mark stays the one it is, and one that was retired stays retired'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER consent_mark_stays BEFORE UPDATE ON consent_appmatcher
FOR EACH ROW WHEN ((NEW.id, NEW.app_id, NEW.platform, NEW.kind, NEW.value)
  IS DISTINCT FROM (OLD.id, OLD.app_id, OLD.platform, OLD.kind, OLD.value)
  OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at))
EXECUTE FUNCTION consent_refuse_other_mark();

-- Whether a proposal that names all marks of an app names this one; null where it names none.
CREATE OR REPLACE FUNCTION consent_names_mark(payload jsonb, m consent_appmatcher)
RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT CASE WHEN payload #> '{{fields,matchers}}' IS NOT NULL THEN EXISTS (
    SELECT FROM jsonb_array_elements(payload #> '{{fields,matchers}}') one
    WHERE one = jsonb_build_array(m.platform, m.kind, m.value)) END
$$;

CREATE OR REPLACE FUNCTION consent_refuse_lone_unmarking() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a consent_app%ROWTYPE;
BEGIN
  SELECT * INTO a FROM consent_app WHERE id = OLD.app_id;
  -- One that is let go now was kept until now: it loses the marks that were agreed to, no others.
  IF a.category NOT IN ({NEVER}) AND a.blocked_at IS NULL
      AND NOT EXISTS (SELECT FROM consent_agreed_now('app.change', a.code))
      AND NOT EXISTS (SELECT FROM consent_agreed_now('app.unblock', a.code)) THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM consent_agreed_now('app.change', a.code) p
      WHERE NOT consent_names_mark(p, OLD)) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils take a mark off app %', a.code
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
END $$;

DROP TRIGGER IF EXISTS consent_mark_taken_off ON consent_appmatcher;
CREATE CONSTRAINT TRIGGER consent_mark_taken_off AFTER UPDATE OF retired_at ON consent_appmatcher
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL)
EXECUTE FUNCTION consent_refuse_lone_unmarking();
DROP TRIGGER IF EXISTS consent_mark_deleted ON consent_appmatcher;
CREATE CONSTRAINT TRIGGER consent_mark_deleted AFTER DELETE ON consent_appmatcher
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.retired_at IS NULL)
EXECUTE FUNCTION consent_refuse_lone_unmarking();

-- The catalogue says that what it fits is never captured; here somebody says that it may be.
CREATE OR REPLACE FUNCTION consent_refuse_lone_contradiction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a consent_app%ROWTYPE;
BEGIN
  SELECT * INTO a FROM consent_app WHERE id = NEW.app_id;
  IF EXISTS (SELECT FROM consent_agreed_now('app.change', a.code) p
      WHERE coalesce(consent_names_mark(p, NEW), p -> 'fields' ? 'category')) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils set a mark of app % against the catalogue',
    a.code USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
END $$;

DROP TRIGGER IF EXISTS consent_mark_despite ON consent_appmatcher;
CREATE CONSTRAINT TRIGGER consent_mark_despite AFTER UPDATE OF despite_catalogue
ON consent_appmatcher DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.despite_catalogue AND NOT OLD.despite_catalogue)
EXECUTE FUNCTION consent_refuse_lone_contradiction();
DROP TRIGGER IF EXISTS consent_mark_begins_despite ON consent_appmatcher;
CREATE CONSTRAINT TRIGGER consent_mark_begins_despite AFTER INSERT ON consent_appmatcher
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.despite_catalogue)
EXECUTE FUNCTION consent_refuse_lone_contradiction();

DROP FUNCTION IF EXISTS consent_all_agreed_now(text, text, text);
REVOKE EXECUTE ON FUNCTION consent_agreed_now(text, text),
  consent_names_mark(jsonb, consent_appmatcher), consent_refuse_other_code(),
  consent_refuse_other_mark(), consent_refuse_lone_unprotecting(),
  consent_refuse_lone_unblocking(), consent_refuse_lone_unmarking(),
  consent_refuse_lone_contradiction(), consent_refuse_other_report(),
  consent_refuse_lone_settling() FROM PUBLIC;
"""  # noqa: S608  constants only
