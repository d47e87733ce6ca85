"""Adopting rules: what came with the program and widens something waits until somebody does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, rules, selectors
from consent.digests import digest
from consent.models import AdoptedRule, Cohort
from consent.policy.adoption import file_of, to_json
from consent.policy.rulebook import GATES, SHARED
from consent.services.cohorts import refresh_cohorts

LONGEST_CODE: Final = 80
"""Of a text in the ledger; texts of several packs may be adopted again together."""

NO_TEXT: Final = digest({})
"""The digest of the empty text, which stands for a place whose rules are adopted no longer."""


@dataclass(frozen=True, slots=True)
class _Text:
    """What is to be adopted for a place, or for `meta` or `gates`."""

    code: str
    pack_version: str
    table: Mapping[str, Any]


@transaction.atomic
def adopt_rules(
    *,
    codes: Sequence[str],
    actor: Actor,
    earlier: Mapping[str, str] = MappingProxyType({}),
    at: datetime | None = None,
) -> list[AdoptedRule]:
    """Adopt the shipped rules of places, or `meta` or `gates`; from now on they count alone.

    The words for gates come along, since they permit nothing. With `earlier` texts adopted before
    are adopted again, by code and digest, NO_TEXT for none; beside them those shipped still count.
    Returns what was adopted, without what was before. Raises RulesUnknown where no sound text is
    there, or where a place could not stand on the rules adopted then: then nothing changed.
    """
    adopt_first_rules(at=at or timezone.now())
    before = _sound_places()
    adopted = _adopt(_earlier(earlier) if earlier else _shipped(codes), actor, at=at)
    given_up = {code for code, text in earlier.items() if text == NO_TEXT}
    places = {code for code in codes if file_of(code) not in SHARED}
    if unfit := sorted((before | places) - given_up - _sound_places()):
        raise exceptions.RulesUnknown(f"{', '.join(unfit)}: could not stand on what is adopted")
    refresh_cohorts(at=at or timezone.now())
    return adopted


@transaction.atomic
def adopt_first_rules(*, at: datetime) -> int:
    """Record on a first start that the shipped rules are those adopted; return how many files.

    Only where nothing was ever adopted: later ones are adopted by people.
    """
    if AdoptedRule.objects.exists():
        return 0
    shipped = rules.shipped()
    codes = [name.removesuffix(".toml") for name in SHARED]
    return len(_adopt(_shipped([*codes, *sorted(shipped.rows)]), Actor.system("setup"), at=None))


def follow_rules(*, at: datetime) -> int:
    """Refresh the cohorts where the rules in force are not those they were made with.

    So it is after a start with other files, or with a program that writes documents in another
    form. Returns how many cohorts got a new revision.
    """
    in_force = selectors.made_with(rules.rulebook())
    others = Cohort.objects.exclude(rulebook=in_force)
    return refresh_cohorts(at=at) if others.exists() else 0


def _shipped(codes: Iterable[str]) -> list[_Text]:
    shipped = rules.shipped()
    wanted = dict.fromkeys([*codes, GATES.removesuffix(".toml")])
    if unknown := [c for c in wanted if file_of(c) not in SHARED and c not in shipped.rows]:
        raise exceptions.RulesUnknown(", ".join(unknown))
    return [_Text(code, shipped.version, to_json(shipped.tables[file_of(code)])) for code in wanted]


def _earlier(texts: Mapping[str, str]) -> list[_Text]:
    """Return texts that were adopted before, as they were."""
    found = []
    for code, text in texts.items():
        row = AdoptedRule.objects.filter(code=code, sha256=text).order_by("pk").last()
        if row is None and text != NO_TEXT:
            raise exceptions.RulesUnknown(code)
        version, table = (row.pack_version, row.table) if row else (rules.shipped().version, {})
        found.append(_Text(code, version, table))
    return found


def _adopt(texts: Iterable[_Text], actor: Actor, *, at: datetime | None) -> list[AdoptedRule]:
    newest = AdoptedRule.objects.order_by("code", "-pk").distinct("code")
    standing = dict(newest.values_list("code", "sha256"))
    rows = AdoptedRule.objects.bulk_create(
        AdoptedRule(code=text.code, pack_version=text.pack_version, sha256=sha, table=text.table)
        for text in texts
        if standing.get(text.code) != (sha := digest(text.table))
    )
    if rows:
        ledger.append(
            events.RulesAdopted(
                pack_version=":".join(sorted({row.pack_version for row in rows}))[:LONGEST_CODE],
                jurisdictions=tuple(row.code for row in rows),
                digest=digest(sorted([row.code, row.sha256] for row in rows)),
            ),
            actor=actor,
            covers=rows,
            event_time=at,
        )
    return rows


def _sound_places() -> set[str]:
    """Return the places whose adopted rules can be read, and stand on those above them."""
    adopted = rules.adopted_rulebook()
    return set(adopted.rows) if adopted else set()
