"""What the rule pack itself calls for, and what those are shown who vote about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent.digests import digest
from consent.models import AdoptedRule, Proposal
from consent.policy.adoption import differing, file_of, from_json, loosened, to_json
from consent.policy.differences import KeyChange, key_changes
from consent.rules import adopted_rulebook, rulebook, shipped


@dataclass(frozen=True)
class Unadopted:
    """Shipped rules that differ from those adopted: what they tighten acts, the rest waits."""

    code: str
    loosens: tuple[str, ...]
    """The keys that adopting would make looser; `everything` for a new place; empty: nothing."""


@dataclass(frozen=True)
class TextChange:
    """The text of one place, or of `meta` or `gates`, before and after a proposal to adopt it."""

    code: str
    before: str | None
    after: str | None
    """The digests that the votes are about; None where nothing was adopted."""
    keys: tuple[KeyChange, ...] | None
    """Each key that differs; None where one of the texts is not here any more."""


def unadopted_rules() -> list[Unadopted]:
    """Return what somebody could adopt; nothing where the shipped rules are those adopted."""
    adopted, new = adopted_rulebook(), shipped()
    if adopted is None:
        return []
    return [
        Unadopted(code, loosened(adopted, new, code) if code in new.rows else ())
        for code in differing(adopted, new)
    ]


def rule_changes(proposal: Proposal) -> list[TextChange]:
    """Return what a proposal to adopt rules changes in each text; empty for other proposals.

    The texts are those of the very digests that were rehearsed, whatever is shipped by now.
    """
    if proposal.kind != "rules.adopt":
        return []
    before, after = proposal.before or {}, proposal.after or {}
    found = [
        _text_change(code, before.get(code, {}).get("adopted"), after[code]["adopted"])
        for code in after
    ]
    return [change for change in found if change.before != change.after]


def _text_change(code: str, before: str | None, after: str | None) -> TextChange:
    old, new = _text(code, before), _text(code, after)
    keys = None
    if old is not None and new is not None:
        rules = rulebook()
        keys = key_changes(code, old, new, meta=rules.meta, gates=rules.gates)
    return TextChange(code, before, after, keys)


def _text(code: str, sha256: str | None) -> Mapping[str, Any] | None:
    """Return the text with a digest; empty for none at all, and None where it is not here."""
    if sha256 is None:
        return {}
    if row := AdoptedRule.objects.filter(code=code, sha256=sha256).first():
        table: Mapping[str, Any] = from_json(row.table)
        return table
    table = shipped().tables.get(file_of(code), {})
    return table if digest(to_json(table)) == sha256 else None
