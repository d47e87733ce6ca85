"""Changes to what a purpose may ask for: signals of an app added or taken away."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from audit.ledger import Actor
from consent.exceptions import ChangeUnfit, NeverCapturable
from consent.models import AllowlistEntry
from consent.policy.types import Signal
from consent.services.apps import allow_in_purpose, disallow_in_purpose
from consent.services.changes.given import Given
from consent.services.changes.kind import (
    Ask,
    Change,
    Payload,
    Reach,
    Standing,
    app_of,
    purpose_of,
)


@dataclass(frozen=True)
class AllowlistChange(Change):
    """Signals of one app that a purpose may ask for from now on, or no longer."""

    kind: ClassVar[str] = "allowlist.change"

    purpose: str
    app: str
    add: tuple[Signal, ...]
    remove: tuple[Signal, ...]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the two lists; they have nothing in common, and are not both empty."""
        change = cls(
            purpose=given.code("purpose"),
            app=given.code("app"),
            add=given.words("add", Signal),
            remove=given.words("remove", Signal),
        )
        if not change.add and not change.remove:
            given.refuse("add", "is empty, and so is remove")
        if both := set(change.add) & set(change.remove):
            given.refuse("remove", f"{min(both)} is to be added, too")
        return change

    def check(self) -> None:
        """Refuse an app that nobody may capture, what is listed already, what is not listed."""
        listed = set(self.standing()["signals"])
        if self.add and app_of(self.app).never:
            raise NeverCapturable
        if twice := sorted(listed & set(self.add)):
            raise ChangeUnfit(f"add: {twice[0]} is asked for already")
        if absent := sorted(set(self.remove) - listed):
            raise ChangeUnfit(f"remove: {absent[0]} is not asked for")

    def standing(self) -> Standing:
        """Return the signals of the app that the purpose may ask for."""
        entries = AllowlistEntry.objects.filter(
            purpose=purpose_of(self.purpose), app=app_of(self.app), delisted_at__isnull=True
        )
        return {"signals": sorted(entries.values_list("signal", flat=True))}

    def tightens(self) -> bool:
        """Say whether it only takes away."""
        return not self.add

    def reach(self) -> Reach:
        """Return the purpose and the app, everywhere."""
        return Reach(purposes=frozenset({self.purpose}), apps=frozenset({self.app}))

    def ask(self) -> Ask | None:
        """Return what is added."""
        added = frozenset(signal.value for signal in self.add)
        return Ask(self.purpose, app=self.app, signals=added) if added else None

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Add and take away."""
        purpose, app = purpose_of(self.purpose), app_of(self.app)
        if self.add:
            allow_in_purpose(purpose=purpose, app=app, signals=self.add, actor=actor, at=at)
        if self.remove:
            disallow_in_purpose(purpose=purpose, app=app, signals=self.remove, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Take away what was added, add what was taken away."""
        return self.kind, {
            "purpose": self.purpose,
            "app": self.app,
            "add": [signal.value for signal in self.remove],
            "remove": [signal.value for signal in self.add],
        }
