"""The steps of machines: enrolled, given a policy, handing in what they captured."""

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent import services
from consent.models import IssuedPolicy, PolicyAcknowledgement
from consent.policy.types import SHOWS_OTHER_WINDOWS, Signal
from portal.demo.lines import ndjson
from portal.demo.people import Person, dice
from portal.demo.steps import MONTHS
from portal.demo.stories import Machine
from portal.demo.world import World
from retention import services as retention
from retention.models import Admission

REDACTOR: Final = "sayso-agent/0.1.0"


class Kind(StrEnum):
    """What is special about a batch; all but FINE are refused."""

    FINE = "fine"
    LATE = "late"  # captured after a withdrawal or pause, under the lease of before
    ROGUE = "rogue"  # holds a signal that the policy does not allow
    STALE = "stale"  # captured after its lease had ended


@dataclass(frozen=True)
class Enrol:
    """A person lets a machine in."""

    person: Person
    machine: Machine
    label: str = MONTHS

    @property
    def at(self) -> datetime:
        """When it was let in."""
        return self.machine.enrolled_at

    def done(self, world: World) -> bool:
        """Look for a machine of the person."""
        return world.agents_of(self.person).exists()

    def do(self, world: World) -> None:
        """Enrol it under a key that nobody has the private half of."""
        services.enrol_agent(
            subject=world.subject(self.person),
            name=self.machine.name,
            platform=self.machine.platform,
            public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            event_time=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class Lease:
    """A machine asks and gets its policy."""

    at: datetime
    person: Person
    label: str = MONTHS

    def done(self, world: World) -> bool:
        """Look for the policy issued just then."""
        return world.agent(self.person).policies.filter(issued_at=self.at).exists()

    def do(self, world: World) -> None:
        """Issue it from the facts as they stand at this point of the load."""
        lease = services.issue_policy(agent=world.agent(self.person), at=self.at, imported=True)
        world.remember_policy(self.person, lease.policy)


@dataclass(frozen=True)
class Applied:
    """A machine says that it applied a policy, and whether it threw something away."""

    at: datetime
    person: Person
    leased_at: datetime
    purged: bool
    label: str = MONTHS

    def done(self, world: World) -> bool:
        """Look for the word."""
        return PolicyAcknowledgement.objects.filter(
            agent=world.agent(self.person), applied_at=self.at
        ).exists()

    def do(self, world: World) -> None:
        """Record it."""
        services.acknowledge_policy(
            agent=world.agent(self.person),
            version=world.policy(self.person, self.leased_at).version,
            applied_at=self.at,
            purged=self.purged,
            imported=True,
        )


@dataclass(frozen=True)
class Capture:
    """One batch as it was captured."""

    batch: UUID
    since: datetime
    until: datetime
    kind: Kind = Kind.FINE


@dataclass(frozen=True)
class HandIn:
    """A machine hands in what it captured under one lease; admission judges it as ever."""

    at: datetime
    person: Person
    leased_at: datetime
    captures: tuple[Capture, ...]
    label: str = MONTHS

    def done(self, world: World) -> bool:
        """Look for the judgement on one of them; they were taken in by one transaction."""
        return Admission.objects.filter(batch=self.captures[-1].batch).exists()

    def do(self, world: World) -> None:
        """Hand it in; what is refused leaves its reasons and no bytes."""
        policy = world.policy(self.person, self.leased_at)
        batches = [self._captured(capture, policy, world.seed) for capture in self.captures]
        agent = world.agent(self.person)
        retention.import_batches(agent=agent, batches=batches, at=self.at)

    def _captured(
        self, capture: Capture, policy: IssuedPolicy, seed: int
    ) -> tuple[retention.Manifest, bytes]:
        chance = dice(seed, "batch", capture.batch)
        purpose = chance.choice(sorted(policy.allow))
        app = chance.choice(sorted(policy.allow[purpose]))
        signals = _signals(sorted(policy.allow[purpose][app]), capture.kind, chance)
        content, counts = ndjson(chance, signals, since=capture.since, until=capture.until)
        manifest = retention.Manifest(
            batch=capture.batch,
            policy_version=policy.version,
            purpose=purpose,
            app=app,
            signals=counts,
            captured_from=capture.since,
            captured_until=capture.until,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            redactor=REDACTOR,
            visible={signal: [app] for signal in SHOWS_OTHER_WINDOWS.intersection(counts)},
        )
        return manifest, content


def _signals(allowed: list[str], kind: Kind, chance: random.Random) -> list[Signal]:
    chosen = chance.sample(allowed, k=min(len(allowed), chance.randint(1, 3)))
    if kind is Kind.ROGUE:
        outside = (Signal.CLIPBOARD, Signal.KEY_TIMING, Signal.SCREENSHOT)
        chosen.append(chance.choice([s.value for s in outside if s not in allowed]))
    return [Signal(signal) for signal in chosen]


def batch_id(chance: random.Random) -> UUID:
    """Return an id for a batch that is the same in every run."""
    return UUID(int=chance.getrandbits(128), version=4)


def seconds(count: float) -> timedelta:
    """Return so many seconds."""
    return timedelta(seconds=count)
