"""One rule change, from the call of the service until the last of the affected agents knows."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from django.db import connection, transaction

from bench import founding, plan
from consent import services
from consent.models import Agent, Agreement, AllowlistEntry, App, Cohort, IssuedPolicy, Purpose
from consent.policy.types import Signal
from consent.services.personal import bump_personal_revision
from consent.services.purposes import change_purpose

ROOT: Final = Path(__file__).resolve().parents[1]
PLACE: Final = "DE"
LISTED_LATER: Final = "app-018"
CONNECTIONS: Final = 1000
"""As many as agents, as each has its own."""
REST_SECONDS: Final = 3

PERSONAL: Final = ("consent_subject", "consent_personalpolicy", "consent_cohortmembership")

WRITTEN: Final = """
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""


def new_agreement(turn: int) -> None:
    """Record a works agreement of one place, with a shorter retention each time."""
    today = datetime.now(UTC).date()
    agreement = Agreement(
        # Another each time, also where a folder is measured twice on a day.
        code=f"measured-{turn}-{datetime.now(UTC):%Y%m%dT%H%M%S}",
        title="Works agreement of the measurement",
        parties="The employer and its works council",
        jurisdictions=[PLACE],
        retention_cap_days=59 - turn % 50,
        valid_from=today - timedelta(days=1),
        document_sha256=sha256(b"agreement").hexdigest(),
    )
    services.record_agreement(agreement=agreement, actor=founding.OFFICER)


def changed_allowlist(turn: int) -> None:
    """Let a purpose ask for one signal more of an app that it did not ask for at first."""
    purpose = Purpose.objects.get(code=plan.PURPOSES[0].code)
    app = App.objects.get(code=LISTED_LATER)
    listed = AllowlistEntry.objects.filter(purpose=purpose, app=app).values_list(
        "signal", flat=True
    )
    signal = next(one for one in Signal if one.value not in set(listed))
    services.allow_in_purpose(purpose=purpose, app=app, signals=[signal], actor=founding.OFFICER)


def changed_retention(turn: int) -> None:
    """Keep what one purpose records a day more shortly than before."""
    purpose = Purpose.objects.get(code=plan.PURPOSES[0].code)
    change_purpose(
        purpose=purpose,
        fields={"retention_days": purpose.retention_days - 1},
        actor=founding.OFFICER,
    )


CHANGES: Final[dict[str, Callable[[int], None]]] = {
    "agreement": new_agreement,
    "allowlist": changed_allowlist,
    "retention": changed_retention,
}


@dataclass
class Pollers:
    """The process that polls; one line is asked, one comes back."""

    process: subprocess.Popen[str]
    answers: IO[str] = field(repr=False)

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(command)
        return self.hear()

    def tell(self, command: str) -> None:
        """Send a line."""
        if self.process.stdin is None:
            raise RuntimeError("the pollers' input is closed")
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next line; raises where the process ended or an agent was refused."""
        line = self.answers.readline()
        if not line:
            raise RuntimeError("the pollers ended")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("others"):
            raise RuntimeError(f"some polls were refused: {sorted(set(answer['others']))}")
        return answer


@contextmanager
def polling(tokens: list[str], port: int) -> Iterator[Pollers]:
    """Start the pollers' process and end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.pollers"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the pollers have no pipes")
        pollers = Pollers(process, process.stdout)
        pollers.ask(json.dumps({"tokens": tokens, "port": port, "connections": CONNECTIONS}))
        yield pollers
        process.stdin.close()


def measure_change(kind: str, *, agents: int, port: int, turn: int) -> dict[str, Any]:
    """Commit one change while agents poll; return how long until each of them knew.

    All times are milliseconds after the commit. Raises where an agent's news was not of the
    change, or a cohort of theirs did not change.
    """
    chosen = affected_agents(kind, agents, seed=turn)
    with polling([founding.token_of(one.ref) for one in chosen], port) as pollers:
        pollers.ask("once")
        before = pollers.ask(f"rest {REST_SECONDS}")
        pollers.ask("watch")
        time.sleep(0.5)
        newest = _newest_revision()
        cost = commit(lambda: CHANGES[kind](turn))
        seen = pollers.hear()
        pollers.ask("watch")
        outdated = outdate(chosen)
        alone = pollers.hear()
    versions = [version for _, version in seen["arrived"]]
    _require_news(list(zip((one.pk for one in chosen), versions, strict=True)), newest)
    waited = sorted((arrived - cost["committed"]) * 1000 for arrived, _ in seen["arrived"])
    return {
        **cost,
        "cohorts": Cohort.objects.count(),
        "agents": len(waited),
        "first": waited[0],
        "half": waited[len(waited) // 2],
        "last": waited[-1],
        "polls_per_second": before["polls_per_second"],
        "polls_alone": (max(arrived for arrived, _ in alone["arrived"]) - outdated) * 1000,
    }


def outdate(agents: list[Agent]) -> float:
    """Let each be issued a new policy although nothing shared changed; return when it committed."""
    with transaction.atomic():
        for agent in agents:
            bump_personal_revision(agent.subject)
    return time.monotonic()


def commit(change: Callable[[], None]) -> dict[str, Any]:
    """Make the change in a transaction; return what it took and how many rows it wrote."""
    statements = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    began = time.monotonic()
    with transaction.atomic(), connection.execute_wrapper(count):
        change()
        with connection.cursor() as cursor:
            cursor.execute(WRITTEN)
            rows = {table: number for table, number in cursor.fetchall()}  # noqa: C416
    committed = time.monotonic()
    return {
        "committed": committed,
        "commit": (committed - began) * 1000,
        "statements": statements - 1,
        "rows": sum(rows.values()),
        "revisions": rows.get("consent_cohortpolicy", 0),
        "people_written": sum(rows.get(name, 0) for name in PERSONAL),
    }


def affected_agents(kind: str, count: int, *, seed: int) -> list[Agent]:
    """Return agents picked at random among the people whom the change concerns."""
    found = Agent.objects.filter(standing=Agent.Standing.ACTIVE)
    if kind == "agreement":
        found = found.filter(subject__cohort__facts__jurisdictions__contains=[PLACE])
    keys = list(found.order_by("pk").values_list("pk", flat=True))
    picked = random.Random(seed).sample(keys, min(count, len(keys)))
    return list(Agent.objects.filter(pk__in=picked).select_related("subject").order_by("pk"))


def _newest_revision() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM consent_cohortpolicy")
        return int(cursor.fetchone()[0])


def _require_news(got: list[tuple[int, int]], revision: int) -> None:
    """See in the database that what each agent got was made from a revision of the change."""
    issued = IssuedPolicy.objects.filter(cohort_policy__gt=revision)
    known = set(issued.values_list("agent", "version"))
    if late := set(got) - known:
        raise RuntimeError(f"{len(late)} agents did not get a policy made after the change")
