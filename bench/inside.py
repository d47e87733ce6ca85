"""The parts of a measurement that run inside an installation. A program: prints one JSON line.

`python -m bench.inside PART '{"its": "arguments"}'`, in the environment of the installation.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
import django

django.setup()

from django.db import connection  # noqa: E402

from bench import change, check, copies, decisions, founding, plan, previewing, stopping  # noqa: E402
from retention.models import DeletionCase  # noqa: E402

CASES_SECONDS: Final = 120

SIZES: Final = """
SELECT c.relname, pg_total_relation_size(c.oid), c.reltuples::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 2 DESC LIMIT 12
"""


def establish(kinds: int, apps: int) -> dict[str, Any]:
    """Found the company and write one person of each kind, all through the services."""
    at = plan.days_ago(datetime.now(UTC).date(), founding.DECIDED_DAYS_AGO)
    began = time.monotonic()
    founding.found_company(apps)
    originals = [founding.write_person(kind, at=at).pk for kind in plan.archetypes(kinds)]
    _wait_for_workers()
    return {
        "originals": originals,
        "decided": at.isoformat(),
        "services_seconds": time.monotonic() - began,
    }


def fill(
    people: int, sample: int, originals: list[int], decided: str, services_seconds: float
) -> dict[str, Any]:
    """Copy the people whom the services wrote, and compare a sample with what services write."""
    began = time.monotonic()
    copied = copies.copy_people(originals, people=people)
    seconds = time.monotonic() - began
    at = datetime.fromisoformat(decided)
    kinds = plan.archetypes(len(originals))
    compared = check.check_sample(kinds, size=sample, at=at, now=datetime.now(UTC))
    copies.forget_copies()
    return {
        "people": people,
        "written_by_services": len(originals),
        "copied": copied,
        "services_seconds": services_seconds,
        "copy_seconds": seconds,
        "compared": compared,
        **counts(),
    }


def counts() -> dict[str, Any]:
    """Return how much there is."""
    tables = ("subject", "consentevent", "consentscope", "agent", "cohort", "app")
    with connection.cursor() as cursor:
        found = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM consent_{table}")  # noqa: S608  ours, above
            found[table] = cursor.fetchone()[0]
        cursor.execute("SELECT count(DISTINCT subject_id) FROM consent_consentevent")
        found["decided"] = cursor.fetchone()[0]
        cursor.execute("SELECT avg(pg_column_size(document))::int, avg(length(document::text))::int"
                       " FROM consent_cohortpolicy")  # fmt: skip
        found["document_stored"], found["document_bytes"] = cursor.fetchone()
    return found


def sizes() -> dict[str, Any]:
    """Return the size of the database and of its largest tables, in bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), version()")
        total, version = cursor.fetchone()
        cursor.execute(SIZES)
        tables = {name: {"bytes": size, "rows": rows} for name, size, rows in cursor.fetchall()}
    return {"database": total, "tables": tables, "postgresql": version.split()[1]}


def _wait_for_workers() -> None:
    """Wait until the workers closed what withdrawals owe: copies are to be of finished cases."""
    until = time.monotonic() + CASES_SECONDS
    while DeletionCase.objects.exclude(state=DeletionCase.State.DONE).exists():
        if time.monotonic() > until:
            raise TimeoutError("the workers did not close the cases")
        time.sleep(0.5)


def main(arguments: list[str]) -> None:
    """Run one part and print what it returns."""
    part = PARTS[arguments[0]]
    found = part(**json.loads(arguments[1] if len(arguments) > 1 else "{}"))
    sys.stdout.write(json.dumps(found, default=str) + "\n")


PARTS: Final[dict[str, Callable[..., Any]]] = {
    "establish": establish,
    "fill": fill,
    "counts": counts,
    "sizes": sizes,
    "pure": decisions.measure_pure,
    "verdicts": decisions.measure_verdicts,
    "change": change.measure_change,
    "stop": stopping.measure_stop,
    "previews": previewing.measure_previews,
}

if __name__ == "__main__":
    main(sys.argv[1:])
