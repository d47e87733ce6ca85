"""Places and those above them, by the rules that say which lies in which."""

from collections.abc import Collection

from consent.policy.rulebook import Rulebook


def with_those_above(codes: Collection[str], rules: Rulebook) -> set[str]:
    """Return the places and all above them; those without rules as well."""
    return {*codes, *(row.code for code in codes for row in rules.lineage(code))}
