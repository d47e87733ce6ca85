"""What each invented person decided, when, and on which machine: their story. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from consent.policy.types import SIGNAL_GROUPS, ConsentState, Platform, Signal, SignalGroup
from portal.demo.company import PurposeData, apps, names, programme
from portal.demo.hours import days_ago, office_hour, working_days
from portal.demo.people import Person, dice

Pairs = tuple[tuple[str, Signal], ...]

MAIN: Final = "train-agents"
"""The purpose that everybody with a machine says yes to, at least for a time."""

ODDS: Final = {
    # given, refused, deferred; the rest was not answered
    "train-agents": (0.42, 0.20, 0.10),
    "document-workflows": (0.32, 0.20, 0.11),
    "improve-accessibility": (0.38, 0.14, 0.09),
}
OWNERS: Final = 0.3
EXTRA_GROUPS: Final = {
    SignalGroup.POINTER_PATHS: 0.4,
    SignalGroup.TYPING_RHYTHM: 0.35,
    SignalGroup.WINDOW_TEXT: 0.25,
}


@dataclass(frozen=True)
class Answer:
    """One decision of a person about a purpose."""

    at: datetime
    purpose: str
    state: ConsentState
    pairs: Pairs = ()


@dataclass(frozen=True)
class Rest:
    """A pause; without an end it still stands."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Machine:
    """An enrolled computer."""

    name: str
    platform: Platform
    enrolled_at: datetime


@dataclass
class Story:
    """One person's decisions in order of time, their pauses and their machine."""

    person: Person
    answers: list[Answer] = field(default_factory=list)
    pauses: list[Rest] = field(default_factory=list)
    machine: Machine | None = None

    def ended(self) -> datetime | None:
        """Return when the yes to the main purpose was withdrawn; None while it stands."""
        ends = [a.at for a in self.answers if a.purpose == MAIN and a.state == "withdrawn"]
        return max(ends, default=None)

    def captures(self, since: datetime, until: datetime) -> bool:
        """Return whether the machine may record all through this time, as far as they decided."""
        if self.machine is None or since < self.machine.enrolled_at + timedelta(minutes=5):
            return False
        ended = self.ended()
        if ended and until > ended - timedelta(minutes=20):
            return False
        return not any(
            rest.since - timedelta(minutes=20) < until
            and (rest.until is None or since < rest.until + timedelta(minutes=20))
            for rest in self.pauses
        )


def tell_stories(people: list[Person], *, seed: int, now: datetime) -> list[Story]:
    """Return a story for each person, in the order of the people."""
    owners = _owners(people, seed)
    return [_story(person, owner=person.number in owners, seed=seed, now=now) for person in people]


def _owners(people: list[Person], seed: int) -> set[int]:
    """Return who has a machine: the employee to sign in as, and others where it is possible."""
    able = [p.number for p in people if p.place.recording and p.persona is None]
    dice(seed, "owners").shuffle(able)
    first = [p.number for p in people if p.persona and p.persona.role == "employee"]
    return set((first + able)[: max(1, round(OWNERS * len(people)))])


def _story(person: Person, *, owner: bool, seed: int, now: datetime) -> Story:
    chance = dice(seed, "story", person.number)
    if person.persona:
        return _persona_story(person, chance, now) if owner else Story(person)
    story = Story(person)
    for purpose in programme().purposes:
        story.answers += _answers(story.person, purpose, chance, owner=owner, now=now)
    story.answers.sort(key=lambda answer: answer.at)
    if owner:
        story.machine = _machine(story, chance)
        _pause(story, chance, now)
    return story


def _persona_story(person: Person, chance: random.Random, now: datetime) -> Story:
    """The employee to sign in as: two signals in two apps, one machine, two open questions."""
    day = working_days(now.date(), oldest=37)[0]
    at = office_hour(chance, person.place, day, opens=9, closes=10)
    pairs = tuple(
        (app, signal) for app in ("excel", "jira") for signal in (Signal.MOUSE_CLICK, Signal.SCROLL)
    )
    yes = Answer(at, MAIN, ConsentState.GIVEN, pairs)
    machine = Machine("ThinkPad X1", Platform.WINDOWS, at + timedelta(minutes=9))
    return Story(person, [yes], [], machine)


def _answers(
    person: Person, purpose: PurposeData, chance: random.Random, *, owner: bool, now: datetime
) -> Iterator[Answer]:
    days = working_days(now.date(), oldest=purpose.asked_from, newest=2)
    given, refused, deferred = ODDS[purpose.code]
    roll = chance.random()
    early = owner and purpose.code == MAIN
    # Most answer soon; who has a machine answered before the month of recordings began.
    reach = 6 if early else len(days)
    first = days[min(int(chance.betavariate(1, 3) * reach), len(days) - 1)]
    at = office_hour(chance, person.place, first)
    if early or roll < given:
        yield from _yes(person, purpose, chance, at=at, now=now)
    elif roll < given + refused:
        yield Answer(at, purpose.code, ConsentState.REFUSED)
    elif roll < given + refused + deferred:
        yield Answer(at, purpose.code, ConsentState.DEFERRED)
        later = working_days(now.date(), oldest=(now.date() - first).days - 7, newest=2)
        if later and chance.random() < 0.35:
            at = office_hour(chance, person.place, chance.choice(later))
            yield from _yes(person, purpose, chance, at=at, now=now)


def _yes(
    person: Person, purpose: PurposeData, chance: random.Random, *, at: datetime, now: datetime
) -> Iterator[Answer]:
    """Yield a yes, and whatever became of it: renewed, narrowed, taken back."""
    pairs = _pairs(person, purpose, chance)
    if not pairs:
        return
    yield Answer(at, purpose.code, ConsentState.GIVEN, pairs)
    today, last = now.date(), at
    for notice in purpose.notices[1:]:
        # A new notice ends what stood under the old one, unless the person answers again.
        published = days_ago(now, notice.days)
        if at < published and chance.random() < 0.8:
            days = working_days(today, oldest=notice.days - 1, newest=notice.days - 9)
            last = office_hour(chance, person.place, chance.choice(days))
            yield Answer(last, purpose.code, ConsentState.GIVEN, pairs)
        elif at < published:
            return
    days = working_days(today, oldest=(today - last.date()).days - 3, newest=1)
    if not days:
        return
    what_next, then = chance.random(), office_hour(chance, person.place, chance.choice(days))
    if what_next < 0.11:
        yield Answer(then, purpose.code, ConsentState.WITHDRAWN)
    elif what_next < 0.17 and (fewer := _without_one_group(pairs)):
        yield Answer(then, purpose.code, ConsentState.GIVEN, fewer)


def _pairs(person: Person, purpose: PurposeData, chance: random.Random) -> Pairs:
    """Return what the person switches on, group by group: navigation always, the rest by taste."""
    groups = {SignalGroup.NAVIGATION} | {
        group for group, odds in EXTRA_GROUPS.items() if chance.random() < odds
    }
    wanted = {signal for group in groups for signal in SIGNAL_GROUPS[group]}
    return tuple(
        (code, Signal(signal))
        for code in person.unit.apps
        if code in purpose.apps
        for signal in purpose.asks(apps()[code])
        if signal in wanted
    )


def _without_one_group(pairs: Pairs) -> Pairs:
    """Return the pairs of navigation alone; none if nothing would be left out."""
    kept = tuple(pair for pair in pairs if pair[1] in SIGNAL_GROUPS[SignalGroup.NAVIGATION])
    return kept if len(kept) < len(pairs) else ()


def _machine(story: Story, chance: random.Random) -> Machine | None:
    yes = next((a for a in story.answers if a.purpose == MAIN and a.state == "given"), None)
    if yes is None:
        return None
    needs = {"jira", "vscode"} & set(story.person.unit.apps)
    platforms = [Platform.WINDOWS, Platform.WINDOWS, Platform.MACOS]
    platform = chance.choice([*platforms, Platform.LINUX] if needs else platforms)
    name = chance.choice(names().machines[platform.value])
    return Machine(name, platform, yes.at + timedelta(minutes=chance.randint(6, 90)))


def _pause(story: Story, chance: random.Random, now: datetime) -> None:
    """Give some people a pause of some days; a few pauses still stand."""
    if story.machine is None or story.ended() or chance.random() > 0.16:
        return
    days = working_days(now.date(), oldest=24, newest=1)
    since = office_hour(chance, story.person.place, chance.choice(days))
    until = since + timedelta(hours=chance.choice([2, 3, 26, 50, 74]))
    if since > story.machine.enrolled_at + timedelta(days=1):
        story.pauses.append(Rest(since, until if until < now - timedelta(hours=1) else None))
