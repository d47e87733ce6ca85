"""How soon to ask for the policy again. Pure, but for chance.

A portal that holds polls is asked again at once. One that offers it and then answers at once, as a
proxy in between may make of it, would be asked again and again: whoever was not held asks as often
as the policy says. Whoever waits and is told of a change was held, and waits for the next one at
once: a person who paused and resumed may withdraw the moment after.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from sayso_agent.asking import Fetched

JITTER: Final = 0.2
HELD: Final = 1.0
"""Seconds after which word of a change came to somebody who waited, and not to whoever asks."""
MOST_AT_ONCE: Final = 5
"""Changes sooner than that, one after the other, that are believed to be a person's."""
SLOWER: Final = 2.0
"""By how much longer is waited after each one beyond those: a portal in trouble is soon left alone,
and whoever is very quick is heard a second later and not a minute."""


def spread(seconds: float) -> float:
    """Return a little less, at random, so that agents do not march in step."""
    return seconds * secrets.SystemRandom().uniform(1 - JITTER, 1.0)


@dataclass(slots=True)
class Rhythm:
    """Whether the portal holds polls as it offers, by how the last ones were answered."""

    _document: str = ""
    _at_once: int = 0  # changes in a row of which it was told as soon as it asked

    def told_of_change(self, took: float) -> None:
        """Note that a poll that was to be held was told of a change, so long after it was asked."""
        self._at_once = 0 if took >= HELD else self._at_once + 1

    def pause(self, came: Fetched, *, offered: float, poll_after: float) -> float:
        """Return the seconds from an answer to the next poll.

        `offered` is how long the portal says that it holds a poll, 0 where it does not.
        """
        usual = spread(poll_after)
        is_new = self._is_new(came)
        if not offered:
            return usual
        soon = secrets.SystemRandom().uniform(0.05, 0.5)
        took = came.received.monotonic - came.asked.monotonic
        held = came.answer.held
        if is_new and came.wait:
            # Not held where the next change came before it asked again: after a resume, say.
            self._at_once = 0 if held else self._at_once + 1
        if is_new or not came.wait:
            return max(soon, min(self._doubt(), usual - took))
        if held and took >= min(held, came.wait) / 2:
            self._at_once = 0
            return soon
        return max(soon, usual - took)

    def _doubt(self) -> float:
        """Return the seconds to wait after news, by how much of it came at once."""
        beyond = self._at_once - MOST_AT_ONCE
        return 0.0 if beyond <= 0 else SLOWER ** min(beyond, 30) / 4

    def _is_new(self, came: Fetched) -> bool:
        token = came.answer.token
        if token is None or token == self._document:
            return False
        self._document = token
        return True
