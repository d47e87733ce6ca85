"""Changes to exceptions: the signed one that a law asks for, granted and taken back."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from audit.ledger import Actor
from consent.exceptions import CannotRevert, ChangeUnfit
from consent.models import SignalOverride
from consent.policy.types import Signal
from consent.rules import rulebook
from consent.services.changes.given import NUMBER, PLACE, SHA256, Given
from consent.services.changes.kind import (
    Ask,
    Change,
    Payload,
    Reach,
    Standing,
    purpose_of,
    refuse_odd_day,
)
from consent.services.overrides import grant_override, refuse_term, revoke_override


@dataclass(frozen=True)
class OverrideGrant(Change):
    """A signed exception for one signal of a purpose in a place; it always ends."""

    kind: ClassVar[str] = "override.grant"

    purpose: str
    jurisdiction: str
    signal: Signal
    reason: str
    document_title: str
    document_sha256: str
    valid_from: date
    valid_until: date

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read it."""
        change = cls(
            purpose=given.code("purpose"),
            jurisdiction=given.matching("jurisdiction", PLACE, "the code of a place"),
            signal=given.word("signal", Signal),
            # Proposals from before a reason was asked for can still be led back.
            reason=given.text("reason", longest=500, empty=True) if given.has("reason") else "",
            document_title=given.text("document_title", longest=200),
            document_sha256=given.matching("document_sha256", SHA256, "a SHA-256 in small hex"),
            valid_from=given.day("valid_from"),
            valid_until=given.day("valid_until"),
        )
        if change.valid_until <= change.valid_from:
            given.refuse("valid_until", "must lie after valid_from")
        return change

    def check(self) -> None:
        """Refuse a place without rules, no reason, and a term that is over or too long."""
        super().check()
        if not self.reason.strip():
            raise ChangeUnfit("reason: must say why the exception is needed")
        refuse_odd_day("valid_from", self.valid_from)
        refuse_term(self.valid_from, self.valid_until, today=timezone.now().date())
        if self.jurisdiction not in rulebook().rows:
            raise ChangeUnfit(f"jurisdiction: no rules are known for {self.jurisdiction}")

    def standing(self) -> Standing:
        """Return the exceptions there are for this purpose, place and signal."""
        return {"overrides": [_told(row) for row in self._rows()]}

    def tightens(self) -> bool:
        """Say no."""
        return False

    def reach(self) -> Reach:
        """Return the purpose, in the place."""
        return Reach(frozenset({self.jurisdiction}), frozenset({self.purpose}))

    def begins(self) -> date:
        """Return its first day."""
        return self.valid_from

    def ask(self) -> Ask:
        """Return the signal, in the place."""
        return Ask(
            self.purpose,
            frozenset({self.jurisdiction}),
            signals=frozenset({self.signal.value}),
        )

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Grant it."""
        grant_override(
            purpose=purpose_of(self.purpose),
            jurisdiction=self.jurisdiction,
            signal=self.signal,
            reason=self.reason,
            document_title=self.document_title,
            document_sha256=self.document_sha256,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Take this exception back, and no other."""
        stood = before["overrides"]
        newer = [row for row in self._rows() if _told(row) not in stood]
        mine = [row for row in newer if row.document_sha256 == self.document_sha256]
        if not mine:
            raise CannotRevert("This exception stands no more, so it lifts nothing.")
        return OverrideRevoke.kind, {"override": str(mine[-1].uuid)}

    def _rows(self) -> QuerySet[SignalOverride]:
        return SignalOverride.objects.filter(
            purpose=purpose_of(self.purpose),
            jurisdiction=self.jurisdiction,
            signal=self.signal.value,
            revocation__isnull=True,
        ).order_by("pk")


@dataclass(frozen=True)
class OverrideRevoke(Change):
    """An exception is taken back before it lapses."""

    kind: ClassVar[str] = "override.revoke"

    override: UUID

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read which exception."""
        return cls(UUID(given.matching("override", NUMBER, "the number of an exception")))

    def check(self) -> None:
        """Refuse one that is not there."""
        if not SignalOverride.objects.filter(uuid=self.override).exists():
            raise ChangeUnfit("override: there is none with this number")

    def standing(self) -> Standing:
        """Return the exception if it stands, with what it is about."""
        rows = SignalOverride.objects.filter(uuid=self.override, revocation__isnull=True)
        return {"overrides": [_about(row) for row in rows.select_related("purpose")]}

    def tightens(self) -> bool:
        """Say yes."""
        return True

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Take it back, in the name of who proposed it."""
        override = SignalOverride.objects.get(uuid=self.override)
        revoke_override(override=override, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Grant it anew by the same document."""
        if not before["overrides"]:
            raise CannotRevert("The exception had been taken back before, so nothing changed.")
        return OverrideGrant.kind, before["overrides"][0]


def _about(row: SignalOverride) -> Standing:
    about = {"purpose": row.purpose.code, "jurisdiction": row.jurisdiction, "signal": row.signal}
    return {**about, **_told(row)}


def _told(row: SignalOverride) -> Standing:
    return {
        "reason": row.reason,
        "document_title": row.document_title,
        "document_sha256": row.document_sha256,
        "valid_from": row.valid_from.isoformat(),
        "valid_until": row.valid_until.isoformat(),
    }
