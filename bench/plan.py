"""The company that is measured: places, sites, apps, and what its people chose. Pure.

Everything follows from the seed, so that two runs measure the same company.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from consent.policy.types import AppCategory, DataOf, Signal

SEED: Final = 20261122
APPS: Final = 300
ARCHETYPES: Final = 1600
"""How many people the services write one by one; everybody else is a copy of one of them."""

TRAVELLERS: Final = 0.08
"""The share of people who live in another place than they work in."""

NAVIGATION: Final = (Signal.APP_FOCUS, Signal.UI_EVENT, Signal.MOUSE_CLICK, Signal.SCROLL)


@dataclass(frozen=True)
class Place:
    """A jurisdiction with the share of people who work there, its sites, and neighbours."""

    code: str
    share: int
    sites: int
    neighbours: tuple[str, ...] = ()


PLACES: Final = (
    Place("DE", 180, 32, ("FR", "NL", "PL", "CH")),
    Place("US-CA", 120, 24, ("US-TX",)),
    Place("GB", 100, 24, ("IE",)),
    Place("IN", 100, 14),
    Place("FR", 80, 20, ("DE", "CH", "ES")),
    Place("US-NY", 70, 16, ("US-CA",)),
    Place("US-TX", 60, 16, ("US-CA",)),
    Place("IT", 50, 14, ("CH", "FR")),
    Place("ES", 40, 12, ("FR",)),
    Place("NL", 40, 12, ("DE",)),
    Place("PL", 40, 10, ("DE",)),
    Place("CA-ON", 30, 8, ("US-NY",)),
    Place("JP", 30, 6),
    Place("SE", 20, 6),
    Place("IE", 20, 6, ("GB",)),
    Place("CH", 10, 4, ("DE", "FR", "IT")),
    Place("AU-NSW", 10, 4),
)


@dataclass(frozen=True)
class PlannedApp:
    """An app of the registry; the first ones are those that purposes ask for."""

    code: str
    category: AppCategory
    data_of: DataOf
    domain: str


@dataclass(frozen=True)
class PlannedPurpose:
    """A purpose and the apps and signals it may ask for."""

    code: str
    retention_days: int
    apps: range
    signals: tuple[Signal, ...]


PURPOSES: Final = (
    PlannedPurpose("train-agents", 60, range(15), (*NAVIGATION, Signal.KEY_META)),
    PlannedPurpose("document-workflows", 21, range(4, 12), (Signal.APP_FOCUS, Signal.UI_EVENT)),
    PlannedPurpose("improve-accessibility", 30, range(10, 18), NAVIGATION),
)


@dataclass(frozen=True)
class Choice:
    """One decision about one purpose; `pairs` is empty for anything but a yes."""

    purpose: str
    state: str
    pairs: tuple[tuple[str, Signal], ...] = ()


@dataclass(frozen=True)
class Archetype:
    """A person as the services write one: facts, choices, and whether there is a machine."""

    facts: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]
    has_agent: bool


def apps(count: int = APPS) -> Iterator[PlannedApp]:
    """Yield the registry; one app in six is of a category that is never captured."""
    open_ones = (AppCategory.OFFICE, AppCategory.TRACKER, AppCategory.SALES, AppCategory.SUPPORT)
    never = (AppCategory.HR, AppCategory.BANKING, AppCategory.HEALTH)
    for number in range(count):
        code = f"app-{number:03d}"
        category = open_ones[number % 4] if number < 20 or number % 6 else never[number % 3]
        data_of = DataOf.OWN if number % 2 else DataOf.CUSTOMERS
        yield PlannedApp(code, category, data_of, f"{code}.example")


def archetypes(count: int, *, seed: int = SEED) -> list[Archetype]:
    """Return that many different people: six in ten have decided something."""
    return [_archetype(random.Random(f"{seed}/{number}")) for number in range(count)]


def weights(count: int) -> list[float]:
    """Return how often each archetype is copied: some kinds of people are common, most rare."""
    return [1 / (rank + 8) for rank in range(count)]


def _archetype(dice: random.Random) -> Archetype:
    place = dice.choices(PLACES, [place.share for place in PLACES])[0]
    home = place.code
    if place.neighbours and dice.random() < TRAVELLERS:
        home = dice.choice(place.neighbours)
    # Sites are of unequal size, too: squaring favours the first ones.
    site = f"{place.code.lower()}-{int(dice.random() ** 2 * place.sites):02d}"
    facts = (
        ("work_location", place.code),
        ("residence", home),
        ("establishment", place.code),
        ("site", site),
        ("unit", f"unit-{dice.randrange(40):02d}"),
    )
    choices = tuple(_choices(dice)) if dice.random() < 0.6 else ()
    said_yes = any(choice.state == "given" for choice in choices)
    return Archetype(facts, choices, has_agent=said_yes or dice.random() < 0.05)


def _choices(dice: random.Random) -> Iterator[Choice]:
    for purpose in PURPOSES[: dice.choice((1, 1, 2, 3))]:
        state = dice.choices(("given", "refused", "deferred", "withdrawn"), (78, 12, 4, 6))[0]
        asked = dice.sample(list(purpose.apps), k=min(len(purpose.apps), dice.randint(2, 5)))
        offered = purpose.signals
        signals = offered if dice.random() < 0.5 else offered[: dice.randint(2, len(offered))]
        pairs = tuple((f"app-{app:03d}", signal) for app in sorted(asked) for signal in signals)
        yield Choice(purpose.code, state, pairs if state in {"given", "withdrawn"} else ())


def days_ago(today: date, days: int) -> datetime:
    """Return noon of a day in the past, so that two runs on one day write the same."""
    noon = datetime.fromisoformat(f"{today.isoformat()}T12:00:00+00:00")
    return noon - timedelta(days=days)
