"""What `evaluate` is told about one person, one app and one signal. Pure; silence is not a yes.

`None` means "nobody told us". `evaluate` reads every `None` as a gap, and a gap denies; only
`assume` (used by the `decide` command, never by the portal) fills a few gaps in, and says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Literal

from consent.policy.bounds import AnySignal
from consent.policy.types import CONTENT_SIGNALS, AppCategory, ConsentState

EVERY: Final = "all"
"""Stands for the whole of a set that need not be spelled out, such as every gate."""

NOTHING_CLOSED: Final[Mapping[str, date]] = MappingProxyType({})

ACTIVE: Final = "active"
"""The one standing in which an agent may capture."""


def day(moment: date) -> date:
    """Return the calendar day of a date or of an instant, in the instant's own time zone."""
    return moment.date() if isinstance(moment, datetime) else moment


def day_at(moment: date, at: date) -> date:
    """Return the calendar day of a moment, of an instant the one where the instant `at` is told."""
    if isinstance(moment, datetime) and isinstance(at, datetime) and at.tzinfo and moment.tzinfo:
        return moment.astimezone(at.tzinfo).date()
    return day(moment)


def is_later(moment: date, at: date) -> bool:
    """Say whether a moment is still to come: by the instant where both are instants, else by day.

    One with a time zone and one without cannot be compared as instants.
    """
    both = isinstance(moment, datetime) and isinstance(at, datetime)
    if both and (moment.utcoffset() is None) == (at.utcoffset() is None):  # type: ignore[attr-defined]
        return moment > at
    return day_at(moment, at) > day(at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """The caps of a works agreement or an organisation's own setting; they can only tighten.

    `None` caps nothing. Outside [valid_from, valid_until) the agreement covers nothing: a day
    begins and ends it at midnight, an instant at that instant.
    """

    name: str = ""
    apps: frozenset[str] | None = None
    signals: frozenset[AnySignal] | None = None
    retention_days: int | None = None
    valid_from: date | None = None
    valid_until: date | None = None

    def covers(self, app: str | None, signal: AnySignal, at: date) -> bool:
        """Say whether this agreement lets the signal be recorded in the app at that moment."""
        begun = self.valid_from is None or not is_later(self.valid_from, at)
        ended = self.valid_until is not None and not is_later(self.valid_until, at)
        in_apps = self.apps is None or app in self.apps
        in_signals = self.signals is None or signal in self.signals
        return begun and not ended and in_apps and in_signals


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A document for one gate of one place; it closes the gate in [valid_from, valid_until)."""

    jurisdiction: str
    gate: str
    valid_from: date
    valid_until: date | None = None
    not_applicable: bool = False
    """It says why what the gate is for is not the case here, so nothing was done that must wait."""


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """What holds for one person and one purpose, whatever the app and the signal."""

    jurisdictions: frozenset[str]
    at: date
    """The day decided about, or an instant in the person's own time zone."""
    consent: ConsentState = ConsentState.UNKNOWN
    consent_given_on: date | None = None
    notice_on: date | None = None
    notice_waived: bool | None = None
    notice_version_ok: bool | None = None
    ack: bool | None = None
    gates: Mapping[str, date] | frozenset[Evidence] | Literal["all"] = field(
        default_factory=lambda: NOTHING_CLOSED
    )
    """The evidence that closes gates, each piece for its own place alone, other people's places
    included; or gates closed wherever they are asked for, with the day of closing; or `EVERY`."""
    overrides: frozenset[AnySignal] = frozenset()
    """Signals whose restriction is lifted wherever the person's own places have one."""
    exceptions: frozenset[tuple[str, AnySignal]] | None = None
    """For which place each exception was granted, which counts for other people's places too;
    `None`: the overrides hold everywhere."""
    departed: bool = False
    """The person has left the organisation: nothing of theirs is recorded any more."""
    in_hours: bool | None = None
    hours_turn: datetime | None = None
    """The instant at which working hours begin or end next; `None` where none are known to."""
    paused: bool | None = None
    killed: bool | None = None
    agent_standing: str | None = None
    agreements: tuple[Agreement, ...] = ()
    counsel_signed_off: frozenset[str] | Literal["all"] | None = None
    """Jurisdictions of low confidence that counsel has signed off for this organisation."""
    own_retention_days: int | None = None

    def __hash__(self) -> int:
        """Return the same as any dataclass; worked out once, as much is looked up by it."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(_SAID(self))

    @property
    def today(self) -> date:
        """The calendar day that statutory periods are compared with."""
        return day(self.at)


_SAID: Final = attrgetter(*(one.name for one in fields(PersonFacts)))


@dataclass(frozen=True, kw_only=True)
class AppFacts:
    """What holds for one app, whatever the person and the signal."""

    app: str | None = None
    app_allowed: bool | None = None
    listed_signals: frozenset[AnySignal] | None = None
    """The signals that the purpose asks for in this app; `None`: all that were consented to."""
    app_category: AppCategory | None = None
    app_reported: bool = False
    """Somebody reported that it shows what is never captured: until settled it counts as that."""
    counterparties: frozenset[str] | None = None
    """Jurisdictions of the other people whose words the app can show; `None`: not known."""
    agreements_of_others: tuple[Agreement, ...] = ()
    """Agreements of the colleagues whose words it shows; they bind signals that can show them."""
    counterparties_consented: bool | None = None
    counterparty_masked: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Facts(PersonFacts, AppFacts):
    """All that is known for one decision. What is left out never permits."""

    signal: AnySignal
    consented_signals: frozenset[AnySignal] = frozenset()


@dataclass(frozen=True, slots=True)
class Assumed:
    """Facts with blanks filled in, and the names of those blanks."""

    facts: Facts
    assumed: tuple[str, ...] = field(default=())
    """Blanks that the `decide` command counts as fulfilled."""
    not_asked: tuple[str, ...] = field(default=())
    """Facts about the running portal (pause, agent, app category …) that were not given."""


def assume(facts: Facts) -> Assumed:
    """Fill in what `decide` may leave out, and name each blank that was filled.

    Only the app, the hours, the notice version and the age of a consent that was given count as
    fulfilled, and no counterparty is invented. Nothing else that is absent ever permits.
    """
    fulfilled: dict[str, object] = {"app_allowed": True, "in_hours": True}
    fulfilled["notice_version_ok"] = True
    if facts.consent is ConsentState.GIVEN:
        fulfilled["consent_given_on"] = facts.today
    if facts.signal in CONTENT_SIGNALS:
        fulfilled["counterparties"] = frozenset()
    beyond: dict[str, object] = {"app_category": AppCategory.OFFICE, "paused": False}
    beyond |= {"killed": False, "agent_standing": ACTIVE, "counsel_signed_off": EVERY}
    assumed = {name: value for name, value in fulfilled.items() if getattr(facts, name) is None}
    unasked = {name: value for name, value in beyond.items() if getattr(facts, name) is None}
    filled: dict[str, object] = assumed | unasked
    return Assumed(
        replace(facts, **filled),  # type: ignore[arg-type]
        tuple(assumed),
        tuple(unasked),
    )
