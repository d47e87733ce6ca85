"""The month of recordings as steps: leases, batches, and the few that are refused. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.demo.hours import office_hour, working_days
from portal.demo.people import dice
from portal.demo.recording import (
    Applied,
    Capture,
    Enrol,
    HandIn,
    Kind,
    Lease,
    batch_id,
    seconds,
)
from portal.demo.steps import Step
from portal.demo.stories import Story

DAYS = 30
LEASE = seconds(900)
USUAL_IN_SLOT, MOST_IN_SLOT = 5, 12
FEW = 40
"""With fewer batches than some times this, each slot gets only one or two of them."""
ODD_ONE_IN = 80
"""One lease in so many also sees a batch with a signal too many, and one a batch too late."""


@dataclass(frozen=True)
class Slot:
    """A quarter of an hour in which somebody's machine may record."""

    story: Story
    at: datetime


def machine_steps(stories: list[Story], batches: int, *, seed: int, now: datetime) -> list[Step]:
    """Return the steps of all machines; together they hand in exactly `batches` batches.

    Fewer only where there is too little room for them.
    """
    owners = [story for story in stories if story.machine]
    steps: list[Step] = []
    for story in owners:
        steps += _arrival(story)
        for index, end in enumerate(_endings(story)):
            steps += _ending(story, end, dice(seed, "ending", story.person.number, index))
    late = sum(len(step.captures) for step in steps if isinstance(step, HandIn))
    slots = _slots(owners, seed=seed, now=now)
    return steps + list(_filled(slots, max(0, batches - late), dice(seed, "slots")))


def _arrival(story: Story) -> Iterator[Step]:
    """A machine enrols, asks for its first policy and applies it."""
    if story.machine:
        leased_at = story.machine.enrolled_at + seconds(20)
        yield Enrol(story.person, story.machine)
        yield Lease(leased_at, story.person)
        yield Applied(leased_at + seconds(1), story.person, leased_at, purged=True)


def _endings(story: Story) -> list[datetime]:
    """Return when recording was stopped while the machine was at it."""
    ends = [rest.since for rest in story.pauses]
    ended = story.ended()
    enrolled = story.machine.enrolled_at if story.machine else None
    ends += [ended] if ended else []
    return [end for end in ends if enrolled and end > enrolled + timedelta(hours=2)]


def _ending(story: Story, end: datetime, chance: random.Random) -> Iterator[Step]:
    """What a machine had at hand when its person stopped it is refused; then it knows."""
    before = end - seconds(chance.randint(200, 500))
    since, until = end - seconds(40), end + seconds(chance.randint(4, 14))
    late = Capture(batch_id(chance), since, until, Kind.LATE)
    asked = until + seconds(chance.randint(1, 9))
    yield Lease(before, story.person)
    yield HandIn(until, story.person, before, (late,))
    yield Lease(asked, story.person)
    yield Applied(asked + seconds(1), story.person, asked, purged=True)


def _slots(owners: list[Story], *, seed: int, now: datetime) -> list[Slot]:
    """Return one slot for each machine and working day on which it may record."""
    found = []
    for story in owners:
        for day in working_days(now.date(), oldest=DAYS):
            chance = dice(seed, "slot", story.person.number, day)
            at = office_hour(chance, story.person.place, day)
            past = at + LEASE < now - timedelta(minutes=5)
            if past and at > now - timedelta(days=DAYS) and story.captures(at, at + LEASE):
                found.append(Slot(story, at))
    return found


def _filled(slots: list[Slot], batches: int, chance: random.Random) -> Iterator[Step]:
    """Spread the batches over the slots, some to each."""
    each = min(MOST_IN_SLOT, max(USUAL_IN_SLOT, -(-batches // max(1, len(slots)))))
    each = min(each, max(1, batches // FEW))
    used = _chosen(slots, -(-batches // each), chance)
    for number, slot in enumerate(used):
        kinds = [Kind.FINE] * min(each, batches - number * each)
        if number % ODD_ONE_IN == ODD_ONE_IN // 2:
            kinds[-1] = Kind.ROGUE
        elif number % ODD_ONE_IN == ODD_ONE_IN - 1:
            kinds[-1] = Kind.STALE
        yield from _session(slot, kinds, chance)


def _chosen(slots: list[Slot], count: int, chance: random.Random) -> list[Slot]:
    """Return so many slots; of the employee to sign in as all, or at least a third of the whole."""
    mixed = chance.sample(slots, k=len(slots))
    own = [slot for slot in mixed if slot.story.person.persona]
    others = [slot for slot in mixed if not slot.story.person.persona]
    first = own[: max(1, count // 3)]
    return (first + others + own[len(first) :])[:count]


def _session(slot: Slot, kinds: list[Kind], chance: random.Random) -> Iterator[Step]:
    """One lease, and the batches captured under it, handed in together at its end."""
    span = int((LEASE.total_seconds() - 20) / len(kinds))
    captures = []
    for index, kind in enumerate(kinds):
        since = slot.at + seconds(10 + index * span)
        until = since + seconds(min(span, 180) - chance.randint(1, 20))
        late = LEASE if kind is Kind.STALE else seconds(0)
        captures.append(Capture(batch_id(chance), since + late, until + late, kind))
    person, handed_in = slot.story.person, captures[-1].until + seconds(2)
    yield Lease(slot.at, person)
    yield HandIn(handed_in, person, slot.at, tuple(captures))
