"""A poll as agents send it, read from its bytes ahead of the server's parser.

Takes what leaves no room for two readings: one GET of the policy, whole and alone in what arrived,
of visible characters, with headers from a short list and each that matters once. All else is not
recognised, and the server's own parser reads it as if this way did not exist.
"""

import re
from typing import Final

from portal.endpoint.answer import Headers
from portal.endpoint.asgi import PATH

Said = tuple[bytes, bytes | None, bytes | None, bytes | None]
"""What a poll says: the bearer token, If-None-Match, Prefer and Host. Bare: every poll has one."""
Parts = Said | tuple[None, bytes | None, bytes | None, bytes | None]
"""The same, where the token may lack."""

SCHEME: Final = b"Bearer "
OTHERS: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
"""With one of these a request has, or may have, a body or another course."""
LONGEST: Final = 4096

_START: Final = b"GET %b HTTP/1.1\r\n" % PATH.encode("ascii")
_END: Final = b"\r\n\r\n"
_POLL: Final = re.compile(
    rb"%b(?:"
    # What says nothing about the policy, nor about where the request ends.
    rb"(?:[Uu]ser-[Aa]gent|[Aa]ccept(?:-[Ee]ncoding|-[Ll]anguage)?"
    rb"|[Xx]-[Ff]orwarded-(?:[Ff]or|[Pp]roto|[Hh]ost)|[Xx]-[Rr]eal-I[Pp]): [ -~]*\r\n"
    rb"|[Cc]onnection: keep-alive\r\n"
    # What does: once each.
    rb"|(?(1)(?!)|[Aa]uthorization: Bearer ([!-~]+)\r\n)"
    rb"|(?(2)(?!)|[Ii]f-[Nn]one-[Mm]atch: ([!-~]+)\r\n)"
    rb"|(?(3)(?!)|[Pp]refer: ([!-~]+)\r\n)"
    rb"|(?(4)(?!)|[Hh]ost: ([!-~]+)\r\n)"
    rb")+\r\n" % re.escape(_START)
)


def recognised(data: bytes) -> Parts | None:
    """Return what a poll says, read from its bytes; None for anything but one whole poll."""
    if len(data) > LONGEST or (found := _POLL.fullmatch(data)) is None:
        return None
    return found.groups()  # type: ignore[return-value]


def headers_of(data: bytes) -> Headers:
    """Return the headers of a poll that was recognised, as the server's parser would."""
    lines = (line.partition(b":") for line in data[len(_START) : -len(_END)].split(b"\r\n"))
    return [(name.lower(), value.strip(b" ")) for name, _, value in lines]


def said_in(headers: Headers) -> Said | None:
    """Return what a poll with these headers says; None where it brings no one token."""
    credentials = named = prefer = host = None
    for name, value in headers:
        if name == b"authorization":
            if credentials is not None:
                return None
            credentials = value
        elif name == b"if-none-match":
            if named is not None:
                return None
            named = value
        elif name == b"prefer":
            if prefer is not None:
                return None
            prefer = value
        elif name == b"host":
            if host is not None:
                return None
            host = value
    if credentials is None or not credentials.startswith(SCHEME):
        return None
    return credentials[len(SCHEME) :], named, prefer, host
