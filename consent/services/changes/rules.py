"""Changes to the rules in force: shipped files adopted by the organisation."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from audit.ledger import Actor
from consent.digests import digest
from consent.models import AdoptedRule
from consent.policy.adoption import file_of, to_json
from consent.policy.rulebook import GATES
from consent.rules import shipped
from consent.services.changes.given import Given
from consent.services.changes.kind import Change, Reach, Standing
from consent.services.rules import adopt_rules


@dataclass(frozen=True)
class RulesAdopt(Change):
    """Shipped rules that widen something: what they tighten counts without anybody's doing."""

    kind: ClassVar[str] = "rules.adopt"

    codes: tuple[str, ...]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the codes of places, or `meta` or `gates`; one at least."""
        codes = given.names("codes", longest=12)
        if not codes:
            given.refuse("codes", "must name one at least")
        return cls(codes)

    def standing(self) -> Standing:
        """Return of each file which text is adopted and which is shipped.

        What is shipped is part of it, so that nobody approves one text and adopts another.
        """
        wanted = dict.fromkeys([*self.codes, GATES.removesuffix(".toml")])
        newest = AdoptedRule.objects.filter(code__in=wanted).order_by("code", "-pk")
        adopted = dict(newest.distinct("code").values_list("code", "sha256"))
        tables = shipped().tables
        return {
            code: {
                "adopted": adopted.get(code),
                "shipped": digest(to_json(tables[file_of(code)]))
                if file_of(code) in tables
                else None,
            }
            for code in wanted
        }

    def tightens(self) -> bool:
        """Say no."""
        return False

    def reach(self) -> Reach:
        """Return the places; a file that is no place concerns them all."""
        shared = {"meta", "gates"} & set(self.codes)
        return Reach() if shared else Reach(jurisdictions=frozenset(self.codes))

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Adopt them."""
        adopt_rules(codes=self.codes, actor=actor, at=at)
