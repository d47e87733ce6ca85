"""Adopting rules: what came with the program and widens something waits until somebody does."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, rules, selectors
from consent.digests import digest
from consent.models import AdoptedRule, Cohort
from consent.policy.adoption import file_of, to_json
from consent.policy.rulebook import GATES, SHARED, Rulebook
from consent.services.cohorts import refresh_cohorts


@transaction.atomic
def adopt_rules(
    *, codes: Sequence[str], actor: Actor, at: datetime | None = None
) -> list[AdoptedRule]:
    """Adopt the shipped rules of places, or `meta` or `gates`; from now on they count alone.

    The words for gates come along, since they permit nothing. Returns what was adopted, without
    what was before. Raises RulesUnknown where no sound shipped file is there, or where a place
    could not stand on the rules adopted so far: then nothing changed.
    """
    adopt_first_rules(at=at or timezone.now())
    shipped = rules.shipped()
    wanted = dict.fromkeys([*codes, GATES.removesuffix(".toml")])
    if unknown := [code for code in wanted if not _is_there(code, shipped)]:
        raise exceptions.RulesUnknown(", ".join(unknown))
    adopted = _adopt(list(wanted), actor, at=at)
    standing = rules.adopted_rulebook()
    if standing and (unfit := [row.code for row in adopted if not _is_there(row.code, standing)]):
        raise exceptions.RulesUnknown(f"{', '.join(unfit)}: adopt the rules above it as well")
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
    return len(_adopt([*codes, *sorted(shipped.rows)], Actor.system("setup"), at=None))


def follow_rules(*, at: datetime) -> int:
    """Refresh the cohorts where the rules in force are not those they were made with.

    So it is after a start with other files, or with a program that writes documents in another
    form. Returns how many cohorts got a new revision.
    """
    in_force = selectors.made_with(rules.rulebook())
    others = Cohort.objects.exclude(rulebook=in_force)
    return refresh_cohorts(at=at) if others.exists() else 0


def _adopt(codes: Sequence[str], actor: Actor, *, at: datetime | None) -> list[AdoptedRule]:
    shipped = rules.shipped()
    newest = AdoptedRule.objects.order_by("code", "-pk").distinct("code")
    standing = dict(newest.values_list("code", "sha256"))
    tables = {code: to_json(shipped.tables[file_of(code)]) for code in codes}
    rows = AdoptedRule.objects.bulk_create(
        AdoptedRule(code=code, pack_version=shipped.version, sha256=digest(table), table=table)
        for code, table in tables.items()
        if standing.get(code) != digest(table)
    )
    if rows:
        ledger.append(
            events.RulesAdopted(
                pack_version=shipped.version,
                jurisdictions=tuple(row.code for row in rows),
                digest=digest(sorted([row.code, row.sha256] for row in rows)),
            ),
            actor=actor,
            covers=rows,
            event_time=at,
        )
    return rows


def _is_there(code: str, pack: Rulebook) -> bool:
    return file_of(code) in SHARED or code in pack.rows
