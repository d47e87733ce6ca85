"""Bytes that go to another host than the portal: only where the signed policy names it.

Never with our token, never a header that could carry one, and no redirect is followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sayso_agent.errors import UnexpectedAnswerError, UnreachableError, UsageError
from sayso_agent.portal import Place, Refusal
from sayso_agent.transport import Body, Transport, origin_of, parse_origin

UPLOAD_REFUSED: Final = "upload_refused"
_LATER: Final = frozenset({408, 425, 429})


@dataclass(slots=True)
class Bucket:
    """A connection to whichever host was last told."""

    _transport: Transport | None = None

    def upload(self, place: Place, body: Body, allowed: frozenset[str]) -> Refusal | None:
        """Put the bytes; None once they lie there, else the refusal.

        UnexpectedAnswerError for a place that the policy does not name, or for headers that are
        not about the bytes; UnreachableError where it may work later.
        """
        if not _about_bytes(place.headers, body.size):
            raise UnexpectedAnswerError("manifest_answer_malformed", "headers beyond the bytes")
        # Its length is said by whoever sends the body.
        headers = {n: v for n, v in place.headers.items() if n.lower() != "content-length"}
        transport = self._to(place.url, allowed)
        try:
            answer = transport.request("PUT", place.url, headers=headers, body=body)
        except UnreachableError as error:
            raise UnreachableError("store_unreachable", "no answer from the store") from error
        if answer.status in {200, 201, 204}:
            return None
        if answer.status >= 500 or answer.status in _LATER:
            raise UnreachableError(
                "store_in_trouble",
                f"the store did not take the bytes (status {answer.status})",
                retry_after=answer.retry_after(),
            )
        # Its own words are for whoever runs it; what a 403 means there is not what it means here.
        return Refusal(answer.status, UPLOAD_REFUSED, ())

    def break_off(self) -> None:
        """Break off what is under way, from another thread; the next upload connects anew."""
        if (transport := self._transport) is not None:
            transport.break_off()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _to(self, url: str, allowed: frozenset[str]) -> Transport:
        try:
            origin = origin_of(url)
        except UsageError as error:
            raise UnexpectedAnswerError("url_elsewhere", "an address we do not talk to") from error
        if origin not in allowed:
            raise UnexpectedAnswerError("url_elsewhere", "the policy does not name that host")
        if self._transport is None or self._transport.origin.url != origin:
            self.close()
            self._transport = Transport(parse_origin(origin))
        self._transport.go_on()
        return self._transport


def _about_bytes(headers: Mapping[str, str], size: int) -> bool:
    """Return whether headers speak of the bytes alone, and of as many as there are."""
    names = {name.lower(): value for name, value in headers.items()}
    known = all(n in {"content-type", "content-length"} or n.startswith("x-amz-") for n in names)
    clean = all(value.isprintable() for value in names.values())
    return known and clean and names.get("content-length", str(size)) == str(size)
