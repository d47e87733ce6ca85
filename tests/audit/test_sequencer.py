"""The sequencer: every entry gets one place, and nothing that disagrees is ever signed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from audit import sequencer as module
from audit import signing, tree
from audit.errors import KeyUnusableError, LedgerDamagedError
from audit.note import Checkpoint, RecordHead, Verifier
from audit.sequencer import Sequencer
from audit.stored import StoredTree
from audit.verification import verify
from tests.audit.conftest import ORIGIN, alter, altered_for_now, say

Start = Callable[[], Sequencer]


def say_many(count: int) -> list[int]:
    """Append that many entries in one transaction."""
    with transaction.atomic():
        return [say() for _ in range(count)]


def leaves(database: Any) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = database.sql(
        "SELECT index, entry_id FROM audit_leaf ORDER BY index"
    )
    return found


def test_nothing_pending_signs_nothing(sequencer: Sequencer) -> None:
    assert sequencer.step() == module.Step()
    assert verify().problems == []
    assert verify().size == 0


def test_a_batch_is_signed_as_one(database: Any, sequencer: Sequencer) -> None:
    entries = [say(uuid4()) for _ in range(3)]

    assert sequencer.step() == module.Step(entries=3, size=3)

    assert leaves(database) == list(enumerate(entries))
    assert database.sql("SELECT count(*) FROM audit_pending") == [(0,)]
    head = StoredTree("reader").head()
    assert head is not None
    verifier = Verifier.parse(sequencer.vkey)
    assert Checkpoint.parse(verifier.open(head.note)) == Checkpoint(ORIGIN, 3, head.root)
    assert RecordHead.parse(verifier.open(head.record_note)) == RecordHead(ORIGIN, 3, head.chain)
    assert StoredTree("reader").vkey() == sequencer.vkey
    assert verify().problems == []


def test_batches_of_any_size_build_one_tree(database: Any, new_sequencer: Start) -> None:
    entries = say_many(700)
    sizes = (1, 254, 1, 1, 130, 200)
    for limit in sizes:  # each by a process of its own, which knows only what is stored
        assert new_sequencer().step(limit).entries == limit
    assert new_sequencer().step().entries == 700 - sum(sizes)

    assert leaves(database) == list(enumerate(entries))
    findings = verify()
    assert findings.problems == []
    assert (findings.size, findings.checkpoints) == (700, len(sizes) + 1)
    hashes = [bytes(h) for (h,) in database.sql("SELECT leaf_hash FROM audit_entry ORDER BY id")]
    assert findings.root == tree.MemoryTree(hashes).root()
    assert database.sql("SELECT level, index, octet_length(data) / 32 FROM audit_tile ORDER BY 1, 2"
    ) == [(0, 0, 256), (0, 1, 256), (0, 2, 188), (1, 0, 2)]  # fmt: skip


def test_an_entry_committed_late_is_not_passed_over(database: Any, sequencer: Sequencer) -> None:
    """A lower number may become visible after a higher one was signed."""
    with transaction.atomic():
        early = say()
        in_thread(say)
        sequencer.step()
    assert [entry for _, entry in leaves(database)] == [early + 1]

    sequencer.step()

    assert leaves(database) == [(0, early + 1), (1, early)]
    assert verify().problems == []


def test_only_one_acts_at_a_time(database: Any, new_sequencer: Start) -> None:
    one, other = new_sequencer(), new_sequencer()
    say()
    with transaction.atomic(using="sequencer"):
        assert one._alone()
        assert in_thread(other.step).busy
    assert other.step().entries == 1


def test_a_crash_before_the_commit_leaves_nothing(
    database: Any, sequencer: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    say()

    def crash(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Sequencer, "_add", crash)
        with pytest.raises(SystemExit):
            sequencer.step()
    assert leaves(database) == []

    with monkeypatch.context() as patch:
        patch.setattr(signing.Memory, "write", crash)
        with pytest.raises(SystemExit):
            sequencer.step()  # committed, and not remembered
    say()
    assert sequencer.step().size == 2
    assert verify().problems == []


def test_a_flipped_bit_in_a_body_is_not_signed(database: Any, sequencer: Sequencer) -> None:
    say()
    entry = say()
    # What a failing disk does: the text changes, the hash computed at writing does not.
    alter("ALTER TABLE audit_entry ALTER COLUMN leaf_hash DROP EXPRESSION")
    alter("UPDATE audit_entry SET body = set_byte(body, 30, get_byte(body, 30) # 1) WHERE id = 2")
    assert entry == 2

    with pytest.raises(LedgerDamagedError, match=f"body of entry {entry}"):
        sequencer.step()
    assert leaves(database) == []


DISAGREEMENTS = {
    "UPDATE audit_tile SET data = set_byte(data, 3, get_byte(data, 3) # 1)": "root",
    "UPDATE audit_tile SET data = substring(data FROM 1 FOR 32)": "narrower",
    "DELETE FROM audit_tile": "missing",
    "UPDATE audit_checkpoint SET root = sha256('x')": "root",
    "UPDATE audit_checkpoint SET chain = sha256('x')": "chain differs",
    "UPDATE audit_checkpoint SET note = replace(note, 'sayso', 'sayzo')": "verify",
    "UPDATE audit_checkpoint SET record_note = note": "verify",
    "DELETE FROM audit_leaf WHERE index = 1": "leaves",
    "DELETE FROM audit_checkpoint": "leaves",
    "DELETE FROM audit_entry WHERE id = 3": "pending and missing",
    "DELETE FROM audit_checkpoint; DELETE FROM audit_leaf; DELETE FROM audit_tile": "older",
}


def test_what_disagrees_is_not_signed(database: Any, new_sequencer: Start, key_file: Path) -> None:
    say()
    say()
    new_sequencer().step()
    say()
    as_owner = Sequencer(key_file=key_file, origin=ORIGIN, using="owner")
    for sql, reason in DISAGREEMENTS.items():
        with altered_for_now(sql), pytest.raises(LedgerDamagedError, match=reason):
            as_owner.step()
    assert as_owner.step().size == 3
    assert verify().problems == []


def test_a_rewritten_past_is_not_signed_again(
    database: Any, sequencer: Sequencer, key_file: Path
) -> None:
    """Whoever owns the database and even holds the key still meets the memory outside of it."""
    for _ in range(3):
        say()
    sequencer.step()
    alter("UPDATE audit_entry SET body = replace(encode(body, 'escape'), 'train', 'spy')::bytea"
            " WHERE id = 1;"
            "DELETE FROM audit_checkpoint; DELETE FROM audit_leaf; DELETE FROM audit_tile;"
            "INSERT INTO audit_pending SELECT id FROM audit_entry")  # fmt: skip
    memory = signing.Memory.beside(key_file)
    kept = memory.path.read_text()
    memory.path.unlink()
    Sequencer(key_file=key_file, origin=ORIGIN, using="sequencer").step()
    assert verify().problems == []  # the database alone cannot tell

    memory.path.write_text(kept)

    say()
    with pytest.raises(LedgerDamagedError, match="not those that were signed before"):
        sequencer.step()


def test_a_restored_database_is_not_signed(database: Any, sequencer: Sequencer) -> None:
    say_many(300)
    sequencer.step(200)
    old = database.sql("SELECT level, index, data FROM audit_tile ORDER BY 1, 2")
    sequencer.step()
    alter(
        "DELETE FROM audit_leaf WHERE index >= 200; DELETE FROM audit_checkpoint WHERE size > 200;"
        "DELETE FROM audit_tile"
    )
    for row in old:
        database.sql("INSERT INTO audit_tile (level, index, data) VALUES (%s, %s, %s)", *row)

    with pytest.raises(LedgerDamagedError, match=r"300 entries .* database has 200"):
        sequencer.step()


def test_a_database_without_its_triggers_is_not_signed(database: Any, new_sequencer: Start) -> None:
    database.sql("ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only")
    with pytest.raises(LedgerDamagedError, match="audit_append_only on audit_entry"):
        new_sequencer()
    assert "audit_append_only on audit_entry is missing or switched off" in verify().problems[0]


def test_an_entry_cannot_get_a_second_place(database: Any, sequencer: Sequencer) -> None:
    say()
    sequencer.step()
    alter("INSERT INTO audit_pending SELECT id FROM audit_entry")
    with pytest.raises(IntegrityError):
        sequencer.step()


def test_the_key_of_this_ledger_must_be_there(
    database: Any, sequencer: Sequencer, new_sequencer: Start, key_file: Path
) -> None:
    kept = key_file.read_bytes()
    key_file.unlink()
    with pytest.raises(KeyUnusableError, match="put it back"):
        new_sequencer()
    assert not key_file.exists()
    signing.make_key(key_file)
    with pytest.raises(KeyUnusableError, match="holds another key"):
        new_sequencer()
    key_file.write_bytes(kept)
    assert new_sequencer().vkey == sequencer.vkey


def test_the_ledger_keeps_the_name_it_was_born_with(
    database: Any, sequencer: Sequencer, key_file: Path
) -> None:
    moved = Sequencer(key_file=key_file, origin="elsewhere.test/ledger", using="sequencer")
    assert moved.vkey == sequencer.vkey
    say()
    assert moved.step().size == 1


def test_a_new_database_takes_a_key_that_is_there(
    database: Any, key_file: Path, new_sequencer: Start
) -> None:
    key = signing.make_key(key_file)
    made = signing.signer_for(ORIGIN, key).verifier.vkey
    assert new_sequencer().vkey == made


def test_another_ledgers_memory_stops_a_new_database(
    database: Any, sequencer: Sequencer, key_file: Path, tmp_path: Path
) -> None:
    say()
    sequencer.step()
    shutil.copytree(key_file.parent, tmp_path / "old")
    database.sql("ALTER TABLE audit_ledgerkey DISABLE TRIGGER USER")
    database.sql("DELETE FROM audit_ledgerkey")
    database.sql("ALTER TABLE audit_ledgerkey ENABLE TRIGGER USER")
    again = Sequencer(key_file=tmp_path / "old" / key_file.name, origin=ORIGIN, using="sequencer")
    assert again.vkey == sequencer.vkey


def test_the_command_sequences_once(
    database: Any, settings: Any, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.management.commands import sequencer as command

    monkeypatch.setattr(command, "USING", "sequencer")
    settings.SAYSO_LEDGER_KEY_FILE = key_file
    say_many(3)
    call_command("sequencer", once=True)
    assert len(leaves(database)) == 3

    key_file.unlink()
    with pytest.raises(CommandError, match="Nothing is signed") as refusal:
        call_command("sequencer", once=True)
    assert refusal.value.returncode == 3
    settings.SAYSO_LEDGER_KEY_FILE = None
    with pytest.raises(CommandError, match="SAYSO_DATABASE_ROLE=sequencer"):
        call_command("sequencer", once=True)


def in_thread(act: Callable[[], Any]) -> Any:
    """Run in another thread, thus over other connections."""
    from concurrent.futures import ThreadPoolExecutor

    def run() -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=20)
