"""What PostgreSQL says of a token's holder: the truth that everything faster must agree with."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from consent import services
from consent.models import Agent, IssuedPolicy
from consent.models.lookups import array_of
from portal import holders
from portal.api.signing import sign_policy, signing_key
from portal.endpoint import answer, marks
from portal.endpoint.answer import Denied, Issued, Known, Refusal, Unavailable
from portal.endpoint.issuing import Made
from portal.endpoint.limits import Buckets
from portal.fleet import machines
from portal.holders import Holder
from portal.policykeys.ring import Signs

P = ParamSpec("P")
R = TypeVar("R")

LOOK: Final = f"""
SELECT {holders.COLUMNS}, coalesce(s.cohort_id, 0), i.version, i.issued_at, i.lease_until,
       coalesce(c.revision, 0), i.personal_revision,
       i.personal_revision = p.revision AND i.cohort_policy_id IS NOT DISTINCT FROM c.id
         AND i.switches = ARRAY(SELECT id FROM consent_killswitch
                                WHERE released_at IS NULL ORDER BY id)
         AND i.issued_at >= (SELECT coalesce(max(policies_since), '-infinity')
                             FROM portal_keymanifest),
       t.sha256
FROM {holders.TABLES}
JOIN consent_personalpolicy p ON p.subject_id = s.id
LEFT JOIN LATERAL (
  SELECT id, revision FROM consent_cohortpolicy
  WHERE cohort_id = s.cohort_id ORDER BY revision DESC LIMIT 1) c ON true
LEFT JOIN LATERAL (
  SELECT version, issued_at, lease_until, personal_revision, cohort_policy_id, switches
  FROM consent_issuedpolicy WHERE agent_id = a.id ORDER BY version DESC LIMIT 1) i ON true
WHERE t.sha256 = ANY(%s::bytea[])
"""  # noqa: S608  constants
"""One statement, so that all of it held at one instant. The last columns: whether the newest policy
still says what is true, and whose token it is about."""


class Look(NamedTuple):
    """Whose token is asked about, and under which names what is found would be kept."""

    digest: bytes
    subject: int
    cohort: int


Seen = Known | Denied | Refusal
Looked = tuple[bool, Seen]
"""Whether it may be kept, and what was found."""

QUIET: Final = """
SELECT pg_try_advisory_xact_lock(%s, s) AND pg_try_advisory_xact_lock(%s, c)
FROM unnest(%s::int[], %s::int[]) WITH ORDINALITY AS asked(s, c, place) ORDER BY place
"""
"""True where nobody is between marking and committing a change. As a statement of its own it lets
go of the locks at once, so that it cannot keep a writer waiting, whatever becomes of us."""


def look(digest: bytes) -> Known | Denied | Refusal:
    """Return whose token it is and which policy is in force, as it stands now."""
    return _seen(digest, _rows([digest]).get(digest))


def _rows(digests: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(LOOK, [_bytes_array(digests)])
        return {bytes(digest): tuple(row) for *row, digest in cursor.fetchall()}


def _bytes_array(values: Sequence[bytes]) -> str:
    """Return them as PostgreSQL writes an array of bytea, to be quoted in one go."""
    quoted = [f'"\\\\x{one.hex()}"' for one in values]
    return f"{{{','.join(quoted)}}}"


def _seen(digest: bytes, row: tuple[Any, ...] | None) -> Known | Denied | Refusal:
    """Return what a row says of the holder; write what the request shows."""
    if row is None:
        return machines.look(digest)
    holder = Holder(*row[: holders.COUNT])
    if refusal := holders.settled(holder):
        return refusal
    if holder.is_pending:
        return look(digest)
    return _found(holder, *row[holders.COUNT :])


def _found(
    holder: Holder,
    cohort: int,
    version: int | None,
    issued: datetime,
    until: datetime,
    revision: int,
    personal: int,
    holds: bool | None,  # noqa: FBT001  a column, as the others are
) -> Known:
    ends_at = int(holder.ends_at.timestamp()) if holder.ends_at else 0
    if not holds or version is None:
        return Known(holder.agent, holder.subject, cohort, version or 0, ends_at=ends_at)
    half = answer.fresh_until(issued.timestamp(), until.timestamp())
    etag = answer.etag_of(
        version=version, cohort=cohort, revision=revision, personal=personal, fresh_until=half
    )
    good_until = _until(half, holder.departed_at, ends_at)
    at = int(issued.timestamp())
    return Known(holder.agent, holder.subject, cohort, version, etag, at, good_until, ends_at)


def look_quietly(digest: bytes, subject: int, cohort: int) -> tuple[bool, Known | Denied | Refusal]:
    """Return whether what is found may be kept under nonces read earlier, and what is found.

    It may if nobody was then changing anything of the subject or the cohort. The order matters:
    a change that had ended by the first question is seen by the second.
    """
    return _are_quiet([(subject, cohort)])[0], look(digest)


def look_many(asked: Sequence[Look]) -> dict[bytes, Looked | Exception]:
    """Return the same as `look_quietly` of each, by its digest; by two questions for all of them.

    An error about one of them is told to who asked for that one.
    """
    if len(asked) == 1:
        return {asked[0].digest: look_quietly(*asked[0])}
    quiet = _are_quiet([(one.subject, one.cohort) for one in asked])
    seen = look_plainly([one.digest for one in asked])
    found: dict[bytes, Looked | Exception] = {}
    for one, is_quiet in zip(asked, quiet, strict=True):
        said = seen[one.digest]
        found[one.digest] = said if isinstance(said, Exception) else (is_quiet, said)
    return found


def look_plainly(digests: Sequence[bytes]) -> dict[bytes, Seen | Exception]:
    """Return the same as `look` of each; an error about one is told to who asked for that one."""
    rows = _rows(digests)
    found: dict[bytes, Seen | Exception] = {}
    for digest in digests:
        try:
            found[digest] = _seen(digest, rows.get(digest))
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  told to who asked for this one
            found[digest] = error
    return found


def _are_quiet(places: Sequence[tuple[int, int]]) -> list[bool]:
    """Return for each subject and cohort whether nobody is changing anything of theirs."""
    if connection.in_atomic_block:
        raise RuntimeError("the locks of a look must end with its statement")
    subjects = array_of(marks.bucket_of(subject) for subject, _ in places)
    cohorts = array_of(marks.bucket_of(cohort) for _, cohort in places)
    with connection.cursor() as cursor:
        cursor.execute(QUIET, [marks.LOCKS["s"], marks.LOCKS["c"], subjects, cohorts])
        return [bool(row[0]) for row in cursor.fetchall()]


def issue(known: Known, now: float) -> tuple[Issued, Known]:
    """Return the agent's policy in force, or else the next one; signed, and what is known then."""
    key = signing_key()  # before anything is written that nobody could sign
    agent = Agent.objects.select_related("subject").get(pk=known.agent)
    at = _begun(now, key)
    with transaction.atomic():
        lease = services.policy_again(agent=agent, at=at, since=key.again)
        lease = lease or services.issue_policy(agent=agent, at=at)
    return _signed(known, lease, key)


def issue_many(knowns: Sequence[Known], now: float) -> dict[int, Made | Exception]:
    """Issue the next policy of each agent, together; return what came of it by the agent's key.

    Who has one in force gets that one: they were looked up, and its body was not at hand. `quiet`
    in it is found as by `look_quietly`. What one person just now decides, or an error about one
    agent, keeps nobody else's policy from being issued.
    """
    key = signing_key()
    quiet = dict(
        zip(
            (known.agent for known in knowns),
            _are_quiet([(known.subject, known.cohort) for known in knowns]),
            strict=True,
        )
    )
    without = {known.agent: known.subject for known in knowns if not known.is_in_force(now)}
    leases: dict[int, services.Lease] = {}
    if len(without) > 1:
        leases = services.issue_policies(agents=without, at=_begun(now, key), unless_busy=True)
    made: dict[int, Made | Exception] = {}
    for known in knowns:
        try:
            if lease := leases.get(known.agent):
                issued = _signed(known, lease, key)
            else:
                issued = issue(known, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  told to who asked for this one
            made[known.agent] = error
        else:
            made[known.agent] = Made(quiet[known.agent], *issued)
    return made


def _signed(known: Known, lease: services.Lease, key: Signs) -> tuple[Issued, Known]:
    after = _known(known, lease.policy)
    return Issued(after.etag, sign_policy(lease.payload, key)), after


def _begun(now: float, key: Signs) -> datetime:
    """Return the instant of the question, or of its key's beginning if that came meanwhile."""
    return max(datetime.fromtimestamp(now, UTC), key.since)


def _known(known: Known, policy: IssuedPolicy) -> Known:
    shared = policy.cohort_policy
    issued, until = policy.issued_at.timestamp(), policy.lease_until.timestamp()
    half = answer.fresh_until(issued, until)
    cohort = shared.cohort_id if shared else 0
    etag = answer.etag_of(
        version=policy.version,
        cohort=cohort,
        revision=shared.revision if shared else 0,
        personal=policy.personal_revision,
        fresh_until=half,
    )
    return known._replace(
        cohort=cohort,
        version=policy.version,
        etag=etag,
        issued=int(issued),
        fresh_until=_until(half, policy.agent.subject.departed_at, known.ends_at),
    )


def _until(half: int, departed_at: datetime | None, ends_at: int) -> int:
    """A departure that is ahead, or the end of a token, ends what may be answered, as a lease."""
    departure = [int(departed_at.timestamp())] if departed_at else []
    return min([half, *departure, *([ends_at] if ends_at else [])])


def asked(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function above; a database that is away becomes the refusal that says so."""
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(answer.NO_DATABASE) from error


@lru_cache(maxsize=1)
def buckets() -> Buckets:
    """Return the one set of token buckets of this process."""
    return Buckets(settings.POLICY_BURST)
