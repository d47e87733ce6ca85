"""What the rule pack itself calls for: shipped rules that are not yet adopted."""

from dataclasses import dataclass

from consent.policy.adoption import differing, loosened
from consent.rules import adopted_rulebook, shipped


@dataclass(frozen=True)
class Unadopted:
    """Shipped rules that differ from those adopted: what they tighten acts, the rest waits."""

    code: str
    loosens: tuple[str, ...]
    """The keys that adopting would make looser; `everything` for a new place; empty: nothing."""


def unadopted_rules() -> list[Unadopted]:
    """Return what somebody could adopt; nothing where the shipped rules are those adopted."""
    adopted, new = adopted_rulebook(), shipped()
    if adopted is None:
        return []
    return [
        Unadopted(code, loosened(adopted, new, code) if code in new.rows else ())
        for code in differing(adopted, new)
    ]
