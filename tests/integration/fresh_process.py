"""A process of the freshness tests: a reader that polls, or a writer that decides.

python -m tests.integration.fresh_process ROLE DATABASE FOLDER NUMBER
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import _point_everything_at
from tests.integration.polling import ask

NOTHING, DENIED, ALLOWED = 0, 1, 2
AT_ONCE = 12


def reader(plan: dict[str, Any], folder: Path, number: int) -> None:
    """Poll for one person after another, all at once, and write down every answer."""
    import uvloop

    # asked, there, person * 4 + what it said
    events = array.array("Q")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_read(plan, folder, number, events))
    with (folder / f"reader-{number}.events").open("wb") as file:
        events.tofile(file)


async def _read(plan: dict[str, Any], folder: Path, number: int, events: array.array[int]) -> None:
    from portal.endpoint.asgi import PolicyFirst, _begin
    from tests.integration.short_polls import ask_shortly

    async def nowhere(*_: Any) -> None:
        raise AssertionError("a poll was handed on")

    app = PolicyFirst(nowhere)
    app._endpoint = _begin()
    tokens = plan["tokens"]
    tags: list[str | None] = [None] * len(tokens)
    allows: dict[str, bool] = {}
    chance = random.Random(number)
    stop = folder / "stop"
    done = False

    async def poll_on(first: int) -> None:
        mine = range(first, len(tokens), AT_ONCE)  # one machine asks one thing at a time
        while not done:
            person = chance.choice(mine)
            tag = tags[person]
            asked = time.monotonic_ns()
            if number % 2:  # as the server's protocol asks
                said = await ask_shortly(app._endpoint, tokens[person], tag)
            else:
                said = await ask(app, tokens[person], tag)
            there = time.monotonic_ns()
            kind = NOTHING
            if said.status == 200:
                tags[person] = said.etag
                if said.etag not in allows:
                    allows[said.etag] = said.allows
                kind = ALLOWED if allows[said.etag] else DENIED
            elif said.status == 304 and tag:
                kind = ALLOWED if allows[tag] else DENIED
            elif said.status == 503:
                await asyncio.sleep(0.02)
            else:
                raise AssertionError(said)
            events.extend((asked, there, person * 4 + kind))
            await asyncio.sleep(plan["pause"])

    async def look_for_the_end() -> None:
        nonlocal done
        most = plan["answers"] // plan["readers"]
        while not stop.exists() and not (most and len(events) // 3 >= most):
            await asyncio.sleep(0.1)
        done = True

    (folder / f"reader-{number}.ready").touch()
    while not (folder / "go").exists():
        await asyncio.sleep(0.1)
    for person, token in enumerate(tokens):  # so that the first seconds are not spent on issuing
        said = await ask(app, token)
        tags[person], allows[said.etag] = said.etag, said.allows
    (folder / f"reader-{number}.warm").touch()
    await asyncio.gather(look_for_the_end(), *(poll_on(first) for first in range(AT_ONCE)))
    await app._endpoint.close()


def writer(plan: dict[str, Any], folder: Path, number: int) -> None:
    """Withdraw, agree, pause and resume; write down when each was committed."""
    from django.db import transaction

    from consent.models import Subject

    chance = random.Random(1000 + number)
    mine = [n for n in range(len(plan["subjects"])) if n % plan["writers"] == number]
    people = {n: Subject.objects.get(pk=plan["subjects"][n]) for n in mine}
    allowed = dict.fromkeys(mine, True)
    lines = []
    (folder / f"writer-{number}.ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.1)
    committed: list[int] = []
    while not (folder / "stop").exists():
        person = chance.choice(mine)
        committed.clear()
        with transaction.atomic():
            # The first thing after the commit, before anything else that waits for it.
            transaction.on_commit(lambda: committed.append(time.monotonic_ns()))
            _decide(people[person], plan, allows=not allowed[person], chance=chance)
            if chance.random() < 0.3:  # the moment between mark and commit, drawn out
                time.sleep(chance.random() * 0.05)
            if chance.random() < 0.1:
                transaction.set_rollback(True)
                continue
            before = time.monotonic_ns()
        allowed[person] = not allowed[person]
        lines.append(f"{person} {int(allowed[person])} {before} {committed[0]}")
        time.sleep(chance.expovariate(plan["rate"]))
    (folder / f"writer-{number}.changes").write_text("\n".join(lines))


def _decide(subject: Any, plan: dict[str, Any], *, allows: bool, chance: random.Random) -> None:
    """Change whether the person's machine may capture; a pause and a withdrawal in turn."""
    from consent import selectors, services
    from consent.models import Notice
    from consent.policy.types import Signal

    if not allows:
        if chance.random() < 0.5:
            services.pause_capture(subject=subject)
        else:
            services.withdraw_consent(subject=subject, purpose="train-agents")
        return
    if selectors.is_paused(subject):
        services.resume_capture(subject=subject)
    else:
        services.give_consent(
            subject=subject,
            purpose="train-agents",
            notice=Notice.objects.get(),
            pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
            language="en",
        )


# --- taking a part of the fence out ---------------------------------------------------------------


def without_mark() -> None:
    """Let changes mark nothing in Redis, and leave no row."""
    from consent import hooks

    hooks._policy_changing.clear()


def without_order() -> None:
    """Let changes mark only after the commit, as is done for an ordinary cache."""
    from django.db import transaction

    from consent import hooks
    from portal.endpoint import marks

    def late(**who: Any) -> None:
        def mark() -> None:
            time.sleep(random.random() * 0.05)
            with transaction.atomic():
                marks.policy_changing(**who)

        transaction.on_commit(mark)

    hooks._policy_changing[:] = [late]


def without_rows() -> None:
    """Let what cannot be marked be forgotten."""
    from types import SimpleNamespace

    from portal.endpoint import marks

    class Nothing:
        objects = SimpleNamespace(bulk_create=list)

        def __init__(self, **_: Any) -> None: ...

    marks.Unmarked = Nothing  # type: ignore[assignment, misc]


def without_bound() -> None:
    """Let readers believe Redis for an hour after they last heard from PostgreSQL."""
    from portal.endpoint import watch

    watch.VALID = 3600.0  # type: ignore[misc]


PARTS = {
    "mark": without_mark,
    "order": without_order,
    "rows": without_rows,
    "bound": without_bound,
}


def main() -> None:
    role, database, folder, number = sys.argv[1:]
    _point_everything_at(database)
    plan = json.loads((Path(folder) / "plan.json").read_text())
    from django.db import connections

    connections.settings["default"]["CONN_MAX_AGE"] = None  # as good as the web process's pool
    if relayed := os.environ.get("TEST_POSTGRES_HOST"):
        connections.settings["default"]["HOST"] = relayed
    if plan["without"]:
        PARTS[plan["without"]]()
    {"reader": reader, "writer": writer}[role](plan, Path(folder), int(number))


if __name__ == "__main__":
    main()
