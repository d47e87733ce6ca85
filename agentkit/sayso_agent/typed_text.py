"""Holds typed text in memory until its field is left, so that it can be redacted as a whole.

A card number typed digit by digit is no card number until its last digit: redacting each key
press by itself would let it through. Nothing here ever touches a disk. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sayso_agent.event import Event, Typing
from sayso_agent.lease import Instant
from sayso_agent.redact import redact

LONGEST: Final = 4000
ERASE: Final = "\b"
_LAST_WORD: Final = re.compile(r"\S+\s*\Z")


@dataclass(frozen=True, slots=True)
class Typed:
    """A finished piece of typed text: redacted, at the moment of its last key."""

    app: str
    text: str
    stamp: float
    read: Instant


@dataclass(slots=True)
class _Piece:
    app: str
    field: str
    text: str
    stamp: float
    read: Instant
    torn: bool  # the piece before it in this field was cut off


class TypedText:
    """The one field being typed in now."""

    def __init__(self) -> None:
        self._piece: _Piece | None = None
        self._torn = True  # we may have begun to look in the middle of a word

    def take(self, event: Event, app: str, *, stamp: float, read: Instant) -> Iterator[Typed]:
        """Add an event of typed text; yield what it completes."""
        text = event.data.get("text")
        if not isinstance(text, str):
            return
        if event.typing is Typing.WHOLE:
            yield from self.settle()
            yield Typed(app, redact(text), stamp, read)
            return
        piece = self._piece
        if piece is None or (piece.app, piece.field) != (app, event.field):
            torn = self._torn and piece is None
            yield from self.settle()
            piece = self._piece = _Piece(app, event.field, "", stamp, read, torn=torn)
        piece.stamp, piece.read = stamp, read
        if event.typing is Typing.VALUE:
            piece.text, piece.torn = text, False
        else:
            piece.text = _appended(piece.text, text)
        if len(piece.text) > LONGEST:
            yield from self.cut()

    def settle(self) -> Iterator[Typed]:
        """Yield what was typed: the field was left, it is complete."""
        piece, self._piece, self._torn = self._piece, None, False
        if piece is not None:
            text = redact(piece.text, open_start=piece.torn)
            yield Typed(piece.app, text, piece.stamp, piece.read)

    def cut(self) -> Iterator[Typed]:
        """Yield what was typed so far without its last word: it may go on, so it may be anything.

        The rest of the field is treated as torn off, so that no number passes in two halves.
        """
        piece = self._piece
        if piece is None:
            return
        text = redact(_LAST_WORD.sub("", piece.text), open_start=piece.torn, open_end=True)
        yield Typed(piece.app, text, piece.stamp, piece.read)
        self._piece = _Piece(piece.app, piece.field, "", piece.stamp, piece.read, torn=True)

    def forget(self) -> None:
        """Drop what is held; what comes next may be the rest of it."""
        self._piece, self._torn = None, True


def _appended(before: str, more: str) -> str:
    for char in more:
        before = before[:-1] if char == ERASE else before + char
    return before
