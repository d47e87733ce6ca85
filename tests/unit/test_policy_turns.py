"""One question for all polls of a moment: asked after each, one at a time, nobody forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from portal.endpoint.standing import Standing
from portal.endpoint.turns import Turn, Turns
from portal.endpoint.wire import RedisAway, Wire

TALLY = b"stands"


@dataclass
class FakeWire:
    """A connection to a server that answers when it is told to."""

    log: list[int]
    """Counts what happens: asking and sending, in the order in which they do."""
    sent: list[tuple[int, asyncio.Future[bytes]]] = field(default_factory=list)
    most_at_once: int = 0

    def call(self, *_command: bytes) -> asyncio.Future[bytes]:
        self.log.append(len(self.log))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.sent.append((self.log[-1], future))
        self.most_at_once = max(self.most_at_once, sum(not one.done() for _, one in self.sent))
        return future

    def reply(self, *, fails: bool) -> None:
        """Answer the oldest question that has no answer."""
        for _, future in self.sent:
            if not future.done():
                if fails:
                    future.set_exception(RedisAway())
                else:
                    future.set_result(TALLY)
                return

    @property
    def is_asked(self) -> bool:
        return any(not future.done() for _, future in self.sent)


@dataclass(eq=False)
class Poll:
    asked: int
    settled: list[tuple[int, bool]] = field(default_factory=list)


def heard_up_to_now() -> Standing:
    standing = Standing()
    standing.tally = TALLY
    return standing


steps = st.lists(st.sampled_from(["ask", "ask elsewhere", "turn", "reply", "fail"]), max_size=40)


@given(steps)
def test_each_poll_is_settled_once_by_a_question_sent_after_it(taken: list[str]) -> None:
    async def run() -> None:
        log: list[int] = []
        wires = [FakeWire(log), FakeWire(log)]
        polls: list[Poll] = []

        def settle(turn: Turn[Poll], has_heard: bool) -> None:
            wire = cast("FakeWire", turn.wire)
            answered = max(at for at, future in wire.sent if future.done())
            for poll in turn.polls:
                poll.settled.append((answered, has_heard))

        turns: Turns[Poll] = Turns(heard_up_to_now(), settle)
        for step in taken:
            if step.startswith("ask"):
                log.append(len(log))
                polls.append(Poll(log[-1]))
                turns.ask(polls[-1], cast("Wire", wires["else" in step]), b"e")
            elif step == "turn":
                await asyncio.sleep(0)
            else:
                for wire in wires:
                    wire.reply(fails=step == "fail")
        while any(not poll.settled for poll in polls):
            await asyncio.sleep(0)
            assert any(wire.is_asked for wire in wires) or all(poll.settled for poll in polls)
            for wire in wires:
                wire.reply(fails=False)
            await asyncio.sleep(0)
        for poll in polls:
            ((answered, _),) = poll.settled
            assert answered > poll.asked

    asyncio.run(asyncio.wait_for(run(), 10))


def test_who_asks_while_a_question_is_under_way_shares_the_next_one() -> None:
    async def run() -> tuple[FakeWire, list[int]]:
        wire = FakeWire([])
        together: list[int] = []
        turns: Turns[int] = Turns(
            heard_up_to_now(), lambda turn, _: together.append(len(turn.polls))
        )
        for number in range(12):
            turns.ask(number, cast("Wire", wire), b"e")
            await asyncio.sleep(0)
        wire.reply(fails=False)
        await asyncio.sleep(0)
        wire.reply(fails=False)
        await asyncio.sleep(0)
        return wire, together

    wire, together = asyncio.run(run())

    assert together == [1, 11]
    assert wire.most_at_once == 1
