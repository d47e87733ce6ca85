"""The whole story of the company as one list of steps in order of time. Pure.

The same order (people, batches, seed, instant of loading) gives the same list, which is what lets
an interrupted load go on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from portal.demo.company import apps, company, programme
from portal.demo.founding import (
    Agree,
    CloseGates,
    ListApp,
    OpenAccount,
    ProposeChange,
    PublishNotice,
    PublishPurpose,
    SetHours,
    TakeSeats,
)
from portal.demo.hours import days_ago
from portal.demo.month import machine_steps
from portal.demo.people import Person, invent_people
from portal.demo.steps import Acknowledge, Decide, Join, PauseAll, Resume, Step
from portal.demo.stories import Story, tell_stories

ACCOUNTS_DAYS: Final = 95
APPS_DAYS: Final = 90
JOINED_DAYS: Final = 61
LEAST_PEOPLE: Final = 20
MOST_BATCHES: Final = 5000


@dataclass(frozen=True)
class Order:
    """What was asked for, and when."""

    people: int
    batches: int
    seed: int
    at: datetime


def plan(order: Order) -> list[Step]:
    """Return every step, oldest first; of one instant, in the order they are told."""
    people = invent_people(order.people, seed=order.seed, today=order.at.date())
    stories = tell_stories(people, seed=order.seed, now=order.at)
    steps: list[Step] = [*_founding(order.at), *_joining(people, order.at)]
    for story in stories:
        steps += _deciding(story, order.at)
    steps += machine_steps(stories, order.batches, seed=order.seed, now=order.at)
    return sorted(steps, key=lambda step: step.at)


def _founding(now: datetime) -> Iterator[Step]:
    for number, persona in enumerate(company().personas):
        yield OpenAccount(days_ago(now, ACCOUNTS_DAYS, number), persona)
    for number, app in enumerate(apps().values()):
        yield ListApp(days_ago(now, APPS_DAYS, number), app)
    for position, purpose in enumerate(programme().purposes, start=1):
        yield PublishPurpose(days_ago(now, purpose.days), purpose, position)
        for version, notice in enumerate(purpose.notices, start=1):
            yield PublishNotice(days_ago(now, notice.days), purpose, notice, version)
    for evidence in programme().evidence:
        purposes = evidence.purposes or tuple(one.code for one in programme().purposes)
        yield CloseGates(days_ago(now, evidence.days), purposes, evidence)
    yield Agree(days_ago(now, programme().agreement.days), programme().agreement)
    yield TakeSeats(days_ago(now, programme().agreement.days, 1), programme().agreement)
    yield SetHours(now, programme().hours)
    yield ProposeChange(now, programme().proposal)


def _joining(people: list[Person], now: datetime) -> Iterator[Step]:
    for person in people:
        yield Join(days_ago(now, JOINED_DAYS, person.number), person)


def _deciding(story: Story, now: datetime) -> Iterator[Step]:
    person = story.person
    for position, answer in enumerate(story.answers, start=1):
        if person.place.acknowledges and answer.state == "given":
            purpose = next(p for p in programme().purposes if p.code == answer.purpose)
            version = sum(days_ago(now, notice.days) <= answer.at for notice in purpose.notices)
            before = answer.at - timedelta(seconds=50)
            yield Acknowledge(before, person, purpose.code, version)
        yield Decide(person, answer, position)
    for rest in story.pauses:
        yield PauseAll(person, rest)
        if rest.until:
            yield Resume(rest.until, person)
