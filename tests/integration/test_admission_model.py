"""Batches in any order, between policies, pauses, withdrawals and strikes: an oracle agrees.

The oracle knows none of the product's code. It keeps what happened as a list with times in whole
seconds, and judges by asking of every single second whether it was leased, paused or struck
(DESIGN invariants 1, 8 and 15).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests import factories

LEASE = 900
Pair = tuple[str, str]
PAIRS: tuple[Pair, ...] = (
    ("tracker", "mouse_click"),
    ("tracker", "scroll"),
    ("sheet", "mouse_click"),
)


# --- the oracle ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lease:
    """A policy as it was issued: to whom, for when, allowing what, after how many decisions."""

    version: int
    machine: int
    begins: int
    allows: frozenset[Pair]
    decisions: int

    def covers(self, second: int) -> bool:
        return self.begins <= second < self.begins + LEASE


@dataclass(frozen=True)
class Capture:
    """What a machine says that it captured; two with the same capture differ in their id alone."""

    machine: int
    version: int
    app: str
    signals: frozenset[str]
    begins: int
    ends: int
    content: bytes

    def seconds(self) -> range:
        """Every second that it names; one without length still names one."""
        return range(self.begins, max(self.ends, self.begins + 1))

    def pairs(self) -> set[Pair]:
        return {(self.app, signal) for signal in self.signals}


@dataclass
class Oracle:
    """What happened, in order, and what follows from it for a batch."""

    decisions: list[frozenset[Pair]] = field(default_factory=list)  # what each said yes to
    leases: list[Lease] = field(default_factory=list)
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    strikes: list[tuple[int, int]] = field(default_factory=list)
    admitted: list[Capture] = field(default_factory=list)

    def allowed(self) -> frozenset[Pair]:
        paused = bool(self.pauses) and self.pauses[-1][1] is None
        return frozenset() if paused or not self.decisions else self.decisions[-1]

    def answer(self, capture: Capture, now: int) -> str:
        own = [lease for lease in self.leases if lease.machine == capture.machine]
        past = [second for second in capture.seconds() if second < now or second == capture.begins]
        past = [second for second in past if second <= now]
        if any(not any(lease.covers(second) for lease in own) for second in past):
            return "quarantined"
        named = next((lease for lease in own if lease.version == capture.version), None)
        if named is None or not all(named.covers(second) for second in capture.seconds()):
            return "refused"
        if capture.ends > now + 5 or not capture.pairs() <= named.allows:
            return "refused"
        newer = [lease for lease in own if lease.version > named.version]
        meanwhile = [one for one in newer if any(one.begins <= s for s in capture.seconds())]
        if not all(capture.pairs() <= one.allows for one in meanwhile):
            return "refused"
        since = self.decisions[max(named.decisions - 1, 0) :]
        if not since or not all(said and capture.pairs() <= said for said in since):
            return "refused"
        if any(self.stopped(second) for second in capture.seconds()):
            return "refused"
        if any(began == capture.ends for began, _ in self.pauses):
            return "refused"  # at the instant of a pause it is paused, as it is by a kill switch
        return "refused" if capture in self.admitted else "awaiting_bytes"

    def stopped(self, second: int) -> bool:
        paused = any(
            began <= second and (ended is None or second < ended) for began, ended in self.pauses
        )
        return paused or any(since <= second < until for since, until in self.strikes)


# --- the product beside it -----------------------------------------------------------------------


def test_admission_agrees_with_an_oracle(database: Any, store: Path) -> None:
    from consent import services
    from consent.policy.types import Signal
    from retention import services as retention
    from retention.exceptions import BatchRefused
    from retention.models import Admission, Batch

    world = factories.make_world()
    start = int(datetime.now(UTC).timestamp()) + 3600
    seen = {"admitted": 0, "refused": 0, "quarantined": 0}

    class Story(RuleBasedStateMachine):
        """One person with two machines; batches are captured, announced and sent in any order."""

        def __init__(self) -> None:
            super().__init__()
            self.clock = time_machine.travel(at(start), tick=False)
            self.traveller = self.clock.start()
            self.now = start
            self.subject = world.another_subject()
            self.machines = [factories.make_agent(self.subject) for _ in range(2)]
            self.oracle = Oracle()
            self.waiting: list[tuple[UUID, Capture]] = []
            self.announced: list[tuple[UUID, Capture]] = []
            self.kept: set[UUID] = set()
            self.drawn = 0
            self.say(frozenset(PAIRS))
            self.issue(0)

        def teardown(self) -> None:
            self.clock.stop()
            kept = Batch.objects.filter(subject=self.subject).values_list("uuid", flat=True)
            assert set(kept) == self.kept

        @rule(seconds=st.integers(1, 700))
        def time_passes(self, seconds: int) -> None:
            self.now += seconds
            self.traveller.move_to(at(self.now))

        @rule(machine=st.sampled_from([0, 0, 1]))
        def issue(self, machine: int) -> None:
            policy = services.issue_policy(agent=self.machines[machine]).policy
            assert (policy.lease_until - policy.issued_at).total_seconds() == LEASE
            allows = frozenset(
                (app, signal)
                for app, signals in policy.allow.get("train-agents", {}).items()
                for signal in signals
            )
            assert allows == self.oracle.allowed()
            decisions = len(self.oracle.decisions)
            self.oracle.leases.append(Lease(policy.version, machine, self.now, allows, decisions))

        @rule(pairs=st.frozensets(st.sampled_from(PAIRS), min_size=1))
        def say(self, pairs: frozenset[Pair]) -> None:
            services.give_consent(
                subject=self.subject,
                purpose="train-agents",
                notice=world.notice,
                pairs=[services.Pair(app, Signal(signal)) for app, signal in pairs],
                language="en",
            )
            self.oracle.decisions.append(pairs)

        @rule()
        def withdraw(self) -> None:
            services.withdraw_consent(subject=self.subject, purpose="train-agents")
            if self.oracle.decisions[-1]:
                self.oracle.decisions.append(frozenset())

        @rule()
        def pause_or_resume(self) -> None:
            pauses = self.oracle.pauses
            if pauses and pauses[-1][1] is None:
                self.time_passes(1)  # a pause lasts for some time, however short
                services.resume_capture(subject=self.subject)
                pauses[-1] = pauses[-1][0], self.now
            else:
                services.pause_capture(subject=self.subject)
                pauses.append((self.now, None))

        @rule(minutes=st.integers(1, 5))
        def forget(self, minutes: int) -> None:
            services.forget_last(subject=self.subject, minutes=minutes)
            self.oracle.strikes.append((self.now - 60 * minutes, self.now))

        @rule(data=st.data())
        def capture(self, data: st.DataObject) -> None:
            """Mostly as an honest machine would; or anything."""
            machine = data.draw(st.sampled_from([0, 0, 0, 1]))
            own = [lease for lease in self.oracle.leases if lease.machine == machine]
            honest = bool(own) and data.draw(st.sampled_from([True, True, True, False]))
            lease = data.draw(st.sampled_from(own[-3:] if honest else self.oracle.leases))
            if honest and lease.allows:
                app = data.draw(st.sampled_from(sorted({app for app, _ in lease.allows})))
                named = sorted(signal for one, signal in lease.allows if one == app)
                latest = max(min(self.now, lease.begins + LEASE) - lease.begins, 0)
                begins = lease.begins + data.draw(st.integers(0, max(latest - 1, 0)))
                ends = data.draw(st.integers(begins, lease.begins + latest))
            else:
                app = data.draw(st.sampled_from(["tracker", "sheet"]))
                named = ["mouse_click", "scroll"]
                begins = self.now + data.draw(st.integers(-1500, 30))
                ends = begins + data.draw(st.integers(0, 400))
            signals = data.draw(st.frozensets(st.sampled_from(named), min_size=1))
            self.drawn += 1
            content = f"{self.subject.ref} {self.drawn}".encode()
            made = Capture(machine, lease.version, app, signals, begins, ends, content)
            self.waiting.append((uuid4(), made))

        @rule(data=st.data(), again=st.sampled_from([False, False, True]))
        def hand_in(self, data: st.DataObject, again: bool) -> None:
            """What is captured goes out at once, perhaps after a renewal."""
            if again:
                self.issue(0)
                self.time_passes(60)
            self.capture(data)
            batch, made = self.waiting.pop()
            if self.announce_one(batch, made):
                self.send_one(*self.announced.pop())

        @precondition(lambda self: self.waiting or self.announced or self.oracle.admitted)
        @rule(data=st.data())
        def copy(self, data: st.DataObject) -> None:
            """A spool was copied: the same capture under another id."""
            known = [made for _, made in (*self.waiting, *self.announced)] + self.oracle.admitted
            self.waiting.append((uuid4(), data.draw(st.sampled_from(known))))

        @precondition(lambda self: self.waiting)
        @rule(data=st.data())
        def announce(self, data: st.DataObject) -> None:
            chosen = data.draw(st.integers(0, len(self.waiting) - 1))
            self.announce_one(*self.waiting.pop(chosen))

        def announce_one(self, batch: UUID, made: Capture) -> bool:
            expected = self.oracle.answer(made, self.now)
            self.compare(self.say_manifest(batch, made), expected)
            if expected == "awaiting_bytes":
                self.announced.append((batch, made))
            return expected == "awaiting_bytes"

        @precondition(lambda self: self.announced)
        @rule(data=st.data())
        def send(self, data: st.DataObject) -> None:
            chosen = data.draw(st.integers(0, len(self.announced) - 1))
            self.send_one(*self.announced.pop(chosen))

        def send_one(self, batch: UUID, made: Capture) -> None:
            expected = self.oracle.answer(made, self.now)
            agent = self.machines[made.machine]
            with suppress(BatchRefused):
                retention.receive_bytes(agent=agent, batch=batch, chunks=[made.content])
            if expected == "awaiting_bytes":
                expected = "admitted"
                self.oracle.admitted.append(made)
                self.kept.add(batch)
            self.compare(Admission.objects.get(batch=batch), expected)

        def say_manifest(self, batch: UUID, made: Capture) -> Any:
            manifest = retention.Manifest(
                batch=batch,
                policy_version=made.version,
                purpose="train-agents",
                app=made.app,
                signals=dict.fromkeys(made.signals, 1),
                captured_from=at(made.begins),
                captured_until=at(made.ends),
                bytes=len(made.content),
                sha256=hashlib.sha256(made.content).hexdigest(),
                redactor="test/1",
            )
            return retention.announce_batch(agent=self.machines[made.machine], manifest=manifest)

        def compare(self, admission: Any, expected: str) -> None:
            assert admission.state == expected, admission.reasons
            if expected in seen:
                seen[expected] += 1

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert all(seen.values()), seen  # each answer was met


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_the_oracle_knows_right_from_wrong() -> None:
    """By hand, so that a wrong oracle is not taken for a right product."""
    yes = frozenset(PAIRS)
    oracle = Oracle(decisions=[yes], leases=[Lease(1, 0, 1000, yes, 1)])
    click = Capture(0, 1, "tracker", frozenset({"mouse_click"}), 1100, 1200, b"x")

    def moved(begins: int, ends: int) -> Capture:
        return Capture(0, 1, "tracker", frozenset({"mouse_click"}), begins, ends, b"x")

    assert oracle.answer(click, 1300) == "awaiting_bytes"
    assert oracle.answer(moved(1800, 1900), 2000) == "awaiting_bytes"
    assert oracle.answer(moved(1800, 1901), 2000) == "quarantined"
    assert oracle.answer(moved(999, 1100), 2000) == "quarantined"
    assert oracle.answer(moved(1100, 1400), 1300) == "refused"
    oracle.pauses.append((1201, 1250))
    assert oracle.answer(click, 1300) == "awaiting_bytes"
    oracle.strikes.append((1199, 1200))
    assert oracle.answer(click, 1300) == "refused"
    oracle.strikes.clear()
    oracle.leases.append(Lease(2, 0, 1200, frozenset(), 1))
    assert oracle.answer(click, 1300) == "awaiting_bytes"
    assert oracle.answer(moved(1100, 1201), 1300) == "refused"
    oracle.leases.append(Lease(3, 0, 1100, yes, 1))
    assert oracle.answer(click, 1300) == "awaiting_bytes"
    oracle.decisions += [frozenset(), yes]
    assert oracle.answer(click, 1300) == "refused"
