"""What the database holds of words that count by who said them: the ledger says who, and what.

A vote, an agreement to a release, a proposal and a look into incidents need an entry of the same
transaction that says just that, by just that person. Whoever holds the portal's own access can
write both; not one without the other, and an entry stays, under signed checkpoints, where its
person may find it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audit import events
from audit.event import Event

FUNCTION: Final = """
-- Arguments: the column that names who said it, and the types of entry that say it.
CREATE OR REPLACE FUNCTION consent_require_said() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM audit_coverage c
    JOIN audit_entry e ON e.id = c.entry_id JOIN audit_private p ON p.entry_id = e.id
    WHERE c.table_name = TG_TABLE_NAME AND c.row_pk = NEW.id::text
      AND c.xid = pg_current_xact_id() AND e.xid = pg_current_xact_id()
      AND e.type = ANY (TG_ARGV[1:]) AND p.actor_ref = to_jsonb(NEW) ->> TG_ARGV[0]
  ) THEN
    RAISE EXCEPTION 'no entry in the ledger says this of % % in that name', TG_TABLE_NAME, NEW.id
      USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION consent_require_said() FROM PUBLIC;
"""


@dataclass(frozen=True)
class Said:
    """Rows of a table, who says them, and what the ledger says then."""

    table: str
    trigger: str
    who: str
    types: tuple[type[Event], ...]
    where: str = "true"


SAID: Final = (
    Said("consent_proposal", "consent_said_made", "proposed_by", (events.ProposalMade,)),
    Said(
        "consent_proposalvote",
        "consent_said_approved",
        "voter",
        (events.ProposalApproved,),
        "NEW.vote = 'approve' AND NEW.unit = ''",
    ),
    Said(
        "consent_proposalvote",
        "consent_said_rejected",
        "voter",
        (events.ProposalRejected,),
        "NEW.vote = 'reject'",
    ),
    Said(
        "consent_proposalvote",
        "consent_said_agreed",
        "voter",
        (events.ProposalAgreed,),
        "NEW.vote = 'approve' AND NEW.unit <> ''",
    ),
    Said(
        "consent_proposalvote",
        "consent_said_vetoed",
        "voter",
        (events.ProposalVetoed,),
        "NEW.vote = 'veto'",
    ),
    Said(
        "consent_killrelease",
        "consent_said_released",
        "officer",
        (events.KillSwitchReleaseAgreed, events.KillSwitchReleased),
    ),
    Said(
        "retention_incidentreview",
        "retention_said_looked_into",
        "by",
        (events.IncidentsLookedInto,),
    ),
)


def statements() -> Iterator[str]:
    """Yield the SQL that demands it, checked at commit: row and entry come in either order."""
    yield FUNCTION
    for said in SAID:
        types = ", ".join(f"'{event.type}'" for event in said.types)
        yield (
            f"DROP TRIGGER IF EXISTS {said.trigger} ON {said.table};\n"
            f"CREATE CONSTRAINT TRIGGER {said.trigger} AFTER INSERT ON {said.table}\n"
            f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({said.where})\n"
            f"EXECUTE FUNCTION consent_require_said('{said.who}', {types})"
        )
