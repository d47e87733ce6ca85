"""What the holder of a token is told when it polls. Pure: all it needs comes as arguments.

The one place where a poll is decided. Whoever serves polls brings a `Source`: the plain view one
that asks PostgreSQL, the process under ASGI one that asks Redis first. Both get the same answers.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

PREFIX: Final = "sat_"
JITTER: Final = 0.2

Headers = list[tuple[bytes, bytes]]

GUARDS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What a browser is told of a body that is for machines: take it for nothing else, show it nowhere.

A 304 has none. Answers by Django get their own from its middleware (portal.http)."""


class Answer(NamedTuple):
    """Status, headers and body of one answer to a poll."""

    status: int
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is a problem (RFC 9457)."""

    status: int
    code: str
    detail: str
    next_step: str
    retry_after: int = 0


class Unavailable(Exception):
    """What is true cannot be known now; carries the refusal to answer with."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


NO_TOKEN: Final = Refusal(
    status=401,
    code="token_unknown",
    detail="A bearer token of an enrolled agent is needed.",
    next_step="Stop capture at once, then enrol again.",
)
UNKNOWN: Final = Refusal(
    status=401,
    code="token_unknown",
    detail="No enrolled agent holds this token.",
    next_step="Stop capture at once, then enrol again.",
)
REVOKED: Final = Refusal(
    status=403,
    code="agent_revoked",
    detail="This machine was taken off the list by the person it belongs to.",
    next_step="Stop capture at once and erase what was not handed in.",
)
QUARANTINED: Final = Refusal(
    status=403,
    code="agent_quarantined",
    detail="A token or key that this machine gave up was used again: there may be a copy of it.",
    next_step="Stop capture at once, erase what was not handed in, and tell the person: they can"
    " remove the machine and enrol it anew.",
)
TOKEN_ENDED: Final = Refusal(
    status=401,
    code="token_ended",
    detail="This token was changed for a new one, and its time to go on beside that is over.",
    next_step="Stop capture at once, then ask for a new token, proven by the agent's key.",
)
TOKEN_GIVEN_UP: Final = Refusal(
    status=401,
    code="token_given_up",
    detail="This machine has begun to use the token that came after this one.",
    next_step="Use the new token, and this one never again.",
)
WAITING: Final = Refusal(
    status=409,
    code="machine_waiting",
    detail="This machine waits for the person who works on it to approve it.",
    next_step="Obey the policy, which denies everything, until then.",
)
DEPARTED: Final = Refusal(
    status=403,
    code="person_departed",
    detail="The person this machine belongs to has left the organisation.",
    next_step="Stop capture at once and erase what was not handed in.",
)
NO_DATABASE: Final = Refusal(
    status=503,
    code="database_unavailable",
    detail="The database cannot be reached, so nothing that allows can be said.",
    next_step="Keep to the lease you have and ask again later.",
    retry_after=10,
)
NO_KEY: Final = Refusal(
    status=503,
    code="no_signing_key",
    detail="No key that this portal's root vouches for may sign now, so nothing can be allowed.",
    next_step="Keep to the lease you have and ask again later; whoever runs the portal has a new"
    " key manifest signed.",
    retry_after=60,
)
BUSY: Final = Refusal(
    status=503,
    code="too_busy",
    detail="More is being asked right now than can be answered.",
    next_step="Keep to the lease you have and ask again later.",
    retry_after=5,
)


CHANGED: Final = Refusal(
    status=409,
    code="policy_changed",
    detail="Something that this machine's policy follows from has changed just now.",
    next_step="Stop capture at once, and ask for the policy again after Retry-After, or at once"
    " where there is none, without waiting for a change.",
)


class Wake(NamedTuple):
    """How a wait ended."""

    changed: bool = False
    """Whether something changed that the policy follows from; else it is to be looked at again."""
    pause: int = 0
    """The seconds after which to ask again: thousands told at once must not all ask at once."""


class Known(NamedTuple):
    """Whose token it is, and the newest policy if nothing changed since it was issued."""

    agent: int
    subject: int
    cohort: int
    version: int = 0
    etag: str = ""
    """Empty where the newest policy no longer says what is true, or there is none."""
    issued: int = 0
    fresh_until: int = 0
    ends_at: int = 0
    """When the token ends, in Unix seconds: no policy is answered for beyond; 0 for never."""

    def is_in_force(self, now: float) -> bool:
        """Return whether the policy may be named in an answer at `now`.

        Not before it was issued either: after a clock was set back by no more than half a lease
        a policy is answered for no longer than its lease, and after a longer way back not at all.
        """
        return bool(self.etag) and self.issued <= now < self.fresh_until


class Issued(NamedTuple):
    """A policy that was issued just now, signed."""

    etag: str
    body: bytes


class Denied(NamedTuple):
    """The signed policy of a machine that is nobody's yet: it denies everything."""

    etag: str
    body: bytes


class Source(Protocol):
    """Where an answer gets what it needs. Each call may raise `Unavailable`."""

    @property
    def offer(self) -> int:
        """The longest wait in seconds that is offered; 0 where waiting is not possible now."""

    def meter(self, digest: bytes) -> int:
        """Count a request; return the seconds to wait where it was one too many, else 0."""

    async def look(self, digest: bytes, now: float, named: str | None) -> Known | Denied | Refusal:
        """Return what is true at some instant after the call, which `now` is the time of.

        `named` is the policy that the caller says it has: a help to find what it needs, no more.
        """

    async def hold(self, known: Known, seconds: float) -> Wake | None:
        """Wait for a change, at most so long; None, at once, where no more can wait."""

    async def body(self, digest: bytes, known: Known) -> bytes | None:
        """Return the signed policy that `known` names, if it is at hand."""

    async def issue(self, digest: bytes, known: Known, now: float) -> Issued:
        """Sign and return the policy in force; where there is none, issue the next one first."""


async def answer(
    source: Source,
    token: str | None,
    if_none_match: str | None,
    prefer: str | None,
    now: Callable[[], float],
    waited: int = 0,
) -> Answer | Refusal:
    """Return what the holder of `token` is told.

    304 while the policy that `if_none_match` names is in force; 200 with a signed policy as soon
    as it is not, or none is named. `prefer` may ask to wait (RFC 7240): `wait=30`. Who waits and
    is overtaken by a change is told so, unsigned and at once: to stop needs no proof, and to sign
    something for each of thousands takes time. `waited`: seconds granted to this poll already.
    """
    if not token or not token.startswith(PREFIX):
        return NO_TOKEN
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    if pause := source.meter(digest):
        return _too_many(pause)
    try:
        known = await source.look(digest, now(), if_none_match)
        if isinstance(known, Refusal):
            return known
        if isinstance(known, Denied):
            return _denied(known, if_none_match)
        if prefer and (wanted := _wanted(source, known, if_none_match, prefer, now())):
            # Never past the instant from which the policy is not answered for any more.
            wake = await source.hold(known, min(wanted, known.fresh_until - now()))
            if wake and wake.changed:
                return changed(wake.pause)
            if wake:
                waited = wanted
                known = await source.look(digest, now(), if_none_match)
            if isinstance(known, Refusal):
                return known
            if isinstance(known, Denied):  # not after it was somebody's, yet types cannot know
                return _denied(known, if_none_match)
        if is_current(if_none_match, known, now()):
            return unchanged(source.offer, known.etag.encode("ascii"), waited)
        return await _policy(source, digest, known, if_none_match, waited, now())
    except Unavailable as away:
        return away.refusal


def _wanted(
    source: Source, known: Known, if_none_match: str | None, prefer: str, now: float
) -> int:
    """Return the seconds that the caller may wait for a change; 0 for no wait."""
    wanted = min(wished(prefer), source.offer)
    return wanted if wanted and is_current(if_none_match, known, now) else 0


@lru_cache(maxsize=128)
def changed(pause: int) -> Refusal:
    """Return what a waiting agent is told when something changes."""
    return replace(CHANGED, retry_after=pause)


async def _policy(
    source: Source, digest: bytes, known: Known, named: str | None, waited: int, now: float
) -> Answer:
    """Return the signed policy in force; where there is none, a new one.

    Who names a higher version than is known here may have it from another process that issued one
    at the same time: PostgreSQL then says which is the newest. Nothing is issued for it, as anybody
    can make up a name; who has seen what the database lost refuses what comes, and keeps to the
    lease it has.
    """
    etag, body = known.etag, None
    if known.is_in_force(now) and named_version(named) <= known.version:
        body = await source.body(digest, known)
    if body is None:
        issued = await source.issue(digest, known, now)
        etag, body = issued.etag, issued.body
        if named and etag in _tags(named):
            return unchanged(source.offer, etag.encode("ascii"), waited)
    return whole(source.offer, etag, waited, body)


def _denied(denied: Denied, named: str | None) -> Answer:
    """Return what a machine hears that is nobody's yet. It may not wait for a change.

    So none is offered: who is answered at once where a wait was offered asks again at once.
    """
    if denied.etag in _tags(named or ""):
        return unchanged(0, denied.etag.encode("ascii"), 0)
    return whole(0, denied.etag, 0, denied.body)


def whole(offer: int, etag: str, waited: int, body: bytes) -> Answer:
    """Return the answer that brings a signed policy."""
    headers = [
        *_headers(offer, etag.encode("ascii"), waited),
        *GUARDS,
        (b"content-type", b"application/policy+jwt"),
        (b"content-length", b"%d" % len(body)),
    ]
    return Answer(200, headers, body)


def etag_of(*, version: int, cohort: int, revision: int, personal: int, fresh_until: int) -> str:
    """Return a policy's entity tag: all that its body depends on, and its half of the lease.

    `fresh_until` bounds what the tag is good for: from then on nothing is answered 304.
    """
    return f'"{version}.{cohort}-{revision}.{personal}.{fresh_until}"'


def fresh_until(issued: float, lease_until: float) -> int:
    """Return until when a policy is answered for: the first half of its lease, no fraction more."""
    return int(issued + (lease_until - issued) / 2)


def wished(prefer: str) -> int:
    """Return the seconds that a Prefer header asks to wait (RFC 7240 section 4.3); 0 for none."""
    for preference in prefer.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            number = value.strip().strip('"')
            return int(number[:9]) if number.isascii() and number.isdigit() else 0
    return 0


def named_version(if_none_match: str | None) -> int:
    """Return the highest version that the caller has seen, as far as it says so; else 0."""
    versions = [tag.strip('"').partition(".")[0] for tag in _tags(if_none_match or "")]
    return max((int(v) for v in versions if v.isascii() and v.isdigit() and len(v) < 19), default=0)


def unchanged(offer: int, etag: bytes, waited: int) -> Answer:
    """Return the answer that what is named is in force."""
    return Answer(304, _headers(offer, etag, waited))


def is_current(if_none_match: str | None, known: Known, now: float) -> bool:
    """Return whether the policy that the caller names is the one in force."""
    if not if_none_match or not known.is_in_force(now):
        return False
    return if_none_match == known.etag or known.etag in _tags(if_none_match)


def _tags(header: str) -> list[str]:
    """Return the listed tags; weak comparison, as RFC 9110 section 13.1.2 asks."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def _too_many(pause: int) -> Refusal:
    return Refusal(
        status=429,
        code="too_many_requests",
        detail="This agent asks more often than its policy says.",
        next_step="Wait as long as Retry-After says.",
        retry_after=pause,
    )


def _headers(offer: int, etag: bytes, waited: int) -> Headers:
    headers = [(b"etag", etag), *_general(offer)]
    if waited:
        headers.append((b"preference-applied", b"wait=%d" % waited))
    return headers


@lru_cache(maxsize=8)
def _general(offer: int) -> Headers:
    """Return what every answer says: keep it to yourself, and how to ask again.

    Not how often: that is the organisation's to say, in what is signed (`poll_after`).
    """
    pace = f"jitter={JITTER}" + (f", wait={offer}" if offer else "")
    return [
        (b"cache-control", b"private, no-cache"),
        (b"vary", b"Authorization"),
        (b"policy-poll", pace.encode("ascii")),
    ]
