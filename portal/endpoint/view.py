"""The plain way: a source that asks PostgreSQL at every poll, for the Django view."""

import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from portal.endpoint import marks, postgres
from portal.endpoint.answer import Answer, Denied, Issued, Known, Refusal, Wake, answer
from portal.endpoint.problems import delivered

R = TypeVar("R")


class PostgresSource:
    """Knows nothing but what PostgreSQL says now; nobody can wait here."""

    offer = 0

    def meter(self, digest: bytes) -> int:
        """Count a request against the agent's bucket in this process."""
        return postgres.buckets().take(digest, time.monotonic())

    async def look(self, digest: bytes, now: float, named: str | None) -> Known | Denied | Refusal:
        """Return what stands in PostgreSQL."""
        return postgres.asked(postgres.look, digest)

    async def hold(self, known: Known, seconds: float) -> Wake | None:
        """Refuse: a thread that waits would be one that does not answer."""
        return None

    async def body(self, digest: bytes, known: Known) -> bytes | None:
        """Return None: signed policies are not kept in PostgreSQL."""
        return None

    async def issue(self, digest: bytes, known: Known, now: float) -> Issued:
        """Return the policy in force; of one that is new, outdate what faster ways may remember."""
        issued, _ = postgres.asked(postgres.issue, known, now)
        if issued.etag != known.etag:
            postgres.asked(marks.outdate, known.subject)
        return issued


class _HeadersOnly(PostgresSource):
    """For a HEAD: makes no body, and issues nothing."""

    async def body(self, digest: bytes, known: Known) -> bytes | None:
        """Return nothing, in place of the policy in force."""
        return b""

    async def issue(self, digest: bytes, known: Known, now: float) -> Issued:
        """Issue nothing: where no policy is in force, there is none to name."""
        return Issued("", b"")


def head(token: str | None, if_none_match: str | None) -> Answer:
    """Answer a HEAD: as a GET, without what is known only once a body is made.

    That is its length, and its tag where no policy is in force (RFC 9110 section 9.3.2).
    """
    asked = answer(_HeadersOnly(), token, if_none_match, None, time.time)
    said = delivered(at_once(asked))
    if said.status != 200:
        return said
    headers = [(name, value) for name, value in said.headers if name != b"content-length" and value]
    return Answer(200, headers)


def poll(token: str | None, if_none_match: str | None, prefer: str | None) -> Answer:
    """Answer one poll from PostgreSQL."""
    return delivered(at_once(answer(PostgresSource(), token, if_none_match, prefer, time.time)))


def at_once(coroutine: Coroutine[Any, Any, R]) -> R:
    """Return the result of a coroutine that never waits, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    coroutine.close()
    raise RuntimeError("a source of the plain view waited")
