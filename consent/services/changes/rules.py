"""Changes to the rules in force: shipped files adopted by the organisation, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final, Self

from django.utils import timezone

from audit.ledger import Actor
from consent.digests import digest
from consent.exceptions import CannotRevert, ChangeUnfit
from consent.models import AdoptedRule
from consent.policy.adoption import file_of, may_lack_rules, to_json
from consent.policy.rulebook import GATES, SHARED
from consent.rules import adopted_rulebook, shipped
from consent.services.changes.given import SHA256, Given
from consent.services.changes.kind import Change, Payload, Reach, Standing
from consent.services.rules import NO_TEXT, adopt_rules

GATE_WORDS: Final = GATES.removesuffix(".toml")


@dataclass(frozen=True)
class RulesAdopt(Change):
    """Shipped rules that widen something: what they tighten counts without anybody's doing.

    With `earlier` it is the way back, to texts that were adopted before.
    """

    kind: ClassVar[str] = "rules.adopt"

    codes: tuple[str, ...]
    earlier: Mapping[str, str] = field(default_factory=dict)
    """Code -> the digest of the text to go back to; NO_TEXT where none was adopted."""

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the codes of places, or `meta` or `gates`; one at least."""
        codes = given.names("codes", longest=12)
        if not codes:
            given.refuse("codes", "must name one at least")
        if not given.has("earlier"):
            return cls(codes)
        texts = given.rows("earlier", 2)
        if [code for code, _ in texts] != list(codes):
            given.refuse("earlier", "must name one text for each of the codes, in their order")
        if not all(SHA256.fullmatch(text) for _, text in texts):
            given.refuse("earlier", "must name texts by their SHA-256 in small hex")
        return cls(codes, dict(zip(codes, (text for _, text in texts), strict=True)))

    def check(self) -> None:
        """Refuse to go back to what was never adopted."""
        for code, text in self.earlier.items():
            known = AdoptedRule.objects.filter(code=code, sha256=text)
            if text != NO_TEXT and not known.exists():
                raise ChangeUnfit(f"earlier: no such text was adopted for {code}")

    def standing(self) -> Standing:
        """Return of each file which text is adopted and which is shipped.

        What is shipped is part of it, so that nobody approves one text and adopts another.
        """
        wanted = dict.fromkeys([*self.codes, GATE_WORDS])
        newest = AdoptedRule.objects.filter(code__in=wanted).order_by("code", "-pk")
        adopted = dict(newest.distinct("code").values_list("code", "sha256"))
        tables = shipped().tables
        return {
            code: {
                "adopted": None if adopted.get(code) == NO_TEXT else adopted.get(code),
                "shipped": digest(to_json(tables[file_of(code)]))
                if file_of(code) in tables
                else None,
            }
            for code in wanted
        }

    def tightens(self) -> bool:
        """Say whether it leads back from texts that are still those shipped.

        Those go on counting, value by value, so that the earlier ones only come on top. A place
        that does not stand on what is adopted, or has no rules yet by that alone, and so is denied,
        might stand again.
        """
        adopted, now = adopted_rulebook(), self.standing()
        if not self.earlier or adopted is None or adopted.problems:
            return False
        # A day that has come everywhere.
        begun = timezone.now().date() - timedelta(days=1)
        if may_lack_rules(adopted, self.codes, begun):
            return False
        return all(now[code]["adopted"] == now[code]["shipped"] for code in self.codes)

    def reach(self) -> Reach:
        """Return the places; a file that is no place concerns them all."""
        shared = {"meta", GATE_WORDS} & set(self.codes)
        return Reach() if shared else Reach(jurisdictions=frozenset(self.codes))

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Adopt them."""
        adopt_rules(codes=self.codes, earlier=self.earlier, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Adopt again what was adopted; words for gates that came along stay, and permit nothing.

        Where nothing had been adopted at all the shipped rules counted alone: no text leads back.
        Of what all places share nothing was taken on then but what counted already, and without
        it no place could stand: there is nothing to take back either.
        """
        shared = [code for code in self.codes if file_of(code) in SHARED]
        if any(before[code]["adopted"] is None for code in (GATE_WORDS, *shared)):
            why = (
                "Nothing had been adopted before: the shipped rules counted alone, and no earlier"
                " text leads back."
            )
            if len(shared) == len(self.codes):
                why += " These are the same rules, so that there is nothing to take back."
            raise CannotRevert(why)
        texts = [[code, before[code]["adopted"] or NO_TEXT] for code in self.codes]
        return self.kind, {"codes": list(self.codes), "earlier": texts}

    def instead(self) -> tuple[str, Payload] | None:
        """Adopt nothing for its places any more: whose rules are not known, permits nothing."""
        places = [code for code in self.codes if file_of(code) not in SHARED]
        if not places:
            return None
        return self.kind, {"codes": places, "earlier": [[code, NO_TEXT] for code in places]}
