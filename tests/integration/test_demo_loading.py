"""When the demo company is not loaded, and what an interrupted load comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

PEOPLE, BATCHES = 20, 30
SMALL = {"people": PEOPLE, "batches": BATCHES, "seed": 3}


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    """A folder of this test's own, with a file store in it."""
    settings.HOME = tmp_path
    settings.STORES = {"files": {"kind": "filesystem", "root": tmp_path / "store"}}
    return tmp_path


def test_one_stranger_is_enough_to_refuse(database: Any, home: Path) -> None:
    from portal.models import User

    User.objects.create_user("someone@company.example", name="Someone")

    with pytest.raises(CommandError, match="already holds people"):
        call_command("demo", **SMALL)
    call_command("demo", on_empty=True, **SMALL)

    assert database.sql("SELECT count(*) FROM portal_user") == [(1,)]
    assert not list(home.iterdir())


@pytest.mark.parametrize("wrong", [{"people": 3}, {"batches": 5001}, {"batches": -1}])
def test_a_size_out_of_bounds_is_named(database: Any, home: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(CommandError, match=f"--{next(iter(wrong))} must be"):
        call_command("demo", **{**SMALL, **wrong})

    assert database.sql("SELECT count(*) FROM portal_user") == [(0,)]


def test_a_load_that_was_interrupted_goes_on_to_the_same_end(
    database: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.demo import load, progress

    class Cut(Exception):
        """The process dies here."""

    real = load._do
    left = iter(range(153))  # in the middle of a transaction

    def until_cut(step: Any, world: Any) -> bool:
        if next(left, None) is None:
            raise Cut
        return real(step, world)

    monkeypatch.setattr(load, "_do", until_cut)
    with pytest.raises(Cut):
        call_command("demo", **SMALL)
    assert _told(database) == 0
    password = json.loads((home / "demo-accounts.json").read_text())["password"]

    monkeypatch.setattr(load, "_do", real)
    call_command("demo", on_empty=True)  # whatever sizes it is given, it goes on with what it began

    assert database.sql("SELECT count(*) FROM consent_subject") == [(PEOPLE,)]
    assert database.sql("SELECT count(*) FROM retention_admission") == [(BATCHES,)]
    assert _told(database) == 1
    positions = """
        SELECT count(*) FROM consent_subject s
        WHERE s.position <> (SELECT count(*) FROM consent_consentevent e WHERE e.subject_id = s.id)
    """
    assert database.sql(positions) == [(0,)]
    times = database.sql("SELECT event_time FROM audit_entry WHERE imported ORDER BY id")
    assert times == sorted(times)
    assert json.loads((home / "demo-accounts.json").read_text())["password"] == password
    assert progress.read() is None
    with pytest.raises(CommandError, match="already holds people"):
        call_command("demo", **SMALL)


@pytest.mark.parametrize("before", ["Enrol", "Lease"])
def test_a_machine_that_somebody_connects_meanwhile_is_no_part_of_the_story(
    database: Any, home: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Before the story's own machine, or while that one polls."""
    from consent import services
    from consent.models import Agent
    from consent.policy.types import Platform
    from portal.demo import load

    real, mine = load._do, []

    def connecting(step: Any, world: Any) -> bool:
        if type(step).__name__ == before and step.person.persona and not mine:
            mine.append(services.enrol_agent(
                subject=world.subject(step.person), name="Mine", platform=Platform.LINUX,
                public_key=b"k" * 32,
            ))  # fmt: skip
        return real(step, world)

    monkeypatch.setattr(load, "_do", connecting)

    call_command("demo", **SMALL)

    theirs = Agent.objects.filter(subject=mine[0].subject).exclude(pk=mine[0].pk)
    assert theirs.get().policies.exists()
    assert not mine[0].policies.exists()
    assert database.sql("SELECT count(*) FROM retention_admission") == [(BATCHES,)]


@pytest.mark.parametrize(
    ("act", "before"), [("no", "Decide"), ("stop", "HandIn"), ("pause", "HandIn")]
)
def test_what_somebody_decides_meanwhile_stands(
    database: Any, home: Path, monkeypatch: pytest.MonkeyPatch, act: str, before: str
) -> None:
    from django.utils import timezone

    from consent import selectors, services
    from portal.demo import load

    real, done = load._do, []

    def deciding(step: Any, world: Any) -> bool:
        if type(step).__name__ == before and step.person.persona and not done:
            subject = world.subject(step.person)
            done.append(subject)
            if act == "no":
                purpose = step.answer.purpose
                services.decline_consent(
                    subject=subject, purpose=purpose, notice=world.notice(purpose),
                    deferred=False, language="en",
                )  # fmt: skip
            elif act == "stop":
                services.withdraw_everything(subject=subject)
            else:
                services.pause_capture(subject=subject)
        return real(step, world)

    monkeypatch.setattr(load, "_do", deciding)

    call_command("demo", **SMALL)

    (subject,) = done
    subject.refresh_from_db()
    assert _told(database) == 1
    assert selectors.is_paused(subject) is (act == "pause")
    assert not any(selectors.verdicts_for(subject, at=timezone.now()).allow().values())


def test_an_interrupted_load_is_not_mixed_with_real_people(database: Any, home: Path) -> None:
    from django.utils import timezone

    from portal.demo import orders
    from portal.demo.plan import Order
    from portal.models import User

    User.objects.create_user("employee@halvora.example", name="Mira Sommer")
    User.objects.create_user("someone@company.example", name="Someone")
    orders.write(Order(PEOPLE, BATCHES, 3, timezone.now()))

    with pytest.raises(CommandError, match="already holds people"):
        call_command("demo", **SMALL)

    assert database.sql("SELECT count(*) FROM portal_user") == [(2,)]
    assert database.sql("SELECT count(*) FROM audit_entry") == [(0,)]


def test_without_its_password_an_interrupted_load_stops(database: Any, home: Path) -> None:
    from django.utils import timezone

    from portal.demo import orders
    from portal.demo.plan import Order
    from portal.models import User

    User.objects.create_user("employee@halvora.example", name="Mira Sommer")
    orders.write(Order(PEOPLE, BATCHES, 3, timezone.now()))

    with pytest.raises(CommandError, match=r"without the file demo-accounts\.json"):
        call_command("demo", **SMALL)


def _told(database: Any) -> int:
    told: int = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'demo.loaded'")[0][0]
    return told
