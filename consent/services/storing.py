"""Storing issued policies: one statement for however many, the same text each time."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from consent.digests import Fragment, assembled
from consent.models import IssuedPolicy

_STORE: Final = """
WITH given AS (
  SELECT * FROM jsonb_to_recordset(%s::jsonb) AS said (agent bigint, version bigint, shared bigint,
    personal integer, position integer, issued timestamptz, until timestamptz, allow jsonb,
    sha256 text, before bigint)),
stored AS (
  INSERT INTO consent_issuedpolicy
    (agent_id, version, cohort_policy_id, personal_revision, consent_position, switches, issued_at,
     lease_until, allow, sha256)
  SELECT agent, version, shared, personal, position, %s::bigint[], issued, until, allow, sha256
  FROM given
  RETURNING agent_id, id)
SELECT stored.agent_id, stored.id, coalesce(given.allow = before.allow, false)
FROM stored JOIN given ON given.agent = stored.agent_id
LEFT JOIN consent_issuedpolicy before ON before.id = given.before
"""


def store(policies: Sequence[tuple[IssuedPolicy, Fragment, int | None]]) -> set[int]:
    """Store policies, each of another agent, decided under the same switches; give them keys.

    Beside each its table of what is allowed, as JSON, and the key of the policy that it replaces.
    Returns the agents of those that allow what the one before allowed.
    """
    if not policies:
        return set()
    with connection.cursor() as cursor:
        # One value for all: to quote thousands of strings costs more than everything else here.
        said = b",".join([_said(*one) for one in policies]).decode()
        cursor.execute(_STORE, [f"[{said}]", policies[0][0].switches])
        rows = cursor.fetchall()
    keys = {agent: key for agent, key, _ in rows}
    for one, *_ in policies:
        one.pk = keys[one.agent_id]
    return {agent for agent, _, is_same in rows if is_same}


def _said(policy: IssuedPolicy, allowed: Fragment, before: int | None) -> bytes:
    values = {
        "agent": policy.agent_id,
        "version": policy.version,
        "shared": policy.cohort_policy_id,
        "personal": policy.personal_revision,
        "position": policy.consent_position,
        "issued": policy.issued_at.isoformat(),
        "until": policy.lease_until.isoformat(),
        "allow": allowed,
        "sha256": policy.sha256,
        "before": before,
    }
    return assembled(values)
