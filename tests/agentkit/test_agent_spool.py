"""The spool: encrypted, bounded, purged for good."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import StateError
from sayso_agent.errors import StorageError
from sayso_agent.files import FileLock, make_folder, read_json, read_secret, write_secret
from sayso_agent.home import Home
from sayso_agent.segment import Record, Slot
from sayso_agent.spool import Spool


def slot(app: str = "tracker", **changes: int) -> Slot:
    limits = {"version": 1, "issued_at": 1000, "until": 1900}
    sizes = {"batch_bytes": 5000, "batch_seconds": 900}
    return Slot("train-agents", app, **{**limits, **sizes, **changes})


def record(stamp: float, signal: str = "scroll", text: str = "", wall: float = 0.0) -> Record:
    line = f'{{"t":{stamp},"signal":"{signal}","text":"{text}"}}'
    return Record(stamp, signal, line.encode(), wall or stamp)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_what_is_written_can_be_read_and_is_not_there_in_the_clear(home: Home) -> None:
    home.spool.append(slot(), [record(1001, text="a secret thought"), record(1002)])
    home.spool.close()

    (batch,) = home.spool.closed()
    segment = home.spool.read(batch)

    assert segment is not None
    assert segment.slot == slot()
    assert b"".join(segment.parts()) == record(1001, text="a secret thought").line + b"\n" + (
        record(1002).line + b"\n"
    )
    everything = b"".join(p.read_bytes() for p in home.folder.rglob("*") if p.is_file())
    assert b"secret thought" not in everything
    assert b"tracker" not in everything


def test_every_file_is_closed_to_others(home: Home) -> None:
    home.spool.append(slot(), [record(1001)])
    home.pause()

    for path in [home.folder, *home.folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_an_open_segment_is_not_handed_in(home: Home) -> None:
    home.spool.append(slot(), [record(1001)])

    assert home.spool.closed() == []
    home.spool.close(older_than=1000.5)
    assert home.spool.closed() == []
    home.spool.close(older_than=1001)
    assert len(home.spool.closed()) == 1


def test_a_segment_stays_under_the_limits(home: Home) -> None:
    line = len(record(1001).line) + 1

    home.spool.append(slot(batch_bytes=3 * line), [record(1001 + i) for i in range(7)])
    home.spool.append(slot("b", batch_seconds=10), [record(1000 + 4 * i) for i in range(7)])
    home.spool.close()

    for segment in home.spool.segments():
        stamps = [r.stamp for r in segment.records]
        assert segment.size <= segment.slot.batch_bytes
        assert max(stamps) + 0.001 - min(stamps) <= segment.slot.batch_seconds
    assert home.spool.count() == 14


def test_an_event_too_big_for_any_batch_is_dropped(home: Home) -> None:
    dropped = home.spool.append(slot(batch_bytes=50), [record(1001, text="x" * 100)])

    assert dropped == 1
    assert home.spool.count() == 0


def test_two_leases_or_apps_never_share_a_segment(home: Home) -> None:
    for where in (slot(), slot(issued_at=1100), slot(version=2), slot("expenses")):
        home.spool.append(where, [record(1200)])

    assert len(list(home.spool.segments())) == 4


def test_a_purge_keeps_only_what_is_wanted_and_under_another_id(home: Home) -> None:
    home.spool.append(slot(), [record(1001, "scroll"), record(1002, "mouse_click")])
    home.spool.append(slot("expenses"), [record(1003, "scroll")])
    before = {p.name for p in (home.folder / "spool").iterdir()}

    gone = home.spool.purge(lambda where, r: where.app == "tracker" and r.signal == "scroll")

    assert gone == 2
    assert [r.signal for s in home.spool.segments() for r in s.records] == ["scroll"]
    after = {p.name for p in (home.folder / "spool").iterdir()}
    assert not before & after


def test_writing_goes_on_after_a_purge(home: Home) -> None:
    home.spool.append(slot(), [record(1001)])
    home.spool.purge(lambda _slot, _record: False)

    home.spool.append(slot(), [record(1002)])

    assert [r.stamp for s in home.spool.segments() for r in s.records] == [1002]


def test_a_full_purge_takes_the_key_with_it(home: Home) -> None:
    home.spool.append(slot(), [record(1001)])
    kept = next((home.folder / "spool").iterdir())
    copy = kept.read_bytes()

    assert home.spool.destroy() == 1
    kept.write_bytes(copy)

    assert home.spool.read(kept.stem) is None
    home.spool.append(slot(), [record(1002)])
    assert home.spool.count() == 1


def test_a_torn_line_costs_itself_only(home: Home) -> None:
    home.spool.append(slot(), [record(1001), record(1002)])
    path = next((home.folder / "spool").iterdir())
    path.write_bytes(path.read_bytes()[:-20])

    (segment,) = home.spool.segments()

    assert [r.stamp for r in segment.records] == [1001]


def test_a_line_moved_to_another_file_or_place_is_not_read(home: Home) -> None:
    home.spool.append(slot(), [record(1001), record(1002)])
    home.spool.append(slot("expenses"), [record(1003)])
    one, other = sorted((home.folder / "spool").iterdir())
    lines = one.read_bytes().splitlines()
    other.write_bytes(b"\n".join([other.read_bytes().splitlines()[0], *lines[1:]]) + b"\n")
    one.write_bytes(b"\n".join([lines[0], *reversed(lines[1:])]) + b"\n")

    assert home.spool.read(other.stem) is None or len(lines) == 2
    found = home.spool.read(one.stem)
    assert found is None or len(lines) == 2


def test_what_is_left_from_an_earlier_run_is_handed_in_first(home: Home) -> None:
    home.spool.append(slot(), [record(1001)])
    again = Home(home.folder)

    again.spool.append(slot(), [record(1002)])

    (batch,) = again.spool.closed()
    found = again.spool.read(batch)
    assert found is not None
    assert [r.stamp for r in found.records] == [1001]


def test_forget_drops_the_last_minutes_only(home: Home) -> None:
    import time

    now = time.time()
    home.spool.append(slot(), [record(1001, wall=now - 700), record(1002, wall=now - 200)])

    assert home.forget(minutes=5).gone == 1
    assert [r.stamp for s in home.spool.segments() for r in s.records] == [1001]
    assert home.forget_mark() is not None


def test_a_file_that_others_can_read_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path, b"x")
    path.chmod(0o644)

    with pytest.raises(StateError):
        read_secret(path)


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    assert stat.S_IMODE(make_folder(tmp_path / "open").stat().st_mode) == 0o700


@given(st.binary(max_size=40))
def test_damaged_state_is_an_error_and_not_a_fresh_start(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        write_secret(path, b"[" + data)
        with pytest.raises(StateError):
            read_json(path)


def test_a_lock_is_held_between_processes_and_may_be_taken_twice(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")

    with lock, lock:
        assert not FileLock(tmp_path / "lock").try_hold()
    other = FileLock(tmp_path / "lock")
    assert other.try_hold()
    other.release()


def test_a_crash_while_writing_leaves_no_draft(tmp_path: Path) -> None:
    folder = tmp_path / "is-a-folder"
    folder.mkdir()
    (folder / "x").touch()

    with pytest.raises(StorageError):  # a file cannot take a folder's place
        write_secret(folder, b"x")

    assert sorted(p.name for p in tmp_path.iterdir()) == ["is-a-folder"]


def test_the_spool_refuses_a_name_that_is_no_batch(home: Home) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        home.spool.exists("../../etc/passwd")


def test_a_spool_is_only_a_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", tmp_path / "k", FileLock(tmp_path / "l"))

    assert spool.count() == 0
    assert not (tmp_path / "k").exists()
