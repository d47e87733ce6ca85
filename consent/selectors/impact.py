"""What a change would mean for whom: the shared half before and after, and counts of people.

What people answered is not looked at. A figure counts everybody at the places where the change
does something to whoever said yes, so no two previews can differ by what somebody chose: not those
of two proposals, nor of one before and after. Places of few people are counted together, always
the same ones, so no two can differ by a few people either (ADR 19).

Work grows with what cohorts share, not with the people nor even the cohorts.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db.models import Count

from consent.models import Cohort
from consent.policy.clocks import local_days
from consent.policy.rulebook import Rulebook
from consent.policy.types import Signal
from consent.selectors.facts import still_here
from consent.selectors.outcomes import (
    ASKED_ANEW,
    EFFECTS,
    GAIN,
    LOSE,
    OTHER_HOURS,
    Ages,
    Key,
    Obstacle,
    Outcome,
    Place,
    Snapshot,
    ages_of,
)
from consent.selectors.places import with_those_above
from consent.suppression import gathered

Places = tuple[str, ...]
"""All places of somebody together; they may live elsewhere than they work."""

ANY_LOSE: Final[Key] = (LOSE, "", "")
ANY_GAIN: Final[Key] = (GAIN, "", "")
"""The figures of where whoever said yes loses or gains anything at all."""

_ORDER: Final = {signal.value: place for place, signal in enumerate(Signal)}


@dataclass(frozen=True)
class Line:
    """One signal of a purpose: how many people are where the change does something, and what.

    Everybody there is counted, whatever they answered, and places of few people together with
    others. None stands for a number that is not shown: there are too few people in all. 0 says
    that the change does this to nobody, whatever anybody chose.
    """

    purpose: str
    signal: str
    lose: int | None
    """People where it is recorded no longer of whoever said yes to it."""
    gain: int | None
    """People where it is recorded from then on of whoever said yes to it before."""
    shorter: int | None
    longer: int | None
    """People where it is kept more shortly, or longer, of whoever said yes to it."""
    asked: int | None
    unasked: int | None
    """People who may be asked for it from then on, or no longer."""


@dataclass(frozen=True)
class Blocked:
    """What the change would allow, were it not for something else that stands in some places."""

    jurisdictions: Places
    """None for those of whom no place is known."""
    purpose: str
    signals: tuple[str, ...]
    """None where it is the purpose itself, or its longer term."""
    reason: str
    agreement: str | None
    few: bool = False
    """In places of too few people to be named; then none is."""


@dataclass(frozen=True)
class Impact:
    """What a change would do, for groups of people; frozen into the proposal it comes with."""

    lines: tuple[Line, ...]
    blocked: tuple[Blocked, ...]
    lose: int | None
    gain: int | None
    """People where whoever said yes loses or gains anything at all."""
    widens: bool
    """Whether anything at all is allowed that was not, or kept longer, for whatever answer."""
    hours: int | None = 0
    """People for whom other working hours hold; what is decided above is decided within hours."""
    unknown: tuple[str, ...] = ()
    """Sites it names where nobody is today: there it binds nobody."""
    anew: int | None = 0
    """People where whoever said yes is asked anew, by a new notice."""
    ahead: str | None = None
    """The day to come on which it begins: what it does then is told with what it does at once."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON, to be frozen."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Impact":
        """Return the impact that `document` was made from."""
        return cls(
            lines=tuple(Line(**line) for line in document["lines"]),
            blocked=tuple(
                Blocked(
                    **{
                        **row,
                        "jurisdictions": tuple(row["jurisdictions"]),
                        "signals": tuple(row["signals"]),
                    }
                )
                for row in document["blocked"]
            ),
            lose=document["lose"],
            gain=document["gain"],
            widens=document["widens"],
            hours=document.get("hours", 0),
            unknown=tuple(document.get("unknown", ())),
            anew=document.get("anew", 0),
            ahead=document.get("ahead"),
        )


def compare(pairs: Iterable[tuple[Snapshot, Snapshot]]) -> Impact:
    """Return what lies between two snapshots, for the people there are.

    Of several pairs, each of another instant: what lies between those of any.
    """
    pairs = tuple(pairs)
    documents = {cohort: one for before, _ in pairs for cohort, one in before.documents.items()}
    found = _Found({cohort: tuple(one["jurisdictions"]) for cohort, one in documents.items()})
    for before, after in pairs:
        _look(before, after, found)
    return found.impact()


def _look(before: Snapshot, after: Snapshot, found: "_Found") -> None:
    ages: Ages = {}
    known: dict[Hashable, Outcome] = {}
    for cohort, purpose in _changed(before, after):
        # Where it is two days at once, what a change does on either of them counts.
        for local in local_days(before.documents[cohort]["jurisdictions"], before.at):
            if local.day not in ages:
                ages[local.day] = ages_of((before.rules, after.rules), local.day)
            here = Place(before, after, cohort, purpose, local)
            key = here.shared_with()
            if key not in known:
                known[key] = here.outcome(ages[local.day])
            found.add(cohort, known[key])


def _changed(before: Snapshot, after: Snapshot) -> Iterator[tuple[int, str]]:
    """Yield (cohort, purpose) wherever a decision could differ."""
    for cohort, old in before.documents.items():
        new = after.documents[cohort]
        everywhere = any(old[key] != new[key] for key in ("apps", "rulebook", "jurisdictions"))
        for purpose in {**old["purposes"], **new["purposes"]}:
            if everywhere or old["purposes"].get(purpose) != new["purposes"].get(purpose):
                yield cohort, purpose


@dataclass
class _Found:
    """What was found so far, over all places."""

    places: Mapping[int, Places]
    """Cohort -> where its people are."""
    cohorts: dict[Key, set[int]] = field(default_factory=dict)
    """Figure -> the cohorts whose people it counts."""
    blocked: dict[Obstacle, set[str]] = field(default_factory=dict)
    widens: bool = False

    def add(self, cohort: int, outcome: Outcome) -> None:
        """Take in what the change does in one cohort."""
        for key in outcome.figures:
            for figure in (key, *([(key[0], "", "")] if key[0] in {LOSE, GAIN} else [])):
                self.cohorts.setdefault(figure, set()).add(cohort)
        for obstacle, signal in outcome.blocked:
            self.blocked.setdefault(obstacle, set()).update([signal] if signal else [])
        self.widens |= outcome.widens

    def impact(self) -> Impact:
        """Count the people and sum up."""
        people = population()
        blocks = gathered(people, smallest=settings.SMALLEST_GROUP)
        numbers = {key: blocks.count(cohorts) for key, cohorts in self.cohorts.items()}
        named = {key[1:] for key in numbers if key[1]}
        lines = sorted(named, key=lambda line: (line[0], _ORDER[line[1]]))
        return Impact(
            lines=tuple(_line(numbers, purpose, signal) for purpose, signal in lines),
            blocked=tuple(self._blocked(people)),
            lose=numbers.get(ANY_LOSE, 0),
            gain=numbers.get(ANY_GAIN, 0),
            widens=self.widens,
            hours=numbers.get(OTHER_HOURS, 0),
            anew=numbers.get(ASKED_ANEW, 0),
        )

    def _blocked(self, people: Mapping[int | None, int]) -> Iterator[Blocked]:
        """Yield what stands in the way, and where; places of few people together, by no name."""
        there: Counter[Places] = Counter()
        for cohort, places in self.places.items():
            there[places] += people.get(cohort, 0)
        told: dict[tuple[bool, Obstacle], set[str]] = {}
        for (places, purpose, reason, agreement), signals in self.blocked.items():
            few = there[places] < settings.SMALLEST_GROUP
            where = () if few else places
            told.setdefault((few, (where, purpose, reason, agreement)), set()).update(signals)
        for (few, (places, purpose, reason, agreement)), signals in sorted(told.items(), key=str):
            yield Blocked(places, purpose, _in_order(signals), reason, agreement, few)


def population() -> dict[int | None, int]:
    """Return cohort -> how many people are in it, whatever they answered; None: in no cohort."""
    counted = still_here().values("cohort").annotate(people=Count("pk")).order_by("cohort")
    return dict(counted.values_list("cohort", "people"))


def people_at(rules: Rulebook) -> Counter[str]:
    """Return how many people are at each place, and below it, whatever they answered."""
    here, found = population(), Counter[str]()
    for cohort, facts in Cohort.objects.filter(pk__in=[*filter(None, here)]).values_list(
        "pk", "facts"
    ):
        for place in with_those_above(facts["jurisdictions"], rules):
            found[place] += here[cohort]
    return found


def _line(numbers: Mapping[Key, int | None], purpose: str, signal: str) -> Line:
    told = {effect: numbers.get((effect, purpose, signal), 0) for effect in EFFECTS}
    return Line(purpose=purpose, signal=signal, **told)


def _in_order(signals: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(signals, key=_ORDER.__getitem__))
