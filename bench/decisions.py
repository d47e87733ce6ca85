"""How many decisions a core makes: in the pure core alone, and for people in the database."""

import os
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from bench import plan
from consent import selectors
from consent.models import Subject
from consent.policy.evaluate import evaluate, evaluate_many
from consent.policy.facts import EVERY, AppFacts, Facts, PersonFacts
from consent.policy.rulebook import load_rulebook
from consent.policy.types import ConsentState, DataOf, Signal

CORE = 0


def measure_pure(people: int) -> dict[str, float]:
    """Return decisions per second of the pure core, on one core, and the ratio of two ways.

    `alone` asks one question after the other, each with all its facts. `shared` prepares what a
    cohort has in common once, and adds each person's part. Both answer the same questions.
    """
    kinds = plan.archetypes(people)
    with one_core():
        shared_answers, shared_seconds = _timed(_shared(kinds))
        few = kinds[: max(1, people // 10)]
        alone_answers, alone_seconds = _timed(_alone(few))
    shared, alone = shared_answers / shared_seconds, alone_answers / alone_seconds
    return {
        "questions": shared_answers,
        "shared_per_second": shared,
        "alone_per_second": alone,
        "ratio": shared / alone,
    }


def same_answers(people: int) -> bool:
    """Return whether both ways give the same answers for that many people."""
    kinds = plan.archetypes(people)
    return [d.codes for d in _shared(kinds)] == [d.codes for d in _alone(kinds)]


def measure_verdicts(people: int, *, seed: int) -> dict[str, float]:
    """Return for how many people a second all verdicts come out of the database, on one core.

    The people are picked at random; this process and PostgreSQL's for it share the one core.
    """
    chosen = random_subjects(people, seed=seed)
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    with one_core(backend):
        pairs, seconds = _timed(
            pair for one in chosen for pair in selectors.verdicts_for(one, at=now).pairs
        )
    return {"people_per_second": people / seconds, "decisions_per_second": pairs / seconds}


def random_subjects(count: int, *, seed: int) -> list[Subject]:
    """Return people picked at random, the same ones for the same seed."""
    last = Subject.objects.order_by("-pk").values_list("pk", flat=True)[0]
    dice = random.Random(seed)
    found: dict[int, Subject] = {}
    while len(found) < min(count, Subject.objects.count()):
        keys = [dice.randint(1, last) for _ in range(count)]
        found |= Subject.objects.select_related("cohort").in_bulk(keys)
    return list(found.values())[:count]


@contextmanager
def one_core(*others: int) -> Iterator[None]:
    """Keep this process, and the others named, on one core."""
    free = os.sched_getaffinity(0)
    ours = [0, *others]
    for pid in ours:
        os.sched_setaffinity(pid, {CORE})
    try:
        yield
    finally:
        for pid in ours:
            os.sched_setaffinity(pid, free)


def _timed(answers: Iterable[Any]) -> tuple[int, float]:
    """Exhaust the answers; return how many there were and how long it took."""
    began = time.perf_counter()
    count = sum(1 for _ in answers)
    return count, time.perf_counter() - began


def _person(kind: plan.Archetype, purpose: plan.PlannedPurpose) -> dict[str, Any]:
    facts = dict(kind.facts)
    choice = next((one for one in kind.choices if one.purpose == purpose.code), None)
    today = datetime.now(UTC).date()
    return {
        "jurisdictions": frozenset({facts["work_location"], facts["residence"]}),
        "at": today,
        "consent": ConsentState(choice.state) if choice else ConsentState.UNKNOWN,
        "consent_given_on": today if choice else None,
        "notice_on": plan.days_ago(today, 90).date(),
        "notice_waived": False,
        "notice_version_ok": choice is not None,
        "ack": choice is not None,
        "gates": EVERY,
        "in_hours": True,
        "paused": False,
        "killed": False,
        "agent_standing": "active",
        "counsel_signed_off": EVERY,
        "own_retention_days": purpose.retention_days,
    }


def _apps(purpose: plan.PlannedPurpose) -> list[dict[str, Any]]:
    return [
        {
            "app": app.code,
            "app_allowed": number in purpose.apps,
            "app_category": app.category,
            "counterparties": frozenset() if app.data_of is DataOf.OWN else None,
        }
        for number, app in enumerate(plan.apps())
    ]


def _chosen(kind: plan.Archetype, purpose: plan.PlannedPurpose) -> set[tuple[str, Signal]]:
    return {p for choice in kind.choices if choice.purpose == purpose.code for p in choice.pairs}


def _shared(kinds: list[plan.Archetype]) -> Iterator[Any]:
    prepared = {one: tuple(AppFacts(**app) for app in _apps(one)) for one in plan.PURPOSES}
    for kind in kinds:
        for purpose, apps in prepared.items():
            person = PersonFacts(**_person(kind, purpose))
            chosen: set[Any] = _chosen(kind, purpose)
            yield from evaluate_many(person, apps, load_rulebook(), consented=chosen).values()


def _alone(kinds: list[plan.Archetype]) -> Iterator[Any]:
    apps = {one: _apps(one) for one in plan.PURPOSES}
    for kind in kinds:
        for purpose in plan.PURPOSES:
            person, chosen = _person(kind, purpose), _chosen(kind, purpose)
            for app in apps[purpose]:
                wanted = frozenset(signal for code, signal in chosen if code == app["app"])
                for signal in Signal:
                    facts = Facts(**person, **app, signal=signal, consented_signals=wanted)
                    yield evaluate(facts, load_rulebook())
