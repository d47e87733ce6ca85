"""What the database refuses of tickets: one for several machines, one used anew. Pure."""

from typing import Final

SINGLE_USE: Final = """
CREATE OR REPLACE FUNCTION portal_refuse_shared_ticket() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a ticket is made for one machine, as one of a set'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER portal_ticket_of_one BEFORE INSERT ON portal_enrolmentticket
FOR EACH ROW WHEN (NEW.ticket_set_id IS NULL OR NEW.places <> 1 OR NEW.used <> 0)
EXECUTE FUNCTION portal_refuse_shared_ticket();

CREATE OR REPLACE FUNCTION portal_refuse_other_ticket() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a ticket stays what it was made for, and what it was used for is used'
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- The secret may be replaced as long as nobody used it: its answer got lost.
CREATE OR REPLACE TRIGGER portal_ticket_stays BEFORE UPDATE ON portal_enrolmentticket
FOR EACH ROW WHEN (
  (NEW.id, NEW.uuid, NEW.ticket_set_id, NEW.number, NEW.serial_sha256, NEW.site, NEW.cohort_id,
    NEW.places, NEW.expires_at)
  IS DISTINCT FROM (OLD.id, OLD.uuid, OLD.ticket_set_id, OLD.number, OLD.serial_sha256, OLD.site,
    OLD.cohort_id, OLD.places, OLD.expires_at)
  OR NEW.used < OLD.used
  OR (NEW.sha256 <> OLD.sha256 AND OLD.used > 0)
  OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at))
EXECUTE FUNCTION portal_refuse_other_ticket();
"""
