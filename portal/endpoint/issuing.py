"""Issuing policies to whoever asks at the same time, together: one transaction for many of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from portal.endpoint.answer import Issued, Known
from portal.endpoint.crowd import Crowd


class Made(NamedTuple):
    """A policy that was issued."""

    quiet: bool
    """Whether nobody was about to change what it follows from, so that it may be kept."""
    issued: Issued
    known: Known
    """What is known of the holder from then on."""


IssueMany = Callable[[list[Known], float], Awaitable[dict[int, Made | Exception]]]


class Issuer:
    """Gathers who asks for a policy; `issue_many` returns what was made by the agent's key."""

    def __init__(self, issue_many: IssueMany) -> None:
        self._issue_many = issue_many
        self._crowd: Crowd[int, tuple[Known, float], Made] = Crowd(self._serve)

    def issue(self, known: Known, now: float) -> asyncio.Future[Made]:
        """Return the agent's next policy; the future raises what kept it from being issued.

        One that asks twice gets one policy, made after both have asked.
        """
        return self._crowd.ask(known.agent, (known, now))

    async def _serve(self, asked: list[tuple[Known, float]]) -> dict[int, Made | Exception]:
        knowns = [known for known, _ in asked]
        return await self._issue_many(knowns, max(now for _, now in asked))
