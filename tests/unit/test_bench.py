"""The measurement's own sums: its plan, its copies, its pollers, its tables. Nothing is timed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench import copies, plan, pollers, report

FOUNDED = datetime(2026, 11, 2, 12, tzinfo=UTC)


# --- the plan ----------------------------------------------------------------------------------


def test_two_plans_are_the_same_company() -> None:
    assert plan.archetypes(50) == plan.archetypes(50)
    assert plan.archetypes(50) != plan.archetypes(50, seed=1)


def test_six_people_in_ten_have_decided_something_and_only_a_yes_has_pairs() -> None:
    people = plan.archetypes(1000)
    choices = [choice for one in people for choice in one.choices]

    assert 0.55 < sum(bool(one.choices) for one in people) / len(people) < 0.65
    assert {choice.state for choice in choices} == {"given", "refused", "deferred", "withdrawn"}
    for choice in choices:
        assert bool(choice.pairs) == (choice.state in {"given", "withdrawn"})


def test_nobody_is_asked_for_more_than_the_purpose_may_ask() -> None:
    asked = {
        (purpose.code, f"app-{app:03d}", signal)
        for purpose in plan.PURPOSES
        for app in purpose.apps
        for signal in purpose.signals
    }

    for one in plan.archetypes(500):
        for choice in one.choices:
            assert {(choice.purpose, *pair) for pair in choice.pairs} <= asked


def test_there_are_people_in_a_dozen_places_and_in_some_hundred_cohorts() -> None:
    people = [dict(one.facts) for one in plan.archetypes(plan.ARCHETYPES)]
    cohorts = {(one["work_location"], one["residence"], one["site"]) for one in people}

    assert len({one["work_location"] for one in people}) >= 12
    assert 200 < len(cohorts) < 1000


@pytest.mark.parametrize(("originals", "wanted"), [(1, 0), (3, 1), (7, 100), (100, 999_900)])
def test_the_copies_are_exactly_as_many_as_are_wanted(originals: int, wanted: int) -> None:
    times = copies.copies_of_each(originals, wanted)

    assert len(times) == originals
    assert sum(times) == wanted
    assert min(times) >= 0


def test_both_ways_of_deciding_answer_alike() -> None:
    from bench import decisions

    assert decisions.same_answers(3)


# --- copies in a database ----------------------------------------------------------------------


@pytest.fixture
def filled(database: Any) -> list[plan.Archetype]:
    """A small company: a few people whom the services wrote, and copies of them."""
    from bench import founding

    founding.found_company(24)
    kinds = plan.archetypes(8)
    originals = [founding.write_person(kind, at=FOUNDED).pk for kind in kinds]
    copies.copy_people(originals, people=40)
    return kinds


def compared(kinds: list[plan.Archetype]) -> dict[str, int]:
    from bench import check

    return check.check_sample(kinds, size=40, at=FOUNDED, now=datetime.now(UTC))


def test_a_copy_is_row_for_row_what_the_services_write(
    filled: list[plan.Archetype], database: Any
) -> None:
    found = compared(filled)

    assert found["people"] == 32
    assert found["rows"] > 32 * 6
    assert database.sql("SELECT count(*) FROM consent_subject") == [(40,)]
    assert database.sql("SELECT count(DISTINCT ref) FROM consent_subject") == [(40,)]


def test_the_database_guards_itself_again_after_the_copying(
    filled: list[plan.Archetype], database: Any
) -> None:
    import psycopg

    asleep = "SELECT tgname FROM pg_trigger WHERE tgenabled = 'D'"

    assert database.sql(asleep) == []
    with pytest.raises(psycopg.errors.IntegrityError):
        database.sql(
            "UPDATE consent_agent SET name = 'x' WHERE id = (SELECT max(id) FROM consent_agent)"
        )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.sql("UPDATE consent_subject SET cohort_id = 99999")


def test_every_machine_has_the_token_that_the_pollers_will_use(
    filled: list[plan.Archetype], database: Any
) -> None:
    from bench.founding import token_of
    from portal.api.tokens import token_hash

    rows = database.sql(
        "SELECT a.ref, t.sha256 FROM consent_agent a JOIN portal_agenttoken t ON t.agent_id = a.id"
    )

    assert len(rows) > 10
    assert all(token_hash(token_of(ref)) == bytes(stored) for ref, stored in rows)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("consent_consentscope", "DELETE FROM consent_consentscope"),
        ("consent_consentevent", "UPDATE consent_consentevent SET state = 'refused'"),
        ("consent_personalpolicy", "UPDATE consent_personalpolicy SET revision = revision + 1"),
        ("consent_subjectfact", "UPDATE consent_subjectfact SET source = 'elsewhere'"),
        ("consent_subject", "UPDATE consent_subject SET position = position + 1"),
    ],
)
def test_a_copy_that_differs_is_noticed(
    filled: list[plan.Archetype], database: Any, table: str, change: str
) -> None:
    database.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    database.sql(change)

    with pytest.raises(AssertionError, match=r"is not what services write|another cohort"):
        compared(filled)


def test_people_with_rows_that_are_not_copied_are_refused(
    filled: list[plan.Archetype], database: Any
) -> None:
    from consent.models import Subject
    from consent.services import pause_capture

    copies.forget_copies()
    somebody = Subject.objects.order_by("pk")[0]
    pause_capture(subject=somebody)

    with pytest.raises(RuntimeError, match="not copied"):
        copies.copy_people([somebody.pk], people=50)


# --- the pollers -------------------------------------------------------------------------------


class FakePortal:
    """Answers polls from memory; closes a connection after some answers, as a server may."""

    def __init__(self, closes_after: int = 1000) -> None:
        self.version = 7
        self.asked: list[tuple[str, str]] = []
        self.closes_after = closes_after

    async def met_by(self, story: Any, tokens: list[str]) -> Any:
        """Run a story of agents with these tokens; return what it returns."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        fleet = pollers.spread_over(server.sockets[0].getsockname()[1], tokens, 2)
        try:
            return await story(fleet)
        finally:
            await fleet.close()
            server.close()
            await asyncio.sleep(0.05)  # until the server's side has closed, too

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(self.closes_after):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            named = headers.get("If-None-Match", "")
            self.asked.append((headers["Authorization"], named))
            current = f'"{self.version}.2-3.4"'
            body = b"" if named == current else b"policy"
            status = "304 Not Modified" if named == current else "200 OK"
            length = f"Content-Length: {len(body)}"
            writer.write(
                f"HTTP/1.1 {status}\r\nETag: {current}\r\n{length}\r\n\r\n".encode() + body
            )
            await writer.drain()
        writer.close()


@pytest.mark.parametrize("closes_after", [1000, 3])
def test_the_pollers_hear_of_news_once_and_ask_no_more_then(closes_after: int) -> None:
    portal = FakePortal(closes_after)

    async def story(fleet: pollers.Fleet) -> tuple[Any, Any, int]:
        await fleet.once()
        quiet = await fleet.rest(0.1)
        watching = asyncio.create_task(fleet.watch())
        await asyncio.sleep(0.05)
        portal.version = 8
        seen = await watching
        after = len(portal.asked)
        await asyncio.sleep(0.05)
        return quiet, seen, len(portal.asked) - after

    quiet, seen, asked_later = asyncio.run(portal.met_by(story, ["sat_a", "sat_b", "sat_c"]))

    assert quiet["news"] == 0
    assert quiet["polls_per_second"] > 0
    assert [version for _, version in seen["arrived"]] == [8, 8, 8]
    assert asked_later == 0
    assert {token for token, _ in portal.asked} == {"Bearer sat_a", "Bearer sat_b", "Bearer sat_c"}


# --- the tables --------------------------------------------------------------------------------


def a_round(people: int, extra: float) -> dict[str, Any]:
    change = {
        "cohorts": 5, "revisions": 5, "rows": 12, "people_written": 0, "commit": 100 + extra,
        "agents": 10, "first": 5.0, "half": 50.0, "last": 90.0 + extra, "polls_alone": 80.0,
        "polls_per_second": 1000.0,
    }  # fmt: skip
    busy = {"load": 0.5, "busy": 0.1}
    return {
        "before": busy,
        "after": busy,
        "pure": {"alone_per_second": 10.0, "shared_per_second": 80.0, "ratio": 8.0},
        "verdicts": {"people_per_second": 50.0, "decisions_per_second": 5000.0},
        "changes": dict.fromkeys(report.WORDS, change),
        "memory": {"idle": 90.0, "polled": 120.0},
        "sizes": {"database": people * 1000, "postgresql": "18.6"},
        "seconds": 60.0,
    }


@pytest.fixture
def figures() -> dict[str, Any]:
    filled = {
        "subject": 1000, "cohort": 5, "decided": 600, "consentevent": 700, "consentscope": 5000,
        "agent": 500, "app": 300, "document_bytes": 100_000, "copy_seconds": 1.0,
        "compared": {"people": 30, "rows": 700, "decisions": 9000},
    }  # fmt: skip
    return {
        "date": "2026-11-22",
        "machine": {
            "cores": "2", "processor": "a", "memory": "4 GiB", "system": "Linux", "python": "3.11",
        },
        "filled": {"100": filled, "1000": filled},
        "rounds": [{"100": a_round(100, e), "1000": a_round(1000, e)} for e in (0, 10, 40)],
    }  # fmt: skip


def test_a_table_shows_the_median_and_the_spread(figures: dict[str, Any]) -> None:
    text = report.tables(figures)

    assert "| call to commit, ms | 110 (100 to 140) | 110 (100 to 140) |" in text
    assert "| evaluating everyone anew, s | 2 | 20 |" in text
    assert "| | 100 people | 1,000 people |" in text
    assert text.count("### A rule change: ") == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [([1, 2, 9], "2 (1 to 9)"), ([4], "4"), ([1000.4, 1000.4], "1,000"), ([1, 2], "2 (1 to 2)")],
)
def test_the_spread_of_values(values: list[float], said: str) -> None:
    assert report.spread(values) == said


def test_new_tables_replace_the_old_ones_and_nothing_else(
    figures: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nWords.\n\n## Measured\n\nold\n\n## After\n\nMore.\n")

    report.write_into(page, figures)
    once = page.read_text()
    report.write_into(page, figures)

    assert page.read_text() == once
    assert once.startswith("# Title\n\nWords.\n\n## Measured\n")
    assert once.endswith("\n\n## After\n\nMore.\n")
    assert "old" not in once


def test_a_page_without_the_heading_is_left_alone(figures: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n")

    with pytest.raises(ValueError, match="no heading"):
        report.write_into(page, figures)

    assert page.read_text() == "# Title\n"
