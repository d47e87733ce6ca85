"""Changes to settings of the organisation."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings

from audit.ledger import Actor
from consent import selectors
from consent.models import Setting
from consent.selectors.settings import KNOBS
from consent.services.changes.given import Given
from consent.services.changes.kind import Change, Payload, Reach, Standing
from consent.services.settings import change_setting


@dataclass(frozen=True)
class SettingChange(Change):
    """One setting; which direction tightens stands with it."""

    kind: ClassVar[str] = "setting.change"

    key: str
    value: int | None

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the key and its value; null goes back to the shipped one."""
        key = given.text("key", longest=40)
        if key not in KNOBS:
            given.refuse("key", f"must be one of {', '.join(KNOBS)}")
        if given.is_null("value"):
            return cls(key, None)
        knob = KNOBS[key]
        return cls(key, given.whole("value", least=knob.least, most=knob.most))

    def standing(self) -> Standing:
        """Return the value in force, and whether it is the shipped one."""
        decided = Setting.objects.filter(key=self.key).values_list("value", flat=True).first()
        return {"value": selectors.setting(self.key), "shipped": not isinstance(decided, int)}

    def tightens(self) -> bool:
        """Say whether the value goes the protective way."""
        knob = KNOBS[self.key]
        shipped = int(getattr(settings, knob.shipped))
        new = shipped if self.value is None else self.value
        return knob.tightens(selectors.setting(self.key), new)

    def reach(self) -> Reach:
        """Return everything: a setting holds for everybody."""
        return Reach()

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Set it."""
        change_setting(key=self.key, value=self.value, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Set what stood before."""
        return self.kind, {"key": self.key, "value": None if before["shipped"] else before["value"]}
