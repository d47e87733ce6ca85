"""Loading the company: step by step in order of time, some steps a transaction, with a banner.

What survives a crash: every transaction that committed, and the note of the order. The same order
gives the same steps, so the next run does those that are missing; nothing is ever deleted.
"""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Subject
from portal.answers import publish_answers
from portal.counts import publish_counts
from portal.demo import accounts, orders, progress
from portal.demo.company import company
from portal.demo.plan import Order, plan
from portal.demo.recording import Applied, Enrol, HandIn, Lease
from portal.demo.steps import Decide, PauseAll, Resume, Step
from portal.demo.world import World
from portal.models import User
from retention import services as retention

logger = logging.getLogger(__name__)

LOCK: Final = 7_215_002
STEPS_AT_ONCE: Final = 20
"""Few enough that nobody waits long for a row that a load holds."""
ROUNDS: Final = 200
OF_ONES_OWN: Final = (Decide, PauseAll, Resume, Enrol, Lease, Applied, HandIn)
"""Steps that are somebody's own act, or their machine's."""


class NotEmptyError(Exception):
    """This database already holds people; the demo is only ever loaded into an empty one."""


class BusyError(Exception):
    """Another process is loading the demo company already."""


class PasswordLostError(Exception):
    """An interrupted load cannot go on without the file demo-accounts.json that it began with."""


def load(*, people: int, batches: int, seed: int) -> int:
    """Load the company, or go on with a load that was interrupted; return how many people it has.

    Raises NotEmptyError, BusyError or PasswordLostError; then nothing was changed.
    """
    with _alone():
        order, resuming = _order(
            Order(people, batches, seed, timezone.now().replace(microsecond=0))
        )
        world = World(
            seed=order.seed, now=order.at, password=_password(resuming=resuming), resuming=resuming
        )
        try:
            with _without_collector():
                _carry_out(plan(order), world, order)
            _finish_deletions()
        finally:
            progress.clear()
        publish_answers(at=timezone.now())
        publish_counts(at=timezone.now())
        orders.clear()
        return order.people


def is_empty() -> bool:
    """Return whether nobody is in this database yet."""
    return not (User.objects.exists() or Subject.objects.exists())


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process load at a time; the lock goes with the connection, whatever kills us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise BusyError(BusyError.__doc__)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare the search for reference cycles: a load makes millions of objects and hardly any."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _order(wanted: Order) -> tuple[Order, bool]:
    """Return the order to carry out, and whether it was begun before."""
    if is_empty():
        orders.write(wanted)
        return wanted, False
    begun = orders.read()
    strangers = User.objects.exclude(email__endswith=f"@{company().domain}")
    if begun is None or strangers.exists():
        raise NotEmptyError(NotEmptyError.__doc__)
    return begun, True


def _password(*, resuming: bool) -> str:
    if resuming:
        password = accounts.read_password()
        if password is None:
            raise PasswordLostError(PasswordLostError.__doc__)
        return password
    password = accounts.new_password()
    # Before the first login is made: a file without logins opens nothing, the reverse is lost.
    accounts.write(password)
    return password


def _carry_out(steps: Sequence[Step], world: World, order: Order) -> None:
    for start in range(0, len(steps), STEPS_AT_ONCE):
        few = steps[start : start + STEPS_AT_ONCE]
        progress.write(done=start, total=len(steps), label=few[0].label)
        with transaction.atomic():
            did = [_do(step, world) for step in few]
            if few[-1] is steps[-1] and did[-1]:
                _say_loaded(order)
    logger.info("demo_loaded steps=%s people=%s", len(steps), order.people)


def _do(step: Step, world: World) -> bool:
    """Carry a step out unless it stands already; return whether it was carried out.

    What somebody does meanwhile who is signed in as a person ends the story of that person.
    """
    if world.resuming and step.done(world):
        return False
    if isinstance(step, OF_ONES_OWN) and world.has_acted(step.person):
        return True
    step.do(world)
    return True


def _say_loaded(order: Order) -> None:
    """The last words of the last transaction: where they stand, everything does."""
    ledger.append(events.DemoLoaded(people=order.people), actor=Actor.system("demo"))


def _finish_deletions() -> None:
    """Do what withdrawals and terms left to be erased, as the workers would, and may meanwhile."""
    for _ in range(ROUNDS):
        owed = retention.owe_expired(at=timezone.now()) is not None
        if not (owed + retention.expand_cases() + retention.run_due_jobs()):
            return
