"""Which rulebook is in force, and every one that ever decided something, by its digest.

The shipped files are read once in a process. What somebody adopted lies in the database; where
the two differ the stricter counts. A file at fault denies in its places only.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from consent.models import AdoptedRule, RecordedRulebook
from consent.policy.adoption import file_of, from_json, packs_of, stricter, to_json
from consent.policy.rulebook import FOLDER, Rulebook, read_rulebook, rulebook_of_tables
from consent.policy.schema import RulebookError

KEPT: Final = 8
"""So many rulebooks stay in memory; each is some hundred kilobytes."""

folder: Path = FOLDER
"""Where the shipped files lie; only tests look elsewhere."""

_by_digest: dict[str, Rulebook] = {}
_adopted: dict[frozenset[tuple[str, str]], Rulebook] = {}


@lru_cache(maxsize=1)
def shipped() -> Rulebook:
    """Return the rule pack that came with the program; `problems` names what cannot be read."""
    return read_rulebook(folder)


def rulebook() -> Rulebook:
    """Return the rulebook in force: the stricter of what was adopted and what is shipped.

    Before the first adoption, which the first start records, the shipped one counts alone.
    """
    adopted = adopted_rulebook()
    if adopted is None:
        return shipped()
    both = stricter(adopted, shipped())
    return _remembered(_by_digest, both.digest, both)


def adopted_rulebook() -> Rulebook | None:
    """Return the rules as the organisation adopted them; None before the first adoption."""
    newest = AdoptedRule.objects.order_by("code", "-id").distinct("code")
    key = frozenset(newest.values_list("code", "sha256"))
    if not key:
        return None
    if known := _adopted.get(key):
        return known
    # An empty text: the place was adopted once, and is no longer.
    tables = {file_of(row.code): from_json(row.table) for row in newest if row.table}
    return _remembered(_adopted, key, _sound(tables))


def rulebook_of(digest: str | None) -> Rulebook:
    """Return the rulebook with this digest, exactly; an unknown one has no rules, so it denies."""
    if digest == shipped().digest:
        return shipped()
    if digest and (known := _by_digest.get(digest) or _recorded(digest)):
        return _remembered(_by_digest, digest, known)
    return replace(shipped(), rows={}, problems=(), digest="", tables={}, _laws={})


def record(rules: Rulebook) -> None:
    """Store what a rulebook says before something is decided by it; a repeat changes nothing."""
    if not RecordedRulebook.objects.filter(digest=rules.digest).exists():
        packs = [to_json(pack.tables) for pack in packs_of(rules)]
        RecordedRulebook.objects.get_or_create(digest=rules.digest, defaults={"packs": packs})


def forget() -> None:
    """Forget what was read, as a new start does."""
    shipped.cache_clear()
    _by_digest.clear()
    _adopted.clear()


def _recorded(digest: str) -> Rulebook | None:
    row = RecordedRulebook.objects.filter(digest=digest).first()
    if row is None:
        return None
    packs = [_sound(from_json(tables)) for tables in row.packs]
    found = stricter(*packs) if len(packs) > 1 else packs[0]
    # Whatever was stored has to be what was meant: anything else is as good as unknown.
    return found if found.digest == digest else None


def _sound(tables: Mapping[str, Mapping[str, Any]]) -> Rulebook:
    try:
        return rulebook_of_tables(tables, kept=True)
    except RulebookError as problem:  # no row can be judged, so none counts
        return replace(shipped(), rows={}, problems=(problem,), digest="", tables=tables, _laws={})


def _remembered(cache: dict[Any, Rulebook], key: Any, found: Rulebook) -> Rulebook:
    """Keep a rulebook, and with it the laws it combined already; the first one of equals stays."""
    if len(cache) >= KEPT and key not in cache:
        cache.clear()
    return cache.setdefault(key, found)
