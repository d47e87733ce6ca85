"""How things are named and laid out in Redis. Pure; the writers and the readers share it."""

import secrets
import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from portal.endpoint.answer import Known

CHANNEL: Final = b"sayso:changed"
SEQUENCE: Final = b"sayso:sequence"
NONCE_BYTES: Final = 8
NONCE_SECONDS: Final = 86_400
MOST_MARKS: Final = 64
"""Marks that can be read back: who has missed more verifies everything anew."""
BODY_SECONDS: Final = 60
_HEAD: Final = struct.Struct(">8s8sQQQQQQQ")
_VERSION: Final = struct.Struct(">Q")


class Nonces(NamedTuple):
    """What stood for a subject and their cohort in Redis when a record was made.

    A mark replaces a nonce by another, never the same: a record whose nonces are not those that
    stand now is out of date, or may be about to be.
    """

    subject: bytes
    cohort: bytes


def subject_key(subject: int) -> str:
    """Return the name under which a person's nonce lies."""
    return f"s:{subject}"


def cohort_key(cohort: int) -> str:
    """Return the name under which a cohort's nonce lies; 0 stands for no cohort."""
    return f"c:{cohort}"


def key(epoch: bytes, name: str) -> bytes:
    """Return the key of a nonce under an epoch."""
    return b"sayso:%b:%b" % (epoch, name.encode("ascii"))


def nonce_keys(epoch: bytes, subject: int, cohort: int) -> tuple[bytes, bytes]:
    """Return the keys of both nonces that a record is good under."""
    return b"sayso:%b:s:%d" % (epoch, subject), b"sayso:%b:c:%d" % (epoch, cohort)


def record_key(epoch: bytes, digest: bytes) -> bytes:
    """Return the key of what is known of a token's holder."""
    return b"sayso:%b:h:%b" % (epoch, digest)


def body_key(epoch: bytes, digest: bytes) -> bytes:
    """Return the key of the signed policy of a token's holder."""
    return b"sayso:%b:b:%b" % (epoch, digest)


def tally_key(epoch: bytes) -> bytes:
    """Return the key of the tally: another random value after each mark."""
    return b"sayso:%b:tally" % epoch


def marks_key(epoch: bytes) -> bytes:
    """Return the key of the list of the last marks, the newest first."""
    return b"sayso:%b:marks" % epoch


def new_nonce() -> bytes:
    """Return what no mark or reader ever wrote before."""
    return secrets.token_bytes(NONCE_BYTES)


def pack(nonces: Nonces, known: Known) -> bytes:
    """Return a record as it lies in Redis."""
    head = _HEAD.pack(
        nonces.subject,
        nonces.cohort,
        known.agent,
        known.subject,
        known.cohort,
        known.version,
        known.issued,
        known.fresh_until,
        known.ends_at,
    )
    return head + known.etag.encode("ascii")


def unpack(raw: bytes | None) -> tuple[Nonces, Known] | None:
    """Return the record and the nonces under which it is good; None for what is no record."""
    try:
        of_subject, of_cohort, agent, subject, cohort, version, issued, until, ends_at = (
            _HEAD.unpack_from(raw or b"")
        )
        etag = (raw or b"")[_HEAD.size :].decode("ascii")
    except (struct.error, UnicodeDecodeError):
        return None
    known = Known(agent, subject, cohort, version, etag, issued, until, ends_at)
    return Nonces(of_subject, of_cohort), known


def is_of(raw: bytes | None, etag: str) -> bool:
    """Return whether a record is of the policy with this tag."""
    return raw is not None and raw[_HEAD.size :] == etag.encode("ascii")


def pack_signed(version: int, body: bytes) -> bytes:
    """Return a signed policy as it lies in Redis."""
    return _VERSION.pack(version) + body


def signed(raw: bytes | None, version: int) -> bytes | None:
    """Return the signed policy that lies in Redis, if it is that version."""
    is_it = raw is not None and raw[: _VERSION.size] == _VERSION.pack(version)
    return raw[_VERSION.size :] if raw is not None and is_it else None


class Mark(NamedTuple):
    """The names that one mark outdated, and the tally before and after it."""

    before: bytes
    after: bytes
    names: Sequence[str]


def mark_keys_and_values(epoch: bytes, names: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    """Return KEYS and ARGV of the `MARK` that gives each name another nonce."""
    keys = [key(epoch, name) for name in names]
    nonces = [new_nonce() for _ in names]
    told = " ".join(names).encode("ascii")
    fixed = [new_nonce(), told, b"%d" % NONCE_SECONDS, b"%d" % MOST_MARKS]
    return [tally_key(epoch), marks_key(epoch), *keys], [*fixed, *nonces]


def unpack_mark(raw: bytes) -> Mark:
    """Return a mark as it lies in the list."""
    before, after, names = (
        raw[:NONCE_BYTES],
        raw[NONCE_BYTES : 2 * NONCE_BYTES],
        raw[2 * NONCE_BYTES :],
    )
    return Mark(before, after, names.decode("ascii").split(" "))


MARK: Final = b"""
-- Outdates what is kept under some names, and leaves a trace of it.
local before = redis.call('GET', KEYS[1]) or string.rep('0', #ARGV[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
redis.call('LPUSH', KEYS[2], before .. ARGV[1] .. ARGV[2])
redis.call('LTRIM', KEYS[2], 0, ARGV[4] - 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
for n = 3, #KEYS do redis.call('SET', KEYS[n], ARGV[n + 2], 'EX', ARGV[3]) end
return #KEYS
"""
"""KEYS: tally, list of marks, the nonces. ARGV: the next tally, the names, seconds to keep it all,
marks to keep, the next nonces."""

FILL: Final = b"""
-- Keeps a record only under the nonces it was made from, and never in place of a newer one.
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[3]) ~= ARGV[3] then return 0 end
local standing = redis.call('GET', KEYS[1])
if standing then
  local version = string.match(standing, '^"(%d+)', 73)
  if version and tonumber(version) > tonumber(ARGV[4]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[8])
redis.call('EXPIRE', KEYS[3], ARGV[8])
if ARGV[6] ~= '' then redis.call('SET', KEYS[4], ARGV[6], 'EX', ARGV[7]) end
return 1
"""
"""KEYS: record, subject's nonce, cohort's nonce, body. ARGV: record, the two nonces, version,
seconds to keep the record, body (or nothing), seconds to keep the body, and the nonces."""

TELL: Final = b"""
for _, name in ipairs(ARGV) do
  redis.call('PUBLISH', KEYS[2], redis.call('INCR', KEYS[1]) .. ' ' .. name)
end
return #ARGV
"""
"""KEYS: sequence, channel. ARGV: the names of what changed. Each message has the next number."""
