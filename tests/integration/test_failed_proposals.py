"""A change that is refused at its hour: failed, with its reason, told where somebody looks."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from tests import factories
from tests.integration.test_kill_switch import said
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import (
    ADD,
    BERLIN,
    LONGER,
    MUNICH,
    OTHER,
    REMOVE,
    SHORTER,
    council,  # noqa: F401  a fixture
    current,
    propose,
    vote,
    world,  # noqa: F401  a fixture
)

LISTED = "SELECT count(*) FROM consent_allowlistentry WHERE signal = 'key_meta'"


def agreed(kind: str, payload: Any) -> Any:
    hour = datetime.now(UTC) + timedelta(hours=1)
    proposal = vote(propose(kind, payload, effective_at=hour), OTHER)
    assert proposal.state == "approved"
    return proposal


def its_hour() -> Any:
    return time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True)


def broken(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Let changes of a purpose meet a fault: at once, or only when all is to be committed."""
    from consent.services.changes import purposes

    honest = purposes.change_purpose

    def change_purpose(**asked: Any) -> Any:
        if how == "away":
            raise OperationalError("the database restarts")
        if how == "fault":
            raise LookupError("no such thing")
        if how == "commit":  # a row that needs an entry in the ledger, and gets none
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO consent_setting (key, value) VALUES ('odd', '1')")
        made = honest(**asked)
        if how == "done":
            transaction.on_commit(_fail_after_all)
        return made

    monkeypatch.setattr(purposes, "change_purpose", change_purpose)


def _fail_after_all() -> None:
    raise LookupError("nobody to nudge")


@pytest.mark.parametrize(
    ("how", "reason"), [("commit", "refused_by_database"), ("fault", "cannot_be_made")]
)
def test_what_is_refused_at_its_hour_fails_once_and_keeps_nobody_waiting(
    world: Any,  # noqa: F811
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    how: str,
    reason: str,
) -> None:
    from consent import services

    refused, sound = agreed("purpose.change", LONGER), agreed("allowlist.change", ADD)
    broken(monkeypatch, how)

    with its_hour(), caplog.at_level(logging.CRITICAL):
        assert services.apply_due_proposals() == 2
        assert services.apply_due_proposals() == 0

    refused.refresh_from_db()
    assert (refused.state, refused.failure, refused.applied_at) == ("failed", reason, None)
    assert refused.failed_at is not None
    assert [entry["reason"] for entry in said(database, "proposal.failed")] == [reason]
    assert (current(database), said(database, "purpose.changed")) == (60, [])
    assert database.sql("SELECT count(*) FROM consent_setting WHERE key = 'odd'") == [(0,)]
    sound.refresh_from_db()
    assert (sound.state, sound.failure) == ("applied", "")
    assert database.sql(LISTED) == [(1,)]


def test_what_failed_but_was_done_all_the_same_stays_done(
    world: Any,  # noqa: F811
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error came after the commit: the change is in effect, once, and nothing else is said."""
    from consent import services

    proposal = agreed("purpose.change", LONGER)
    broken(monkeypatch, "done")

    with its_hour(), caplog.at_level(logging.CRITICAL):
        services.apply_due_proposals()
        assert services.apply_due_proposals() == 0

    proposal.refresh_from_db()
    assert (proposal.state, proposal.failure, proposal.failed_at) == ("applied", "", None)
    assert current(database) == 90
    assert len(said(database, "proposal.applied")) == len(said(database, "purpose.changed")) == 1
    assert said(database, "proposal.failed") == []


def test_a_database_that_was_away_is_no_reason_to_fail(
    world: Any,  # noqa: F811
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from consent import services

    proposal = agreed("purpose.change", LONGER)
    with its_hour():
        with monkeypatch.context() as patched:
            broken(patched, "away")
            with pytest.raises(OperationalError):
                services.apply_due_proposals()
        proposal.refresh_from_db()
        assert proposal.state == "approved"
        assert services.apply_due_proposals() == 1

    assert current(database) == 90


def told() -> list[Any]:
    out = io.StringIO()
    call_command("attention", json=True, stdout=out)
    return [one for one in json.loads(out.getvalue()) if one["matter"] == "failed"]


def test_its_page_and_the_first_page_say_why_and_what_to_do(
    world: Any,  # noqa: F811
    database: Any,
) -> None:
    slow = propose("purpose.change", LONGER)
    propose("purpose.change", SHORTER)
    vote(slow, OTHER)
    officer, member = signed_in("privacy_officer"), signed_in("works_council")
    page = f"/privacy/changes/{slow.uuid}/"
    form = "/privacy/changes/new/purpose.change/?purpose=train-agents"

    shown = officer.get(page).content.decode()

    assert "What it starts from has been changed by another proposal." in shown
    assert form in shown
    assert "before_changed" not in shown
    assert form not in member.get(page).content.decode(), "a council proposes nothing"
    home = officer.get("/privacy/").content.decode()
    assert page in home
    assert "agreed to, and not made" in home
    (line,) = told()
    assert (line["severity"], line["due"]) == ("now", None)
    assert "What it starts from has been changed by another proposal." in line["text"]
    assert officer.get(form).status_code == 200


def test_it_is_told_until_the_same_is_proposed_anew(
    world: Any,  # noqa: F811
    database: Any,
) -> None:
    slow = propose("purpose.change", LONGER)
    propose("purpose.change", SHORTER)
    vote(slow, OTHER)

    propose("allowlist.change", REMOVE)
    assert len(told()) == 1, "that is another change"
    propose("purpose.change", LONGER)
    assert told() == []


def test_it_is_not_told_for_ever(world: Any, database: Any) -> None:  # noqa: F811
    slow = propose("purpose.change", LONGER)
    propose("purpose.change", SHORTER)
    vote(slow, OTHER)

    with time_machine.travel(datetime.now(UTC) + timedelta(days=59)):
        assert len(told()) == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(days=61)):
        assert told() == []


def test_every_refusal_has_a_sentence() -> None:
    from consent import exceptions
    from portal.pages.changes import failures

    assert failures.why("beyond_agreement") == exceptions.BeyondAgreement().detail
    for code in failures.WHY:
        assert str(failures.why(code)).endswith(".")


def test_an_app_that_became_protected_meanwhile_needs_another_approval(
    world: Any,  # noqa: F811
    council: None,  # noqa: F811
    database: Any,
) -> None:
    """The councils that are asked are the same; one officer is enough no longer."""
    from consent import services

    marks = [["web", "domain", "other.example"]]
    proposal = propose(
        "app.change",
        {"app": "tracker", "fields": {"matchers": marks}},
        effective_at=datetime.now(UTC) + timedelta(hours=1),
    )
    for unit, member in (("munich", MUNICH), ("berlin", BERLIN)):
        vote(proposal, member, unit=unit)
    assert vote(proposal, OTHER).state == "approved"
    services.change_app(
        app=world.apps["tracker"], fields={"category": "health"}, actor=factories.OFFICER
    )

    with its_hour():
        assert services.apply_due_proposals() == 1

    proposal.refresh_from_db()
    assert (proposal.state, proposal.failure) == ("failed", "approval_missing")
