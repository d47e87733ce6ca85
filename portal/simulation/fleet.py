"""All agents of a run: connected a few at a time, then left to poll while people withdraw."""

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portal.simulation.agent import Counts, Script, SimulatedAgent, keys_of
from portal.simulation.clicks import Click, Hand
from portal.simulation.crowd import Member
from portal.simulation.http import Address, Client, NoAnswer

CONNECTING: Final = 32
"""So many are given their first policy at once: how fast the fleet grows follows the portal."""
HANDS: Final = 16
AFTERMATH: Final = 5.0
"""How long the last clicks are waited for."""
KEYS: Final = "/.well-known/sayso-policy-keys.json"


class Unsuitable(Exception):
    """The portal at the address cannot be simulated against; says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be."""

    portal: str
    seconds: float
    share: float
    """Which part of all agents' people withdraw, each second."""
    seed: int = 1

    def clicks_of(self, agents: int) -> int:
        """Return how many people are to withdraw in all."""
        return min(agents, math.ceil(agents * self.share * self.seconds))


@dataclass
class Course:
    """How a run went, and while it goes on how it goes."""

    agents: list[SimulatedAgent]
    counts: Counts
    clicks: list[Click] = field(default_factory=list)
    connected: int = 0
    began: float = 0.0
    """When all were connected; 0 as long as they are not."""
    ended: float = 0.0
    connecting_seconds: float = 0.0
    polls_at_start: int = 0
    ages: list[float] = field(default_factory=list)
    """At the end: how long ago each agent last heard that what it obeys still holds."""

    @property
    def capturing(self) -> int:
        """How many would capture right now."""
        now = time.monotonic()
        return sum(agent.captures(now) for agent in self.agents)


class Fleet:
    """Agents by their people, and the people who are signed in."""

    def __init__(self, plan: Plan, members: list[Member], sessions: dict[int, str]) -> None:
        self.plan = plan
        self._address = Address.of(plan.portal)
        self._script = Script(self._address, {}, Counts())
        self._members = members
        self._sessions = sessions
        agents = [SimulatedAgent(m.agent, m.token, self._script, Client(self._address))
                  for m in members]  # fmt: skip
        self.course = Course(agents, self._script.counts)
        self._of = dict(zip((m.subject for m in members), agents, strict=True))
        self._lives: list[asyncio.Task[None]] = []

    async def run(self, watch: Callable[[Course], None], stop: asyncio.Event) -> Course:
        """Connect, let people withdraw for the planned time, return the course.

        `watch` is called each second. Setting `stop` ends the run early. Raises Unsuitable.
        """
        await self._meet()
        watching = asyncio.create_task(_each_second(watch, self.course))
        stopped = asyncio.create_task(stop.wait())
        story = asyncio.create_task(self._story())
        try:
            await asyncio.wait({story, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end([story, stopped, watching])
            self._take_stock()
            await _end(self._lives)
            for agent in self.course.agents:
                agent.client.close()
        if story.done() and not story.cancelled() and (failure := story.exception()):
            raise failure
        return self.course

    async def _meet(self) -> None:
        """Fetch the portal's keys, and see that it knows our agents."""
        client = Client(self._address)
        try:
            answer = await client.ask("GET", KEYS, {})
            keys = keys_of(answer.body)
            if self._members:
                token = {"Authorization": f"Bearer {self._members[0].token}"}
                known = (await client.ask("GET", "/api/v1/policy", token)).status
        except NoAnswer as nothing:
            raise Unsuitable(
                f"no answer from {self.plan.portal} ({nothing.kind}); is the portal running there?"
                " `--portal` says where it is"
            ) from nothing
        except ValueError as error:
            raise Unsuitable(f"what answers at {self.plan.portal} is no portal") from error
        finally:
            client.close()
        if self._members and known == 401:
            raise Unsuitable(
                f"the portal at {self.plan.portal} does not know the agents of this installation;"
                " run the command where that portal's SAYSO_HOME or DATABASE_URL is set"
            )
        self._script.keys.update(keys)

    async def _story(self) -> None:
        began = time.monotonic()
        await self._connect()
        course = self.course
        course.began = time.monotonic()
        course.connecting_seconds = course.began - began
        course.polls_at_start = course.counts.polls
        await self._let_people_withdraw()
        left = course.began + self.plan.seconds - time.monotonic()
        await asyncio.sleep(max(left, 0))
        await self._wait_for_the_last()

    async def _connect(self) -> None:
        """Give every agent its first policy, a few at a time, and let each poll from then on."""
        waiting = iter(self.course.agents)

        async def some() -> None:
            for agent in waiting:
                await agent.first()
                self._lives.append(asyncio.create_task(agent.live()))
                self.course.connected += 1

        await asyncio.gather(*(some() for _ in range(CONNECTING)))

    async def _let_people_withdraw(self) -> None:
        """Tap at instants spread over the time at random, by a few hands."""
        chance = random.Random(self.plan.seed)  # noqa: S311  no secret
        members = [member for member in self._members if member.login in self._sessions]
        chance.shuffle(members)
        moments = sorted(chance.uniform(0, self.plan.seconds) for _ in members)
        due = iter(list(zip(moments, members, strict=True)))

        async def taps() -> None:
            hand = Hand(self._address, self.plan.portal)
            try:
                for moment, member in due:
                    wait = self.course.began + moment - time.monotonic()
                    await asyncio.sleep(max(wait, 0))
                    await self._tap(hand, member)
            finally:
                hand.close()

        await asyncio.gather(*(taps() for _ in range(HANDS)))

    async def _tap(self, hand: Hand, member: Member) -> None:
        agent = self._of[member.subject]
        if not agent.captures(time.monotonic()):
            return  # it would prove nothing
        click = await hand.withdraw(member.subject, self._sessions[member.login])
        self.course.clicks.append(click)
        if not click.error:
            agent.ended_at = click.answered

    async def _wait_for_the_last(self) -> None:
        until = time.monotonic() + AFTERMATH
        while time.monotonic() < until and any(
            self._of[click.subject].captures(time.monotonic())
            for click in self.course.clicks
            if not click.error
        ):
            await asyncio.sleep(0.05)

    def _take_stock(self) -> None:
        course, now = self.course, time.monotonic()
        course.ended = now
        course.ages = [now - agent.confirmed for agent in course.agents if agent.confirmed]

    def last_capture(self, click: Click) -> float | None:
        """Return until when the clicker's agent captured; None where it did to the end."""
        agent = self._of[click.subject]
        return None if agent.captures(self.course.ended) else agent.stopped


async def _each_second(watch: Callable[[Course], None], course: Course) -> None:
    while True:
        watch(course)
        await asyncio.sleep(1)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
