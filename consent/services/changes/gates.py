"""Changes to gates: closed by evidence, and open again when it is taken back."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final, Self

from audit.ledger import Actor
from consent.exceptions import CannotRevert, ChangeUnfit
from consent.models import GateEvidence
from consent.rules import rulebook
from consent.selectors.shared import COUNSEL_GATE
from consent.services.changes.given import SHA256, Given
from consent.services.changes.kind import (
    Ask,
    Change,
    Payload,
    Reach,
    Standing,
    purpose_of,
    refuse_odd_day,
)
from consent.services.gates import close_gate, refuse_inapplicable, reopen_gate

LARGEST: Final = 2**53 - 1
DOCUMENT: Final = (
    "document_title",
    "document_sha256",
    "not_applicable_reason",
    "valid_from",
    "valid_until",
)
"""What evidence says beside its gate; evidence by one document shares all of it."""


@dataclass(frozen=True)
class GateClose(Change):
    """A document that shows that required steps were taken, for one purpose."""

    kind: ClassVar[str] = "gate.close"

    purpose: str
    gates: tuple[tuple[str, str], ...]
    document_title: str
    document_sha256: str
    not_applicable_reason: str
    valid_from: date
    valid_until: date | None

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read it; `gates` is a list of [jurisdiction, gate]."""
        gates = tuple((place, gate) for place, gate in given.rows("gates", 2))
        if not gates:
            given.refuse("gates", "must name one at least")
        change = cls(
            purpose=given.code("purpose"),
            gates=gates,
            document_title=given.text("document_title", longest=200),
            document_sha256=given.matching("document_sha256", SHA256, "a SHA-256 in small hex"),
            not_applicable_reason=given.text("not_applicable_reason", longest=200, empty=True),
            valid_from=given.day("valid_from"),
            valid_until=None if given.is_null("valid_until") else given.day("valid_until"),
        )
        if change.valid_until and change.valid_until <= change.valid_from:
            given.refuse("valid_until", "must lie after valid_from")
        return change

    def check(self) -> None:
        """Refuse a place or a gate that no rule knows, and a way out that a gate does not have."""
        super().check()
        refuse_odd_day("valid_from", self.valid_from)
        rules = rulebook()
        for place, gate in self.gates:
            if place not in rules.rows:
                raise ChangeUnfit(f"gates: no rules are known for {place[:8]!r}")
            if gate not in rules.gates and gate != COUNSEL_GATE:
                raise ChangeUnfit(f"gates: no rule asks for {gate[:60]!r}")
        if self.not_applicable_reason:
            refuse_inapplicable(gate for _, gate in self.gates)

    def standing(self) -> Standing:
        """Return the evidence that stands for these gates."""
        purpose = purpose_of(self.purpose)
        rows = GateEvidence.objects.filter(purpose=purpose, reopening__isnull=True)
        return {"evidence": [_told(row) for row in rows.order_by("pk") if _gate(row) in self.gates]}

    def tightens(self) -> bool:
        """Say no: a gate that closes lets capture through."""
        return False

    def reach(self) -> Reach:
        """Return the purpose, in the places of the gates."""
        return Reach(frozenset(place for place, _ in self.gates), frozenset({self.purpose}))

    def begins(self) -> date:
        """Return the first day of the document."""
        return self.valid_from

    def ask(self) -> Ask:
        """Return the purpose, in the places of the gates."""
        return Ask(self.purpose, frozenset(place for place, _ in self.gates))

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Close them, in the name of who proposed it."""
        close_gate(
            purpose=purpose_of(self.purpose),
            gates=self.gates,
            document_title=self.document_title,
            document_sha256=self.document_sha256,
            not_applicable_reason=self.not_applicable_reason,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Take this evidence back, and no other."""
        rows = GateEvidence.objects.filter(
            purpose__code=self.purpose,
            document_sha256=self.document_sha256,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            reopening__isnull=True,
        ).order_by("pk")
        # Of evidence that is alike in all it says, what stood before stays.
        stood = [
            row for row in before["evidence"] if row["document_sha256"] == self.document_sha256
        ]
        newer = [row.pk for row in rows if _gate(row) in self.gates and _told(row) not in stood]
        if not newer:
            raise CannotRevert("Nothing of this evidence stands any more: its gates are open.")
        return GateReopen.kind, {"evidence": newer}


@dataclass(frozen=True)
class GateReopen(Change):
    """Evidence is taken back before it lapses: its gates are open again at once."""

    kind: ClassVar[str] = "gate.reopen"

    evidence: tuple[int, ...]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read which evidence: one number, or a list of them."""
        return cls(given.wholes("evidence", least=1, most=LARGEST))

    def check(self) -> None:
        """Refuse evidence that is not there, and what was taken back already."""
        rows = GateEvidence.objects.filter(pk__in=self.evidence)
        if rows.count() != len(self.evidence):
            raise ChangeUnfit("evidence: there is none with this number")
        if rows.filter(reopening__isnull=False).exists():
            raise ChangeUnfit("evidence: was taken back already")

    def standing(self) -> Standing:
        """Return which of this evidence stands, and for what."""
        rows = GateEvidence.objects.filter(pk__in=self.evidence, reopening__isnull=True)
        found = rows.select_related("purpose").order_by("pk")
        return {"evidence": [{"purpose": row.purpose.code, **_told(row)} for row in found]}

    def tightens(self) -> bool:
        """Say yes."""
        return True

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Take it back, in the name of who proposed it."""
        for row in GateEvidence.objects.filter(pk__in=self.evidence).order_by("pk"):
            reopen_gate(evidence=row, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Close them again by the same document, where it was one for one purpose."""
        documents = {
            (row["purpose"], *(row[name] for name in DOCUMENT)) for row in before["evidence"]
        }
        if len(documents) != 1:
            raise CannotRevert(
                "Several documents were taken back together; each is brought anew by itself."
            )
        first = before["evidence"][0]
        return GateClose.kind, {
            "purpose": first["purpose"],
            "gates": [[row["jurisdiction"], row["gate"]] for row in before["evidence"]],
            **{name: first[name] for name in DOCUMENT},
        }


def _gate(row: GateEvidence) -> tuple[str, str]:
    return row.jurisdiction, row.gate


def _told(row: GateEvidence) -> Standing:
    return {
        "jurisdiction": row.jurisdiction,
        "gate": row.gate,
        "document_title": row.document_title,
        "document_sha256": row.document_sha256,
        "not_applicable_reason": row.not_applicable_reason,
        "valid_from": row.valid_from.isoformat(),
        "valid_until": row.valid_until.isoformat() if row.valid_until else None,
    }
