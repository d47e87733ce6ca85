"""What the database holds of protected and reported apps: they stay so but by what all agreed to.

Two officers and every council agree to a proposal that names the app, and its new kind or that it
is to be unblocked; the row may change in the transaction in which that takes effect, and in no
other. Checked at commit, since the change is made before the proposal is said to be in effect.
"""

from typing import Final

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

CREATE OR REPLACE FUNCTION consent_all_agreed_now(asked text, about text, becomes text)
RETURNS boolean LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  ahead int;
BEGIN
  FOR ahead IN SELECT -age(p.xmin) FROM consent_proposal p
    WHERE p.kind = asked AND p.state = 'applied' AND NOT p.tightens
    AND p.approvals_needed = 2 AND cardinality(p.council_units) > 0
    AND p.payload ->> 'app' = about
    AND p.payload #>> '{{fields,category}}' IS NOT DISTINCT FROM becomes
    AND p.council_units @> ARRAY(
      SELECT DISTINCT s.unit FROM consent_councilseat s WHERE s.ended_at IS NULL)
    AND EXISTS (SELECT FROM audit_coverage c WHERE c.table_name = 'consent_proposal'
      AND c.row_pk = p.id::text AND c.xid = pg_current_xact_id())
  LOOP
    -- What is decided is never written again: one that this transaction wrote took effect in it.
    -- In a savepoint its number is another one; of others in progress nobody sees the rows.
    IF pg_xact_status((pg_current_xact_id()::text::bigint + ahead)::text::xid8) = 'in progress' THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;

CREATE OR REPLACE FUNCTION consent_refuse_lone_unprotecting() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  a consent_app%ROWTYPE;
BEGIN
  SELECT * INTO a FROM consent_app WHERE id = NEW.id;
  IF a.category IN ({NEVER}) OR consent_all_agreed_now('app.change', a.code, a.category) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils let app % out of its protected kind', a.code
    USING ERRCODE = 'integrity_constraint_violation';
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
  IF a.blocked_at IS NOT NULL OR consent_all_agreed_now('app.unblock', a.code, NULL) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'only two officers and the councils unblock app %, which was reported', a.code
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

DROP TRIGGER IF EXISTS consent_app_unblocked ON consent_app;
CREATE CONSTRAINT TRIGGER consent_app_unblocked AFTER UPDATE OF blocked_at ON consent_app
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.blocked_at IS NOT NULL AND NEW.blocked_at IS NULL)
EXECUTE FUNCTION consent_refuse_lone_unblocking();

REVOKE EXECUTE ON FUNCTION consent_all_agreed_now(text, text, text), consent_refuse_other_code(),
  consent_refuse_lone_unprotecting(), consent_refuse_lone_unblocking() FROM PUBLIC;
"""  # noqa: S608  constants only
