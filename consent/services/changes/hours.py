"""Changes to the organisation's own working hours."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from audit.ledger import Actor
from consent import selectors
from consent.exceptions import ChangeUnfit
from consent.policy.hours import WorkingHours
from consent.rules import rulebook
from consent.selectors.settings import EVERYBODY, SITE
from consent.services.changes.given import Given
from consent.services.changes.kind import Change, Payload, Reach, Standing
from consent.services.settings import set_working_hours

KEYS = ("zone", "hours", "closed_on_holidays")


@dataclass(frozen=True)
class HoursChange(Change):
    """Hours outside of which nothing is recorded; they come on top of what agreements say."""

    kind: ClassVar[str] = "hours.change"

    whom: str
    """The code of a place, `site:` and the name of one, or `everybody`."""
    hours: WorkingHours | None

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read whom they are for, and the hours; null binds recording to none any more."""
        return cls(given.text("whom", longest=85), hours_of(given))

    def check(self) -> None:
        """Refuse a place without rules, and a site without a name."""
        site = self.whom.removeprefix(SITE).strip() if self.whom.startswith(SITE) else ""
        if not site and self.whom != EVERYBODY and self.whom not in rulebook().rows:
            raise ChangeUnfit(f"whom: must be a place with rules, {SITE}NAME or {EVERYBODY}")

    def standing(self) -> Standing:
        """Return the hours that stand, all of them null where there are none."""
        hours = self._standing()
        return hours.as_json() if hours else dict.fromkeys(KEYS)

    def tightens(self) -> bool:
        """Say whether nothing is recorded afterwards that was not before."""
        old = self._standing()
        return old is None or (self.hours is not None and self.hours.within(old))

    def reach(self) -> Reach:
        """Return the place; a site may lie anywhere."""
        is_place = self.whom in rulebook().rows
        return Reach(jurisdictions=frozenset({self.whom}) if is_place else None)

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Set them."""
        set_working_hours(whom=self.whom, hours=self.hours, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Set what stood before."""
        stood = before if before["hours"] else {"hours": None}
        return self.kind, {"whom": self.whom, **stood}

    def _standing(self) -> WorkingHours | None:
        return selectors.working_hours().get(self.whom)


def hours_of(given: Given) -> WorkingHours | None:
    """Read hours from the keys of a payload; null in place of the hours reads as none."""
    if given.is_null("hours"):
        return None
    table: dict[str, Any] = given.raw(*KEYS)
    try:
        return WorkingHours.read(table)
    except ValueError as problem:
        given.refuse("hours", str(problem))
