"""What the database holds of rows that follow others: they need no entry, but cannot say otherwise.

A cohort's facts are what its digest names. A person's cohort is where their last recorded move led.
The numbers by which an older policy is known to be older only rise. Checked at commit, as what
follows is written beside what it follows from.
"""

from typing import Final

DERIVED: Final = """
CREATE OR REPLACE FUNCTION consent_refuse_other_facts() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'what a cohort shares stays: other facts are another cohort'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER consent_cohort_facts BEFORE UPDATE ON consent_cohort
FOR EACH ROW WHEN ((NEW.id, NEW.digest, NEW.facts) IS DISTINCT FROM (OLD.id, OLD.digest, OLD.facts))
EXECUTE FUNCTION consent_refuse_other_facts();

-- By what its newest revision says of itself: else workers would take an old one for up to date.
CREATE OR REPLACE FUNCTION consent_refuse_other_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  stands text;
  made_with text;
BEGIN
  SELECT rulebook INTO stands FROM consent_cohort WHERE id = NEW.id;
  SELECT encode(sha256(convert_to(
      (p.document ->> 'form') || ' ' || (p.document ->> 'rulebook'), 'UTF8')), 'hex')
    INTO made_with FROM consent_cohortpolicy p
    WHERE p.cohort_id = NEW.id ORDER BY p.revision DESC LIMIT 1;
  IF stands <> '' AND stands IS DISTINCT FROM made_with THEN
    RAISE EXCEPTION 'cohort % has no revision made with these rules', NEW.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS consent_cohort_rules ON consent_cohort;
CREATE CONSTRAINT TRIGGER consent_cohort_rules AFTER INSERT OR UPDATE OF rulebook ON consent_cohort
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION consent_refuse_other_rules();

CREATE OR REPLACE FUNCTION consent_refuse_falling() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the numbers of % only rise', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER consent_personal_rises BEFORE UPDATE ON consent_personalpolicy
FOR EACH ROW WHEN ((NEW.id, NEW.subject_id) IS DISTINCT FROM (OLD.id, OLD.subject_id)
  OR NEW.revision <= OLD.revision)
EXECUTE FUNCTION consent_refuse_falling();
CREATE OR REPLACE TRIGGER consent_subject_rises BEFORE UPDATE ON consent_subject
FOR EACH ROW WHEN ((NEW.id, NEW.ref) IS DISTINCT FROM (OLD.id, OLD.ref)
  OR NEW.position < OLD.position)
EXECUTE FUNCTION consent_refuse_falling();

CREATE OR REPLACE FUNCTION consent_refuse_unrecorded_move() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  s consent_subject%ROWTYPE;
BEGIN
  SELECT * INTO s FROM consent_subject WHERE id = NEW.id;
  IF s.cohort_id IS DISTINCT FROM (SELECT m.cohort_id FROM consent_cohortmembership m
      WHERE m.subject_id = s.id ORDER BY m.id DESC LIMIT 1) THEN
    RAISE EXCEPTION 'subject % is in the cohort of their last recorded move', s.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS consent_subject_follows ON consent_subject;
CREATE CONSTRAINT TRIGGER consent_subject_follows
AFTER INSERT OR UPDATE OF cohort_id ON consent_subject
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION consent_refuse_unrecorded_move();

REVOKE EXECUTE ON FUNCTION consent_refuse_other_facts(), consent_refuse_other_rules(),
  consent_refuse_falling(), consent_refuse_unrecorded_move() FROM PUBLIC;
"""
