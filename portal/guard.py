"""What the database itself refuses, in one list: who may do what to which table.

Applied by the owner after every migration (post_migrate); each statement may run any number of
times. Three protections: rows that never change, changes that need a ledger entry in the same
transaction, and roles that hold no right they do not use (OWASP ASVS 13.2.2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audit import protection
from portal import spoken
from portal.derived import DERIVED
from portal.fleet.single_use import SINGLE_USE
from portal.protected import PROTECTED
from portal.servers.locations import role_name


@dataclass(frozen=True)
class Table:
    """One table: whether its rows are final, whether a change needs an entry, what app may do."""

    name: str
    governed: bool = True
    append_only: bool = False
    app: str = "SELECT, INSERT, UPDATE"
    pk: str = "id"


def _final(name: str, *, governed: bool = True, pk: str = "id") -> Table:
    return Table(name, governed=governed, append_only=True, app="SELECT, INSERT", pk=pk)


def _free(name: str, app: str = "SELECT, INSERT, UPDATE, DELETE") -> Table:
    return Table(name, governed=False, app=app)


TABLES: Final = (
    # What people decided, and what was published or agreed: a change needs its ledger entry.
    Table("consent_subject", governed=False),  # its position and cohort follow governed rows
    Table("consent_subjectfact"),
    Table("consent_departure"),
    Table("consent_factdoubt"),
    Table("consent_purpose"),
    Table("consent_notice"),
    _final("consent_noticetext"),
    Table("consent_app"),
    Table("consent_appmatcher"),
    Table("consent_appreport"),
    Table("consent_allowlistentry"),
    _final("consent_agreement"),
    _final("consent_gateevidence"),
    _final("consent_gatereopening"),
    _final("consent_signaloverride"),
    _final("consent_overriderevocation"),
    _final("consent_adoptedrule"),
    Table("consent_setting"),
    Table("consent_retentionconflict", app="SELECT, INSERT, UPDATE (ended_at)"),
    Table("consent_proposal"),
    _final("consent_proposalvote"),
    Table("consent_councilseat"),
    Table("consent_killswitch"),
    _final("consent_killrelease"),
    _final("consent_consentevent"),
    _final("consent_consentscope"),
    _final("consent_acknowledgement"),
    _final("consent_noticewaiver"),
    Table("consent_pause"),
    # Ended early, yes; lengthened or pointed elsewhere, never.
    Table("consent_explanationshare", app="SELECT, INSERT, UPDATE (ended_at)"),
    _final("consent_strike"),
    Table("consent_agent"),
    _final("consent_issuedpolicy"),
    _final("consent_policyacknowledgement"),
    Table("retention_admission", pk="batch"),
    Table("retention_batch", pk="uuid"),
    _final("retention_incidentreview"),
    Table("retention_deletioncase"),
    _final("retention_certificate"),
    Table("retention_hold"),
    Table("portal_rolegrant"),
    Table("portal_enrolmentticket"),
    _final("portal_ticketset"),
    Table("portal_policykey"),
    _final("portal_keymanifest"),
    Table("portal_servicetoken"),
    # Derived from the rows above (`portal.derived`), or work in progress: no entry of their own.
    _free("consent_cohort", "SELECT, INSERT, UPDATE"),
    _final("consent_cohortmembership", governed=False),
    _final("consent_cohortpolicy", governed=False),
    _final("consent_recordedrulebook", governed=False),
    _final("consent_recordedregistry", governed=False),
    _free("consent_personalpolicy", "SELECT, INSERT, UPDATE"),
    # So that a pause whose answer was lost is not begun anew: as many as are remembered, no more.
    _free("consent_toldpause", "SELECT, INSERT, DELETE"),
    _free("retention_deletionjob", "SELECT, INSERT, UPDATE"),
    _free("retention_tightening", "SELECT, INSERT, UPDATE"),
    _free("retention_upload"),
    # Signing in: Django's and allauth's own tables.
    _free("portal_user", "SELECT, INSERT, UPDATE"),
    _free("portal_agenttoken", "SELECT, INSERT, UPDATE"),
    _free("portal_agentkey", "SELECT, INSERT, UPDATE"),
    _free("portal_pendingmachine", "SELECT, INSERT, UPDATE"),
    _free("portal_fence", "SELECT, UPDATE"),
    _free("portal_unmarked", "SELECT, INSERT, DELETE"),
    _final("portal_publishedanswers", governed=False),
    _final("portal_publishedcount", governed=False),
    _free("portal_cache"),
    _free("django_session"),
    _free("django_content_type", "SELECT"),
    _free("django_migrations", "SELECT"),
    _free("auth_group", "SELECT"),
    _free("auth_group_permissions", "SELECT"),
    _free("auth_permission", "SELECT"),
    _free("account_emailaddress"),
    _free("account_emailconfirmation"),
    _free("mfa_authenticator"),
    _free("allauth_idp_oidc_client", "SELECT, INSERT, UPDATE"),
    _free("allauth_idp_oidc_token"),
)

READABLE_BY_AUDITORS: Final = tuple(
    table.name for table in TABLES if table.name.startswith(("consent_", "retention_"))
)

NOTICE_FINAL: Final = """
CREATE OR REPLACE TRIGGER consent_notice_final
BEFORE UPDATE OR DELETE ON consent_notice
FOR EACH ROW WHEN (OLD.published_at IS NOT NULL)
EXECUTE FUNCTION audit_refuse_change()
"""

HELD_BATCH_STAYS: Final = """
CREATE OR REPLACE FUNCTION retention_refuse_if_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM retention_hold h
    WHERE h.subject_id = OLD.subject_id AND h.lifted_at IS NULL
      AND (h.purpose_id IS NULL OR h.purpose_id = OLD.purpose_id)
  ) THEN
    RAISE EXCEPTION 'batch % is under a legal hold', OLD.uuid
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  IF NEW.due_at > OLD.due_at THEN
    RAISE EXCEPTION 'nothing extends the term of batch %', OLD.uuid
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$
"""

HELD_BATCH_TRIGGER: Final = """
CREATE OR REPLACE TRIGGER retention_batch_held
BEFORE UPDATE OR DELETE ON retention_batch
FOR EACH ROW EXECUTE FUNCTION retention_refuse_if_held()
"""

FOUR_EYES: Final = """
CREATE OR REPLACE FUNCTION consent_refuse_own_vote() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  p consent_proposal%ROWTYPE;
BEGIN
  SELECT * INTO p FROM consent_proposal WHERE id = NEW.proposal_id;
  IF p.proposed_by = NEW.voter THEN
    RAISE EXCEPTION 'who proposed a change cannot decide about it'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'approver_is_requester';
  END IF;
  IF p.state NOT IN ('open', 'approved') THEN
    RAISE EXCEPTION 'this change is decided'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'proposal_decided';
  END IF;
  IF NEW.unit <> '' AND (NEW.unit <> ALL (p.council_units) OR NOT EXISTS (
      SELECT 1 FROM consent_councilseat s
      WHERE s.person = NEW.voter AND s.unit = NEW.unit AND s.ended_at IS NULL
      AND s.valid_from <= current_date
      AND (s.given_by IS DISTINCT FROM p.proposed_by OR s.recorded_at < p.proposed_at))) THEN
    RAISE EXCEPTION 'no seat of a works council that is asked'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'seat_missing';
  END IF;
  IF EXISTS (SELECT 1 FROM consent_proposalvote v WHERE v.proposal_id = NEW.proposal_id
      AND v.voter = NEW.voter AND (v.unit = '') <> (NEW.unit = '')) THEN
    RAISE EXCEPTION 'nobody speaks both for the privacy team and for a works council'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'already_voted';
  END IF;
  RETURN NEW;
END $$;

-- Whether somebody is a privacy officer now, and stays so until this transaction ends.
CREATE OR REPLACE FUNCTION consent_is_officer(person uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM FROM portal_rolegrant g JOIN portal_user u ON u.id = g.user_id
    WHERE u.ref = person AND g.role = 'privacy_officer' AND g.revoked_at IS NULL
    FOR SHARE OF g;
  RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION consent_is_officer(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION consent_refuse_undecided_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.uuid, NEW.payload, NEW.payload_sha256, NEW.kind, NEW.before,
      NEW.after, NEW.impact, NEW.proposed_by, NEW.proposed_at, NEW.tightens, NEW.approvals_needed,
      NEW.council_units, NEW.effective_at, NEW.reverts_id)
      IS DISTINCT FROM (OLD.uuid, OLD.payload, OLD.payload_sha256, OLD.kind, OLD.before,
      OLD.after, OLD.impact, OLD.proposed_by, OLD.proposed_at, OLD.tightens, OLD.approvals_needed,
      OLD.council_units, OLD.effective_at, OLD.reverts_id) THEN
    RAISE EXCEPTION 'a proposal cannot be altered once it was made'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.state NOT IN ('open', 'approved') THEN
    RAISE EXCEPTION 'a proposal that was decided stays so'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'proposal_decided';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.applied_at IS NOT NULL
      AND NEW.applied_at IS DISTINCT FROM OLD.applied_at THEN
    RAISE EXCEPTION 'what took effect took effect when it did'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  -- What tightens acts before anybody voted; whatever else is in effect needs all its votes.
  IF NEW.state NOT IN ('approved', 'applied')
      AND (NEW.tightens OR NEW.applied_at IS NULL) THEN RETURN NEW; END IF;
  IF EXISTS (SELECT 1 FROM consent_proposalvote v
             WHERE v.proposal_id = NEW.id AND v.vote = 'veto') THEN
    RAISE EXCEPTION 'the works council vetoed this change'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'proposal_decided';
  END IF;
  -- Who approved must be an officer still when it takes effect.
  IF (SELECT count(DISTINCT v.voter) FROM consent_proposalvote v
      WHERE v.proposal_id = NEW.id AND v.vote = 'approve' AND v.unit = ''
      AND consent_is_officer(v.voter))
      < NEW.approvals_needed THEN
    RAISE EXCEPTION 'this change lacks an approval'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
  END IF;
  -- Who agreed for a council must hold the seat until it is decided; afterwards it is.
  IF EXISTS (SELECT 1 FROM unnest(NEW.council_units) u(unit)
             WHERE NOT EXISTS (SELECT 1 FROM consent_proposalvote v
               WHERE v.proposal_id = NEW.id AND v.vote = 'approve' AND v.unit = u.unit
               AND (TG_OP = 'UPDATE' AND OLD.state <> 'open' OR EXISTS (
                 SELECT 1 FROM consent_councilseat s
                 WHERE s.person = v.voter AND s.unit = v.unit AND s.ended_at IS NULL)))) THEN
    RAISE EXCEPTION 'this change lacks the agreement of a works council'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION consent_refuse_lone_release() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND ((NEW.uuid, NEW.purpose_id, NEW.pulled_by, NEW.pulled_as, NEW.pulled_at)
      IS DISTINCT FROM (OLD.uuid, OLD.purpose_id, OLD.pulled_by, OLD.pulled_as, OLD.pulled_at)
      OR OLD.released_at IS NOT NULL) THEN
    RAISE EXCEPTION 'a kill switch can only be released, and once'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
  END IF;
  IF NEW.released_at IS NOT NULL AND (SELECT count(DISTINCT r.officer)
      FROM consent_killrelease r
      WHERE r.switch_id = NEW.id AND consent_is_officer(r.officer)) < 2 THEN
    RAISE EXCEPTION 'two privacy officers release a kill switch'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER consent_no_own_vote BEFORE INSERT ON consent_proposalvote
FOR EACH ROW EXECUTE FUNCTION consent_refuse_own_vote();
CREATE OR REPLACE TRIGGER consent_proposal_decided BEFORE INSERT OR UPDATE ON consent_proposal
FOR EACH ROW EXECUTE FUNCTION consent_refuse_undecided_change();
CREATE OR REPLACE TRIGGER consent_two_release BEFORE INSERT OR UPDATE ON consent_killswitch
FOR EACH ROW EXECUTE FUNCTION consent_refuse_lone_release();
"""

COUNCIL_SEATS: Final = """
CREATE OR REPLACE FUNCTION consent_refuse_packed_council() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  hand uuid := NEW.given_by;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.person, NEW.unit, NEW.valid_from, NEW.given_by)
        IS DISTINCT FROM (OLD.person, OLD.unit, OLD.valid_from, OLD.given_by)
        OR OLD.ended_at IS NOT NULL THEN
      RAISE EXCEPTION 'a council seat can only be ended, and once'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'changed_meanwhile';
    END IF;
    hand := NEW.ended_by;
  END IF;
  -- A seat holder of the unit hands seats on; whoever runs the machine is no person here.
  IF hand IS NOT NULL AND NOT EXISTS (SELECT 1 FROM consent_councilseat s
      WHERE s.person = hand AND s.unit = NEW.unit AND s.valid_from <= current_date
      AND s.ended_at IS NULL) THEN
    RAISE EXCEPTION 'only a member of the council gives or ends its seats'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'seat_not_yours';
  END IF;
  IF EXISTS (SELECT 1 FROM consent_proposal p
      WHERE p.state IN ('open', 'approved') AND NEW.unit = ANY (p.council_units)
      AND (p.proposed_by = hand OR (TG_OP = 'INSERT' AND p.proposed_by = NEW.person))) THEN
    RAISE EXCEPTION 'who proposed a change does not alter the council that is asked about it'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'seat_conflict';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER consent_council_seats BEFORE INSERT OR UPDATE ON consent_councilseat
FOR EACH ROW EXECUTE FUNCTION consent_refuse_packed_council();
"""

PARTITION: Final = """
CREATE OR REPLACE FUNCTION retention_ensure_partition(first_of_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  since date := date_trunc('month', first_of_month)::date;
  part text := 'retention_batch_' || to_char(since, 'YYYYMM');
BEGIN
  IF to_regclass(part) IS NULL THEN
    PERFORM pg_advisory_xact_lock(hashtext('retention_ensure_partition'));
    IF to_regclass(part) IS NULL THEN
      EXECUTE format(
        'CREATE TABLE %I PARTITION OF retention_batch FOR VALUES FROM (%L) TO (%L)',
        part, since, (since + interval '1 month')::date);
    END IF;
  END IF;
END $$
"""


def statements() -> Iterator[str]:
    """Yield the SQL, in order, that puts every protection in place."""
    app, reader = role_name("app"), role_name("reader")
    yield protection.install()
    yield PARTITION
    yield HELD_BATCH_STAYS
    for table in TABLES:
        yield f"REVOKE ALL ON {table.name} FROM PUBLIC, {app}, {reader}"
        yield f"GRANT {table.app} ON {table.name} TO {app}"
        if table.append_only:
            yield protection.append_only(table.name)
        if table.governed:
            yield protection.governed(table.name, pk=table.pk)
    yield NOTICE_FINAL
    yield FOUR_EYES
    yield COUNCIL_SEATS
    yield DERIVED
    yield SINGLE_USE
    yield PROTECTED
    yield from spoken.statements()
    yield HELD_BATCH_TRIGGER
    for name in READABLE_BY_AUDITORS:
        yield f"GRANT SELECT ON {name} TO {reader}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}"
    yield "REVOKE EXECUTE ON FUNCTION retention_ensure_partition(date) FROM PUBLIC"
    yield f"GRANT EXECUTE ON FUNCTION retention_ensure_partition(date) TO {app}"
