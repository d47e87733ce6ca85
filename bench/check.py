"""Whether copied people are what services would have written: compared with freshly made twins."""

from collections import Counter
from datetime import datetime
from typing import Any, Final

from django.db import models, transaction

from bench import founding, plan
from bench.copies import TABLES, sample_of_copies
from consent import selectors
from consent.digests import digest
from consent.models import ConsentEvent, Subject
from portal.models import AgentToken
from retention.models import DeletionCase

OWN: Final = {
    "id", "ref", "uuid", "subject", "event", "agent", "consent_event", "public_key", "sha256",
    "recorded_at", "changed_at", "created_at", "opened_at", "used_at",
}  # fmt: skip
"""Keys, whose row it is, and when the row was written: these differ between any two people."""

OF_WORKERS: Final = {DeletionCase: {"state", "closed_at"}}
"""What a worker has filled in meanwhile: there is nothing to delete, so the case is closed."""


def check_sample(
    archetypes: list[plan.Archetype], *, size: int, at: datetime, now: datetime
) -> dict[str, int]:
    """Compare that many copies with twins made by the services; raise on any difference.

    A twin lives in a transaction that is rolled back. Compared are all rows and columns but keys,
    and what is decided: every allowed and denied pair with its reasons.
    """
    compared: Counter[str] = Counter()
    for subject, number in sample_of_copies(size):
        with transaction.atomic():
            twin = founding.write_person(archetypes[number], at=at)
            compared += _compare(Subject.objects.get(pk=subject), twin, now)
            transaction.set_rollback(True)
    return dict(compared)


def _compare(copy: Subject, twin: Subject, now: datetime) -> Counter[str]:
    compared: Counter[str] = Counter({"people": 1})
    for one in TABLES:
        ours, theirs = rows_of(one.model, copy), rows_of(one.model, twin)
        if ours != theirs:
            raise AssertionError(f"{one.table} of {copy.pk} is not what services write")
        compared["rows"] += ours.total()
    if copy.cohort is None or copy.cohort.digest != digest(selectors.cohort_facts(copy, at=now)):
        raise AssertionError(f"{copy.pk} is in another cohort than their facts call for")
    decided, expected = (selectors.verdicts_for(one, at=now) for one in (copy, twin))
    if (decided.allowed(), decided.denied()) != (expected.allowed(), expected.denied()):
        raise AssertionError(f"for {copy.pk} something else is decided than for a twin")
    compared["decisions"] += len(decided.pairs)
    return compared


def rows_of(model: type[models.Model], subject: Subject) -> Counter[tuple[Any, ...]]:
    """Return a person's rows of a table, keys and times of writing left out, in no order."""
    way = {Subject: "pk", ConsentEvent: "subject", AgentToken: "agent__subject"}.get(model)
    names = [one.name for one in model._meta.concrete_fields]  # noqa: SLF001
    if way is None:
        way = "subject" if "subject" in names else "event__subject"
    kept = [name for name in names if name not in OWN | OF_WORKERS.get(model, set())]
    rows = model.objects.filter(**{way: subject.pk}).values_list(*kept)  # type: ignore[attr-defined]
    return Counter(tuple(map(repr, row)) for row in rows)
