"""verify_ledger finds what someone with every right in the database has changed."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from audit.sequencer import Sequencer
from audit.verification import Findings, verify
from tests.audit.conftest import alter, altered_for_now, say
from tests.audit.test_sequencer import say_many


@pytest.fixture
def signed(database: Any, sequencer: Sequencer) -> Any:
    """Six signed entries under two checkpoints; one more waits. Entries count from 1."""
    for _ in range(4):
        say(uuid4())
    sequencer.step()
    say()
    say()
    sequencer.step()
    say()
    assert verify().problems == []
    return database


TEXT = "its text is not what was signed"
RECORD = "its number or a time of it was changed"
FLIP = "UPDATE audit_tile SET data = set_byte(data, 70, get_byte(data, 70) # 1)"

# What was done to entry 3 (leaf 2) and its surroundings, and what must be said of it.
CHANGES = {
    "UPDATE audit_entry SET body = set_byte(body, 60, get_byte(body, 60) # 1) WHERE id = 3": [
        f"entry 3 (leaf 2): {TEXT}"
    ],
    "UPDATE audit_entry SET recorded_at = recorded_at - interval '1 day' WHERE id = 3": [
        f"entry 3 (leaf 2): {RECORD}"
    ],
    "UPDATE audit_entry SET recorded_at = recorded_at + interval '1 microsecond' WHERE id = 3": [
        f"entry 3 (leaf 2): {RECORD}"
    ],
    "UPDATE audit_entry SET event_time = now() WHERE id = 3": [f"entry 3 (leaf 2): {RECORD}"],
    "UPDATE audit_entry SET imported = true, event_time = now() WHERE id = 3": [
        f"entry 3 (leaf 2): {RECORD}"
    ],
    """
    ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_body_says_type;
    UPDATE audit_entry SET type = 'consent.given' WHERE id = 3
    """: ["entry 3 (leaf 2): its type was changed"],
    "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE id = 4) WHERE id = 3": [
        f"entry 3 (leaf 2): {TEXT}"
    ],
    """
    ALTER TABLE audit_leaf DROP CONSTRAINT audit_leaf_entry_id_key CASCADE;
    UPDATE audit_leaf SET entry_id = 4 WHERE index = 2
    """: ["entry 3 is neither in the tree nor waiting for it", f"entry 4 (leaf 2): {TEXT}"],
    "UPDATE audit_leaf SET chain = sha256('x') WHERE index = 2": [
        f"entry 3 (leaf 2): {RECORD}",
        f"entry 4 (leaf 3): {RECORD}",
    ],
    "DELETE FROM audit_entry WHERE id = 3": ["entry 3 (leaf 2) is missing"],
    "DELETE FROM audit_leaf WHERE index = 2": [
        "entry 3 is neither in the tree nor waiting for it",
        "leaf 2 is missing",
    ],
    "DELETE FROM audit_pending": ["entry 7 is neither in the tree nor waiting for it"],
    FLIP: [
        "entry 3 (leaf 2): its hash in the tree was changed",
        "tile 0/0 does not hold the hashes below it",
    ],
    "DELETE FROM audit_tile": ["tile 0/0 is missing"],
    "UPDATE audit_checkpoint SET root = sha256('x') WHERE size = 4": [
        "checkpoint 4: the tree has another root",
        "checkpoint 4: another head was signed",
    ],
    "UPDATE audit_checkpoint SET chain = sha256('x') WHERE size = 4": [
        "checkpoint 4: the record chain has another head",
        "checkpoint 4: another record chain was signed",
    ],
    "UPDATE audit_checkpoint SET note = replace(note, '4', '5') WHERE size = 4": ["checkpoint 4: "],
    """
    UPDATE audit_checkpoint SET note = (SELECT note FROM audit_checkpoint WHERE size = 6)
    WHERE size = 4
    """: ["checkpoint 4: another head was signed"],
    "UPDATE audit_ledgerkey SET vkey = 'x'": ["the ledger's public key is missing or not a key"],
    "DROP TRIGGER audit_enqueue ON audit_entry": [
        "the trigger audit_enqueue on audit_entry is missing or switched off"
    ],
}


def test_every_alteration_is_found_and_named(signed: Any) -> None:
    for sql, expected in CHANGES.items():
        with altered_for_now(sql):
            problems = verify("owner").problems
        assert len(problems) == len(expected), (sql, problems)
        for problem, beginning in zip(problems, expected, strict=True):
            assert problem.startswith(beginning), sql


def test_a_forger_with_all_rights_is_named_still(signed: Any) -> None:
    """Text, hash and tile all changed alike; the signed roots do not fit any more."""
    alter(
        "UPDATE audit_entry SET body = set_byte(body, 60, get_byte(body, 60) # 1) WHERE id = 3;"
        "UPDATE audit_tile SET data = overlay(data placing (SELECT leaf_hash FROM audit_entry "
        "WHERE id = 3) from 65)"
    )
    problems = verify().problems
    assert problems[0] == "entry 3 (leaf 2): its number or a time of it was changed"
    assert problems[1:] == [
        "checkpoint 4: the tree has another root",
        "checkpoint 6: the tree has another root",
    ]


def test_many_slices_and_levels(database: Any, sequencer: Sequencer) -> None:
    say_many(2500)
    while sequencer.step(600).entries:
        pass
    findings = verify()
    assert (findings.problems, findings.size, findings.checkpoints) == ([], 2500, 5)

    alter(f"{FLIP} WHERE level = 1 AND index = 0")
    assert verify().problems[0] == "tile 1/0 does not hold the hashes below it"


def test_the_command_says_what_it_found(signed: Any) -> None:
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue().startswith("verified: 6 entries, 2 checkpoints, root ")
    assert out.getvalue().endswith("; 1 waiting\n")

    alter("UPDATE audit_entry SET recorded_at = now()")
    errors = StringIO()
    with pytest.raises(CommandError, match="not what was signed"):
        call_command("verify_ledger", stderr=errors)
    assert errors.getvalue().count("- entry ") == 6


def test_the_command_cuts_a_long_list(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.management.commands import verify_ledger

    found = Findings(problems=[f"problem {n}" for n in range(30)])
    monkeypatch.setattr(verify_ledger, "verify", lambda _: found)
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_ledger", stderr=errors)
    assert errors.getvalue().endswith("- problem 19\n- and 10 more\n")


def test_the_command_on_an_empty_ledger(database: Any) -> None:
    say()
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert out.getvalue() == "Nothing was signed yet; 1 entries are waiting.\n"
