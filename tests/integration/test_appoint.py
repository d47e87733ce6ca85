"""`manage.py appoint`: the first way in on an empty installation."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def appoint(*arguments: str) -> str:
    out = io.StringIO()
    call_command("appoint", *arguments, stdout=out)
    return out.getvalue()


def roles(database: Any) -> list[tuple[str, ...]]:
    return database.sql(
        "SELECT u.email, g.role FROM portal_rolegrant g JOIN portal_user u ON u.id = g.user_id"
        " WHERE g.revoked_at IS NULL ORDER BY 1, 2"
    )


def test_a_new_login_can_sign_in_with_the_password_said(database: Any, client: Any) -> None:
    said = appoint("mara@example.org", "--name", "Mara", "--role", "privacy_officer")
    password = re.search(r"once: (\S+)", said)
    assert password
    answer = client.post("/accounts/login/", {"login": "mara@example.org", "password": password[1]})
    assert answer.status_code == 302
    assert client.get("/privacy/").status_code == 200


def test_a_repeat_changes_nothing_and_says_no_password(database: Any) -> None:
    appoint("mara@example.org", "--name", "Mara", "--role", "auditor")
    said = appoint("mara@example.org", "--role", "auditor")
    assert "password" not in said
    assert roles(database) == [("mara@example.org", "auditor")]


def test_a_role_taken_away_is_gone_and_in_the_ledger(database: Any) -> None:
    appoint("mara@example.org", "--name", "Mara", "--role", "auditor")
    appoint("mara@example.org", "--remove-role", "auditor")
    assert roles(database) == []
    entries = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'role.removed'")
    assert entries == [(1,)]


def test_an_employee_gets_the_law_of_their_place(database: Any) -> None:
    said = appoint("ada@example.org", "--name", "Ada", "--works-in", "DE", "--unit", "research")
    assert "employee" in said
    assert database.sql(
        "SELECT c.facts->'jurisdictions' FROM consent_subject s"
        " JOIN consent_cohort c ON c.id = s.cohort_id"
    ) == [(["DE"],)]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["nobody@example.org"], "--name"),
        (["not an address", "--name", "X"], "not an e-mail address"),
        (["a@example.org", "--name", "A", "--works-in", "XX"], "not a known jurisdiction"),
        (["a@example.org", "--name", "A", "--remove-role", "auditor"], "does not hold"),
    ],
)
def test_what_cannot_be_done_names_what_to_do_and_changes_nothing(
    database: Any, arguments: list[str], names: str
) -> None:
    with pytest.raises(CommandError, match=names):
        appoint(*arguments)
    assert database.sql("SELECT count(*) FROM portal_user") == [(0,)]
