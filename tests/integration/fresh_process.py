"""A process of the freshness tests: a server as `up` starts it, or one who decides.

python -m tests.integration.fresh_process ROLE FOLDER NUMBER; ROLE: server, person or officer. For a
server NUMBER is that of the socket that it listens at.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from tests.integration import fresh_breaks
from tests.integration.fresh_plan import (
    OPEN,
    PAIRS,
    PURPOSE,
    RUNNING,
    Plan,
    going,
    yes,
)

OFFICERS = (UUID(int=101), UUID(int=102))
LATE = """
SELECT EXISTS (SELECT 1 FROM portal_unmarked
               WHERE pg_xact_status(xmin::text::xid8) = 'in progress')
"""
"""Whether this very transaction left a row: what others have in progress nobody else sees."""
Turns = dict[str, bool]


def serve(plan: Plan, number: int) -> None:
    """Serve the whole portal at an open socket, but for the part that is taken out."""
    from portal import web

    import_module(web.APPLICATION.partition(":")[0])  # sets Django up
    if plan.without in fresh_breaks.SERVERS:
        fresh_breaks.SERVERS[plan.without]()
    web.serve(web.APPLICATION, fd=number)


class Writer(ABC):
    """Decides again and again; notes which switches each commit turned, and when it was."""

    def __init__(self, plan: Plan, folder: Path, name: str, seed: int) -> None:
        import django

        django.setup()
        self.plan, self.folder, self.name = plan, folder, name
        self.chance = random.Random(seed)
        self.rate = plan.rate
        if plan.without in fresh_breaks.WRITERS:
            fresh_breaks.WRITERS[plan.without]()

    @abstractmethod
    def decide(self) -> Turns:
        """Change something inside a transaction; return the switches it turned."""

    @abstractmethod
    def happened(self) -> None:
        """Take the last decision for what stands: it was committed."""

    def write_on(self) -> None:
        """Decide until told to stop."""
        from consent.exceptions import NotOffered

        with (self.folder / f"{self.name}.changes").open("w", buffering=1) as file:
            (self.folder / f"{self.name}.ready").touch()
            while not (self.folder / "go").exists():
                time.sleep(0.05)
            while not (self.folder / "stop").exists():
                with contextlib.suppress(NotOffered):  # the app is reported just now
                    file.write(self._one())
                time.sleep(min(self.chance.expovariate(self.rate), 10.0))

    def _one(self) -> str:
        """Make one change; return how it is noted, nothing where it was taken back."""
        from django.db import connection, transaction

        committed: list[int] = []
        with transaction.atomic():
            # The first thing after the commit, before anything else that waits for it.
            transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
            turns = self.decide()
            with connection.cursor() as cursor:
                cursor.execute(LATE)
                late = cursor.fetchone()[0]
            if self.chance.random() < 0.3:  # the moment between mark and commit, drawn out
                time.sleep(self.chance.random() * 0.05)
            if self.chance.random() < 0.1:
                transaction.set_rollback(True)
                return ""
            before = time.monotonic_ns()
        self.happened()
        turned = " ".join(f"{switch}={int(on)}" for switch, on in turns.items())
        return f"{before} {committed[0]} {int(late)} {turned}\n"


class Person(Writer):
    """Some of the people: they withdraw, agree to more or less, pause and resume."""

    def __init__(self, plan: Plan, folder: Path, number: int) -> None:
        super().__init__(plan, folder, f"person-{number}", 1000 + number)
        from consent.models import Subject

        self.mine = [n for n in range(len(plan.subjects)) if n % plan.writers == number]
        self.people = {n: Subject.objects.get(pk=plan.subjects[n]) for n in self.mine}
        self.agreed = {n: set(range(len(PAIRS))) for n in self.mine}
        self.paused: set[int] = set()
        self._then: tuple[int, set[int], bool] = (0, set(), False)

    def decide(self) -> Turns:
        person = self.chance.choice(self.mine)
        if person in self.paused or self.chance.random() < 0.4:
            return self._pause(person)
        return self._answer(person)

    def happened(self) -> None:
        person, agreed, paused = self._then
        self.agreed[person] = agreed
        (self.paused.add if paused else self.paused.discard)(person)

    def _pause(self, person: int) -> Turns:
        from consent import services

        paused = person not in self.paused
        if paused:
            services.pause_capture(subject=self.people[person])
        else:
            services.resume_capture(subject=self.people[person])
        self._then = person, self.agreed[person], paused
        return {going(person): not paused}

    def _answer(self, person: int) -> Turns:
        from consent import services
        from consent.models import Notice
        from consent.policy.types import Signal

        every = range(len(PAIRS))
        wanted = self.chance.choice([set(), {0}, {1}, set(every)])
        if not self.agreed[person]:
            wanted = wanted or set(every)
        if not wanted:
            services.withdraw_consent(subject=self.people[person], purpose=PURPOSE)
        else:
            services.give_consent(
                subject=self.people[person],
                purpose=PURPOSE,
                notice=Notice.objects.get(),
                pairs=[services.Pair(PAIRS[n][0], Signal(PAIRS[n][1])) for n in wanted],
                language="en",
            )
        self._then = person, wanted, person in self.paused
        return {yes(person, pair): pair in wanted for pair in every}


class Officer(Writer):
    """Whoever decides for everybody: the kill switch, and a report about an app."""

    def __init__(self, plan: Plan, folder: Path, number: int) -> None:
        super().__init__(plan, folder, "officer", 2000 + number)
        from tests import factories

        for officer in OFFICERS:
            factories.make_officer(officer)
        self.rate = plan.rate / 10
        self.off: dict[str, Any] = {}
        self._last = OPEN
        self._then: tuple[str, Any] = ("", None)

    def decide(self) -> Turns:
        # What is off comes on again first, and soon: else nobody would be allowed anything.
        switch = next(iter(self.off), RUNNING if self._last == OPEN else OPEN)
        self._then = switch, (self._app if switch == OPEN else self._all)()
        return {switch: switch in self.off}

    def happened(self) -> None:
        self._last, standing = self._then
        if standing is None:
            del self.off[self._last]
        else:
            self.off[self._last] = standing
        self.rate = self.plan.rate if self.off else self.plan.rate / 10

    def _all(self) -> Any:
        from consent import services

        if RUNNING not in self.off:
            return services.pull_kill_switch(
                purpose=None, by=OFFICERS[0], role="operator", reason="incident"
            )
        for officer in OFFICERS:
            services.release_kill_switch(switch=self.off[RUNNING].uuid, officer=officer)
        return None

    def _app(self) -> Any:
        from audit.ledger import Actor
        from consent import services
        from consent.models import App
        from consent.policy.types import AppCategory
        from tests import factories

        app, officer = App.objects.get(code=PAIRS[1][0]), Actor.staff(OFFICERS[0])
        if OPEN in self.off:
            factories.unblock(app)
            return None
        return services.report_app(
            app=app, suspected=AppCategory.HEALTH, reporter=OFFICERS[0], actor=officer
        )


def main() -> None:
    role, folder, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    plan = Plan.read(folder)
    if role == "server":
        serve(plan, number)
    else:
        writers: dict[str, type[Person] | type[Officer]] = {"person": Person, "officer": Officer}
        writers[role](plan, folder, number).write_on()


if __name__ == "__main__":
    main()
