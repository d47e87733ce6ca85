"""Issuing together: who asks alone is served at once, who asks meanwhile with all who waited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portal.endpoint.answer import Issued, Known
from portal.endpoint.crowd import AT_ONCE, GATHER_SECONDS, MOST
from portal.endpoint.issuing import Issuer, Made


class Many:
    """Issues when told to; remembers with whom each was issued."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.broken: set[int] = set()

    async def __call__(self, knowns: list[Known], now: float) -> dict[int, Any]:
        self.calls.append([known.agent for known in knowns])
        await self.go_on.wait()
        if -1 in self.broken:
            raise ConnectionError
        return {
            known.agent: ValueError(str(known.agent))
            if known.agent in self.broken
            else Made(True, Issued(f'"{known.agent}"', b""), known)
            for known in knowns
        }


def known(agent: int) -> Known:
    return Known(agent, agent, 1)


def test_the_first_are_served_at_once_and_the_rest_together() -> None:
    async def run() -> list[list[int]]:
        many = Many()
        issuer = Issuer(many)
        futures = [issuer.issue(known(n), 0.0) for n in range(AT_ONCE + MOST + 3)]
        await asyncio.sleep(0)
        many.go_on.set()
        made = await asyncio.gather(*futures)
        assert [one.issued.etag for one in made] == [f'"{n}"' for n in range(len(futures))]
        return many.calls

    calls = asyncio.run(run())

    assert [len(call) for call in calls] == [1, MOST, AT_ONCE + 2]


def test_who_asks_while_others_are_served_waits_a_moment_for_company() -> None:
    async def run() -> list[list[int]]:
        many = Many()
        issuer = Issuer(many)
        futures = []
        for n in range(4):
            futures.append(issuer.issue(known(n), 0.0))
            await asyncio.sleep(0)
        while len(many.calls) < AT_ONCE:
            await asyncio.sleep(GATHER_SECONDS / 10)
        many.go_on.set()
        await asyncio.gather(*futures)
        return many.calls

    assert asyncio.run(run()) == [[0], [1, 2, 3]]


def test_as_many_as_may_be_together_wait_for_nobody_else() -> None:
    async def run() -> list[list[int]]:
        many = Many()
        issuer = Issuer(many)
        for n in range(MOST + 1):
            issuer.issue(known(n), 0.0)
        await asyncio.sleep(0)
        calls = list(many.calls)
        many.go_on.set()
        await issuer.issue(known(0), 0.0)
        return calls

    assert [len(call) for call in asyncio.run(run())] == [1, MOST]


def test_who_gathered_is_served_even_if_those_before_never_are() -> None:
    async def run() -> None:
        many = Many()
        issuer = Issuer(many)
        kept = issuer.issue(known(0), 0.0)
        await asyncio.sleep(0)
        later = issuer.issue(known(1), 0.0)
        while len(many.calls) < AT_ONCE:
            await asyncio.sleep(GATHER_SECONDS / 10)
        assert many.calls[1] == [1]
        many.go_on.set()
        await asyncio.gather(kept, later)

    asyncio.run(run())


def test_who_asks_twice_while_waiting_gets_one_policy() -> None:
    async def run() -> None:
        many = Many()
        issuer = Issuer(many)
        for n in range(AT_ONCE):
            issuer.issue(known(n), 0.0)
        twice = [issuer.issue(known(9), 1.0), issuer.issue(known(9), 2.0)]
        many.go_on.set()
        one, other = await asyncio.gather(*twice)
        assert one is other
        assert sum(call.count(9) for call in many.calls) == 1

    asyncio.run(run())


def test_an_error_about_one_reaches_that_one_alone() -> None:
    async def run() -> None:
        many = Many()
        many.broken = {7}
        many.go_on.set()
        issuer = Issuer(many)
        futures = [issuer.issue(known(n), 0.0) for n in range(10)]
        made = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(one) for one in made] == [Made] * 7 + [ValueError] + [Made] * 2

    asyncio.run(run())


def test_where_nothing_can_be_issued_all_are_told_and_the_next_are_tried() -> None:
    async def run() -> None:
        many = Many()
        many.broken = {-1}
        many.go_on.set()
        issuer = Issuer(many)
        made = await asyncio.gather(
            *(issuer.issue(known(n), 0.0) for n in range(5)), return_exceptions=True
        )
        assert all(isinstance(one, ConnectionError) for one in made)
        many.broken = set()
        assert (await issuer.issue(known(1), 0.0)).quiet

    asyncio.run(run())


def test_who_went_away_disturbs_nobody() -> None:
    async def run() -> None:
        many = Many()
        issuer = Issuer(many)
        gone, stays = issuer.issue(known(1), 0.0), issuer.issue(known(2), 0.0)
        gone.cancel()
        many.go_on.set()
        assert (await stays).known == known(2)
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(run())
