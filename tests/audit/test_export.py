"""An export from the database: verify.py accepts it, and finds what the database had altered."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from audit import events, ledger, verify
from audit.export import NothingSignedError, verifier_source, write_bundle, write_export
from audit.sequencer import Sequencer
from tests.audit.conftest import alter, say
from tests.audit.test_sequencer import say_many


def exported(**more: Any) -> bytes:
    stream = io.BytesIO()
    write_export(stream, **more)
    return stream.getvalue()


@pytest.fixture
def signed(database: Any, sequencer: Sequencer) -> Any:
    """Six signed entries under two checkpoints."""
    for subject in (uuid4(), uuid4(), None, uuid4()):
        say(subject)
    sequencer.step()
    say(event_time="2020-02-29T12:00:00.000001Z", imported=True)
    say(uuid4())
    sequencer.step()
    return database


def test_what_is_written_is_verified(signed: Any, sequencer: Sequencer, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with path.open("wb") as stream:
        written = write_export(stream)

    assert (written.size, written.vkey) == (6, sequencer.vkey)
    assert verify.main([str(path), "--key", sequencer.vkey]) == 0
    lines = path.read_bytes().splitlines()
    assert len(lines) == 7
    imported = json.loads(lines[5])
    assert imported["event_time"] == "2020-02-29T12:00:00.000001Z"
    assert imported["imported"] is True
    assert json.loads(lines[1])["index"] == 0


def test_an_export_holds_nothing_personal(database: Any, sequencer: Sequencer) -> None:
    subject, staff, agent = uuid4(), uuid4(), uuid4()
    with transaction.atomic():
        ledger.append(
            events.AgentEnrolled(platform="linux", agent=agent, name="Anna's laptop"),
            actor=ledger.Actor.staff(staff),
            subject=subject,
            covers=[("consent_agent", 4711)],
        )
    sequencer.step()

    text = exported().decode()
    bodies = [json.loads(line).get("body", "") for line in text.splitlines()]
    import base64

    plain = text + "".join(base64.b64decode(body).decode() for body in bodies)
    for personal in (subject, staff, agent):
        assert str(personal) not in plain
        assert personal.hex not in plain
    assert "Anna" not in plain
    assert "4711" not in plain


def test_growing_exports_and_checkpoints_follow_each_other(
    signed: Any, sequencer: Sequencer, tmp_path: Path
) -> None:
    older, note, newer = (tmp_path / name for name in ("older", "note", "newer"))
    older.write_bytes(exported(size=4))
    note.write_text(signed.sql("SELECT note FROM audit_checkpoint WHERE size = 6")[0][0])
    say_many(20)
    sequencer.step()
    newer.write_bytes(exported())

    for since in (older, note, newer):
        assert verify.main([str(newer), "--since", str(since)]) == 0
    assert verify.main([str(older), "--since", str(newer)]) == 1


def test_what_was_altered_in_the_database_is_named(
    signed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.jsonl"
    for sql in (
        "UPDATE audit_entry SET body = set_byte(body, 60, get_byte(body, 60) # 1) WHERE id = 3",
        "UPDATE audit_entry SET recorded_at = recorded_at - interval '1 day' WHERE id = 3",
    ):
        alter(sql)
        path.write_bytes(exported())
        assert verify.main([str(path)]) == 1
        assert "entry at index 2 (line 4)" in capsys.readouterr().err


def test_there_is_nothing_to_export_at_first(database: Any, sequencer: Sequencer) -> None:
    say()
    with pytest.raises(NothingSignedError):
        exported()
    sequencer.step()
    with pytest.raises(NothingSignedError):
        exported(size=7)
    assert exported(size=1) == exported()


def test_a_bundle_verifies_by_itself(signed: Any, sequencer: Sequencer, tmp_path: Path) -> None:
    with (tmp_path / "bundle.zip").open("wb") as stream:
        assert write_bundle(stream).size == 6

    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        bundle.extractall(tmp_path)
        assert bundle.read("verify.py") == verifier_source()
        assert bundle.read("ledger.jsonl") == exported()
        assert sequencer.vkey in bundle.read("READ-ME-FIRST.txt").decode()
    done = subprocess.run(
        [sys.executable, "-I", "verify.py", "ledger.jsonl", "--key", sequencer.vkey],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("verified: 6 entries")


def test_slices_join_without_a_seam(
    database: Any, sequencer: Sequencer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_many(301)
    sequencer.step()
    whole = exported()
    for width in (1, 100, 300, 301):
        monkeypatch.setattr("audit.export._SLICE", width)
        assert exported() == whole
