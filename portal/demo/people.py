"""Two hundred people who do not exist: who they are, where they work, what they use. Pure."""

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol, TypeVar

from portal.demo.company import Persona, Place, Unit, company, names

UNFOLDED: Final = str.maketrans("łŁøØıßđ", "lLoOisd")
ONE_IN_ABROAD: Final = 12
"""One person in so many, of some places, is employed by the establishment in Germany."""


class Part(Protocol):
    """Something that makes up a share of a whole."""

    @property
    def share(self) -> int:
        """The share, in any unit."""


P = TypeVar("P", bound=Part)
T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """One person of the company; `number` is their place in the list."""

    number: int
    name: str
    email: str
    place: Place
    establishment: str
    site: str
    unit: Unit
    language: str
    since: date
    persona: Persona | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Return the dated facts that decide which law and agreement apply."""
        return {
            "work_location": self.place.jurisdiction,
            "establishment": self.establishment,
            "site": self.site,
            "unit": self.unit.code,
        }


def dice(seed: int, *about: object) -> random.Random:
    """Return a source of chance that is the same for the same seed and subject, in every run."""
    return random.Random("/".join(str(part) for part in (seed, *about)))  # noqa: S311  no secret


def invent_people(count: int, *, seed: int, today: date) -> list[Person]:
    """Return so many people: first those to sign in as, then the rest in any order."""
    chance = dice(seed, "people")
    places = spread(company().places, count)
    units = spread(company().units, count)
    chance.shuffle(places)
    chance.shuffle(units)
    people: list[Person] = []
    for persona in (one for one in company().personas if one.place):
        place = _take(places, [one.jurisdiction for one in places], persona.place)
        unit = _take(units, [one.code for one in units], persona.unit)
        people.append(_persona(len(people), persona, place, unit, today))
    unused = _unused_names(seed, {person.name for person in people})
    first = len(people)
    people += (
        _somebody(number, next(unused), place, unit, seed=seed, today=today)
        for number, (place, unit) in enumerate(zip(places, units, strict=True), start=first)
    )
    return people


def spread(parts: Sequence[P], count: int) -> list[P]:
    """Return `count` items, each part as often as its share says, and none left out."""
    whole = sum(part.share for part in parts)
    exact = [part.share * count / whole for part in parts]
    taken = [max(1, int(one)) for one in exact]
    while sum(taken) > count:
        taken[taken.index(max(taken))] -= 1
    neediest = sorted(range(len(parts)), key=lambda i: taken[i] - exact[i])
    for i in range(count - sum(taken)):
        taken[neediest[i % len(parts)]] += 1
    return [part for part, times in zip(parts, taken, strict=True) for _ in range(times)]


def ascii_name(name: str) -> str:
    """Return a name as it stands in an e-mail address."""
    folded = unicodedata.normalize("NFKD", name.translate(UNFOLDED))
    return folded.encode("ascii", "ignore").decode("ascii").lower().replace(" ", ".")


def _take(items: list[T], keys: list[str], wanted: str) -> T:
    """Remove and return the first item of that key; of a small company simply the first."""
    return items.pop(keys.index(wanted) if wanted in keys else 0)


def _persona(number: int, persona: Persona, place: Place, unit: Unit, today: date) -> Person:
    return Person(
        number=number,
        name=persona.name,
        email=f"{persona.email}@{company().domain}",
        place=place,
        establishment=place.jurisdiction,
        site=place.sites[0],
        unit=unit,
        language="en",  # whoever tries the demo may not read German
        since=today - timedelta(days=900 + number),
        persona=persona,
    )


def _somebody(
    number: int, name: str, place: Place, unit: Unit, *, seed: int, today: date
) -> Person:
    chance = dice(seed, "person", number)
    abroad = place.jurisdiction in {"FR", "PL", "NL"} and chance.randrange(ONE_IN_ABROAD) == 0
    return Person(
        number=number,
        name=name,
        email=f"{ascii_name(name)}@{company().domain}",
        place=place,
        establishment="DE" if abroad else place.jurisdiction,
        site=chance.choice(place.sites),
        unit=unit,
        language=place.language if chance.random() < 0.85 else "en",
        since=today - timedelta(days=chance.randint(120, 4000)),
    )


def _unused_names(seed: int, used: set[str]) -> Iterator[str]:
    """Yield names that nobody has yet, in their form for addresses as well."""
    chance = dice(seed, "names")
    folded = {ascii_name(name) for name in used}
    while True:
        name = f"{chance.choice(names().given)} {chance.choice(names().family)}"
        if ascii_name(name) not in folded:
            folded.add(ascii_name(name))
            yield name
