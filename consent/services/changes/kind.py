"""What a kind of change is: it reads its payload, says what stands, and applies itself."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Final, Self

from audit.ledger import Actor
from consent.exceptions import CannotRevert, ChangeUnfit
from consent.models import App, Purpose
from consent.policy.factsfile import YEARS
from consent.services.changes.given import Given

Payload = dict[str, Any]
Standing = dict[str, Any]
"""What stands of the things a change is about, as JSON; equal before and after: nothing changed."""


@dataclass(frozen=True)
class Reach:
    """What a change touches, in the terms of an agreement; None means all there is."""

    jurisdictions: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    apps: frozenset[str] | None = None


NOTHING: Final = Reach(frozenset(), frozenset(), frozenset())


@dataclass(frozen=True)
class Ask:
    """What a change would newly let a purpose do; the agreements that bind are held against it."""

    purpose: str
    jurisdictions: frozenset[str] | None = None
    app: str | None = None
    signals: frozenset[str] = frozenset()
    retention_days: int | None = None


class Change(ABC):
    """One change, read from its payload. Nothing here decides who must agree to it."""

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def read(cls, given: Given) -> Self:
        """Return the change that a payload describes; raises ChangeUnfit naming the key."""

    def check(self) -> None:
        """Refuse a change that cannot be, as things stand now; ChangeUnfit or NeverCapturable."""
        self.standing()

    @abstractmethod
    def standing(self) -> Standing:
        """Return what stands now of the things it changes; raises ChangeUnfit if one is unknown."""

    def standing_as(self, told: Standing, *, at: datetime) -> Standing:
        """Return what stands now in the form of `told`, which a proposal of `at` has.

        An earlier version may have told less of it; what it did not tell must not have changed.
        """
        return self.standing()

    @abstractmethod
    def tightens(self) -> bool:
        """Say whether it can only take away: no doubt counts as widening."""

    def approvals(self) -> int:
        """Return how many privacy officers other than the author must approve."""
        return 1

    def council_always(self) -> bool:
        """Say whether every council known must agree, whatever the agreements say."""
        return False

    def reach(self) -> Reach:
        """Return what it touches; that decides which councils are asked."""
        return NOTHING

    def asks_ahead(self) -> bool:
        """Say whether those who signed agreements that have not begun are asked, too."""
        return False

    def begins(self) -> date | None:
        """Return its first day, where it may lie ahead: the preview looks at that day as well."""
        return None

    def unknown(self) -> tuple[str, ...]:
        """Return the sites it names where nobody is today; the preview says so of each."""
        return ()

    def ask(self) -> Ask | None:
        """Return what it would newly allow; None where it allows nothing by itself."""
        return None

    @abstractmethod
    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Make the change, through the services, in the caller's transaction."""

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Return kind and payload of the change back to `before`; raises CannotRevert."""
        raise CannotRevert

    def instead(self) -> tuple[str, Payload] | None:
        """Return what narrows at once where no change leads back; None where nothing is left to."""
        return None


def purpose_of(code: str) -> Purpose:
    """Return the purpose; raises ChangeUnfit where there is none."""
    if purpose := Purpose.objects.filter(code=code).first():
        return purpose
    raise ChangeUnfit("purpose: there is none with this code")


def app_of(code: str) -> App:
    """Return the app; raises ChangeUnfit where there is none."""
    if app := App.objects.filter(code=code).first():
        return app
    raise ChangeUnfit("app: there is none with this code")


def refuse_odd_day(key: str, day: date) -> None:
    """Refuse a day near an end of the calendar: no midnight and no term can be worked out there."""
    if day.year not in YEARS:
        raise ChangeUnfit(f"{key}: must lie in the years {YEARS.start} to {YEARS.stop - 1}")
