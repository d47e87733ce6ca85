"""Storing issued policies: one statement for however many, the same text each time."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from consent.digests import Fragment, assembled
from consent.models import IssuedPolicy

_STORE: Final = """
INSERT INTO consent_issuedpolicy
  (agent_id, version, cohort_policy_id, personal_revision, consent_position, switches, issued_at,
   lease_until, allow, sha256)
SELECT agent, version, shared, personal, position, %s::bigint[], issued, until, allow, sha256
FROM jsonb_to_recordset(%s::jsonb) AS given (agent bigint, version bigint, shared bigint,
  personal integer, position integer, issued timestamptz, until timestamptz, allow jsonb,
  sha256 text)
RETURNING agent_id, id
"""


def store(policies: Sequence[tuple[IssuedPolicy, Fragment]]) -> None:
    """Store policies, each of another agent, decided under the same switches; give them keys.

    Beside each its table of what is allowed, as JSON.
    """
    if not policies:
        return
    with connection.cursor() as cursor:
        # One value for all: to quote thousands of strings costs more than everything else here.
        said = b",".join([_said(one, allowed) for one, allowed in policies]).decode()
        cursor.execute(_STORE, [policies[0][0].switches, f"[{said}]"])
        keys = dict(cursor.fetchall())
    for one, _ in policies:
        one.pk = keys[one.agent_id]


def _said(policy: IssuedPolicy, allowed: Fragment) -> bytes:
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
    }
    return assembled(values)
