"""The rule pack in force in this process, read once. A file at fault denies in its places only."""

from functools import lru_cache

from consent.policy.rulebook import Rulebook, read_rulebook


@lru_cache(maxsize=1)
def rulebook() -> Rulebook:
    """Return the rule pack; what could not be read is named in its `problems` and denies."""
    return read_rulebook()
