"""Whatever happens to the agent's own files: what must go goes, and the portal hears of it."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import FakeClock, click, enrolled, spooled
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sayso_agent import Agent, Instant
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.errors import Exit, StateError, StorageError
from sayso_agent.files import FileLock, read_json, write_json
from sayso_agent.home import Home
from sayso_agent.kept import EVER
from sayso_agent.lease import KeptClock
from sayso_agent.person import stop_running
from sayso_agent.spool import Spool

POLICY = "/api/v1/policy"
SEGMENT, STRANGER = "a segment", "spool/notauuid.spool"
OWN = ["identity.json", "agent.key", "seen.json", "manifest.json", "policy.json", "clock.json"]
NOTES = ["strikes.json", "forget.json", "status.json", "waiting.json", "agent.key.next", "paused"]
FILES = [*OWN, *NOTES, "lock", "run.lock", "spool", "spool.key", SEGMENT, STRANGER]

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


def replaced(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def written(path: Path, data: bytes) -> None:
    replaced(path)
    path.write_bytes(data)
    path.chmod(0o600)


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, Callable[[Path], None]]:
    """Something that happens to a file, and its name."""
    data = draw(st.binary(max_size=60))
    value = draw(values)
    names = draw(st.sampled_from([("line", "dropped"), ("since", "until"), ("offset", "base")]))

    def cut(path: Path) -> None:
        if path.is_file():
            written(path, path.read_bytes()[: len(data)])

    def one_field(path: Path) -> None:
        """The form that it had, but for one value; what an earlier blow spoiled has none."""
        if path.is_file() and path.suffix == ".json":
            try:
                found = json.loads(path.read_bytes())
            except ValueError:
                return
            if not isinstance(found, dict):
                return
            name = sorted(found)[len(data) % len(found)] if found else "x"
            written(path, json.dumps({**found, name: value}).encode())

    def into_folder(path: Path) -> None:
        replaced(path)
        path.mkdir()
        (path / "in it").write_bytes(data)

    def into_link(path: Path) -> None:
        elsewhere = path.parent.parent / "elsewhere"
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, elsewhere)
            elsewhere.chmod(0o600)
        replaced(path)
        path.symlink_to(elsewhere)

    def opened(path: Path) -> None:
        if path.exists():
            path.chmod(0o644 if path.is_file() else 0o755)

    kinds: dict[str, Callable[[Path], None]] = {
        "cut": cut,
        "emptied": lambda path: written(path, b""),
        "overwritten": lambda path: written(path, data),
        "of other types": lambda path: written(path, json.dumps(value).encode()),
        "an object": lambda path: written(path, json.dumps(dict.fromkeys(names, value)).encode()),
        "one field": one_field,
        "open": opened,
        "a folder": into_folder,
        "a link": into_link,
        "gone": replaced,
    }
    kind = draw(st.sampled_from(sorted(kinds)))
    return kind, kinds[kind]


class World:
    """An agent with five spooled events, whose portal heard of nothing yet."""

    def __init__(self, portal: FakePortal, folder: Path) -> None:
        self.portal = portal
        portal.strikes.clear()
        portal.manifests.clear()
        portal.admitted.clear()
        portal.always.clear()
        portal.policy = {**portal.policy, "embargo_seconds": 3600, "paused": False}
        portal.pauses, portal.told_pauses = 0, {}
        self.folder = folder / "home"
        agent = enrolled(portal, self.folder)
        agent.poll()
        for number in range(5):
            agent.offer(click(x=number))
        agent.flush()
        agent.close()
        self.key = (self.folder / "spool.key").read_bytes()
        home = Home(self.folder)
        self.identity = home.identity()
        home.save_waiting("https://portal.example/device", "ABCD-EFGH")
        home.save_status({"line": "recording", "dropped": {"never": 1}})

    def path(self, name: str) -> Path:
        if name == SEGMENT:
            return next((self.folder / "spool").iterdir())
        return self.folder / name

    def command(self, *words: str) -> int:
        code = main([words[0], "--home", str(self.folder), *words[1:]])
        assert Exit(code) is not Exit.UNEXPECTED
        return code

    def readable(self) -> int:
        """How many events can be read with the key as it was, wherever they lie in the folder."""
        folder = self.folder / "spool"
        files = [p for p in folder.rglob("*") if p.is_file()] if folder.is_dir() else []
        with tempfile.TemporaryDirectory() as other:
            spool = Path(other) / "spool"
            spool.mkdir()
            for file in files:
                target = spool / (file.name.lstrip(".")[:36] + ".spool")
                shutil.copyfile(file, target)
                target.chmod(0o600)
            written(Path(other) / "spool.key", self.key)
            return Spool(spool, Path(other) / "spool.key", FileLock(Path(other) / "lock")).count()

    def knows_who_it_is(self) -> bool | None:
        """Whether its identity is as it was; None where it is believed and another."""
        try:
            return Home(self.folder).identity() == self.identity or None
        except StateError:
            return False


@pytest.fixture
def played(portal: FakePortal) -> Iterator[Callable[[], World]]:
    folders: list[tempfile.TemporaryDirectory[str]] = []

    def another() -> World:
        folders.append(tempfile.TemporaryDirectory())
        return World(portal, Path(folders[-1].name))

    yield another
    for folder in folders:
        folder.cleanup()


ANY = settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],  # a blow says enough as it is
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
hits = st.lists(st.tuples(st.sampled_from(FILES), damages()), min_size=1, max_size=2)


def hit(world: World, blows: list[tuple[str, tuple[str, Callable[[Path], None]]]]) -> None:
    spool = world.folder / "spool"
    for name, (_, damage) in blows:
        there = spool.is_dir() and any(spool.iterdir())
        if there or name not in {SEGMENT, STRANGER}:
            damage(world.path(name))


@ANY
@given(blows=hits, as_json=st.booleans())
def test_forget_erases_and_tells_whatever_is_damaged(
    played: Callable[[], World], blows: Any, as_json: bool
) -> None:
    world = played()
    hit(world, blows)

    code = world.command("forget", "--minutes", "10", *(["--json"] if as_json else []))

    assert world.readable() == 0
    assert Home(world.folder).spool.count() == 0
    if world.knows_who_it_is():
        assert world.portal.strikes
        assert code in {Exit.OK, Exit.NOT_KEPT}
    else:  # whoever runs next tells it
        assert code in {Exit.OK, Exit.NOT_KEPT, Exit.NOT_ENROLLED}
        assert Home(world.folder).strikes_unreported() or code == Exit.NOT_KEPT


@ANY
@given(blows=hits)
def test_being_turned_away_erases_all_whatever_is_damaged(
    played: Callable[[], World], blows: Any
) -> None:
    world = played()
    world.portal.always[POLICY] = problem(403, "agent_revoked")
    hit(world, blows)

    known = world.knows_who_it_is()
    code = world.command("run", "--once")

    if known is None:
        return  # it may have asked somebody else
    assert world.readable() == 0
    assert code == (Exit.BLOCKED if known else Exit.NOT_ENROLLED)
    assert not list((world.folder / "spool").iterdir())
    assert not os.path.lexists(world.folder / "spool.key")


@ANY
@given(blows=hits)
def test_a_pause_holds_and_is_told_whatever_is_damaged(
    played: Callable[[], World], blows: Any
) -> None:
    world = played()
    hit(world, blows)

    enrolled = Home(world.folder).enrolled()

    assert world.command("pause") == (Exit.OK if enrolled else Exit.NOT_ENROLLED)

    assert Home(world.folder).paused()
    if (known := world.knows_who_it_is()) is not None:
        assert world.portal.pauses == int(known)


@ANY
@given(blows=hits, command=st.sampled_from(["status", "run", "poll", "explain"]))
def test_no_damage_lets_anything_out_or_ends_in_a_traceback(
    played: Callable[[], World], blows: Any, command: str
) -> None:
    world = played()
    world.portal.policy = {**world.portal.policy, "embargo_seconds": 0}
    hit(world, blows)
    words = {"run": ["--once"], "explain": ["--app", "tracker", "--signal", "scroll"]}

    code = world.command(command, *words.get(command, []))

    assert world.portal.refused == []
    assert len(world.portal.events()) <= 5
    touched = {name for name, _ in blows}
    if command == "run" and code == Exit.OK and "paused" not in touched:
        assert not list((world.folder / "spool").iterdir())  # all handed in, or given up


# --- one by one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"", b"abc", b"x" * 32])
def test_a_key_that_opens_nothing_costs_what_was_there_and_nothing_more(
    played: Callable[[], World], key: bytes
) -> None:
    world = played()
    written(world.folder / "spool.key", key)
    agent = Agent(world.folder)
    agent.poll()

    agent.offer(click(x=77))
    agent.flush()

    agent.drop_outdated()
    assert [event["x"] for event in spooled(agent.home)] == [77]
    assert agent.capture.dropped["spool_damaged"] == 1
    assert world.readable() == 0
    agent.close()


def test_what_a_crash_left_half_written_goes_with_the_next_purge(
    played: Callable[[], World],
) -> None:
    """A batch is rewritten as a draft first: killed there, its events would lie for ever."""
    world = played()
    segment = world.path(SEGMENT)
    draft = segment.with_name(f".{segment.name}.0a1b2c3d")
    shutil.copyfile(segment, draft)

    Home(world.folder).spool.purge(lambda _slot, _record: True)

    assert not draft.exists()
    assert segment.exists()


def test_a_damaged_clock_widens_what_is_forgotten_by_a_minute(agent: Agent) -> None:
    now = Instant(7.0, 5_000.0, "one start")
    agent.home.save_clock(KeptClock(offset=100.0))
    known = agent.home.forget(minutes=1, now=now).strike
    for damage in ({"offset": "x"}, {"offset": float("nan")}, {"base": None}, {"boot": 5}):
        write_json(agent.home.folder / "clock.json", damage)
        wider = agent.home.forget(minutes=1, now=now).strike
        assert (wider["since"], wider["until"]) == (5_000.0 - 120, 5_000.0 + 60)

    assert (known["since"], known["until"]) == (5_040.0, 5_100.0)


LOST: dict[str, Callable[[Path], None]] = {
    "gone": replaced,
    "cut": lambda path: written(path, b"{"),
    "no object": lambda path: written(path, b"7"),
    "long ago": lambda path: written(path, changed(path, base=-1e15)),
    "a while ago": lambda path: written(path, changed(path, base=read_base(path) - 5.0)),
}


def read_base(path: Path) -> float:
    return float(json.loads(path.read_bytes())["base"])


def changed(path: Path, **values: float) -> bytes:
    return json.dumps({**json.loads(path.read_bytes()), **values}).encode()


@pytest.mark.parametrize("damage", sorted(LOST))
def test_what_waits_is_handed_in_although_the_clock_was_lost(
    agent: Agent, portal: FakePortal, damage: str
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    LOST[damage](agent.home.folder / "clock.json")

    again = Agent(agent.home.folder, clock=agent.clock)
    again.poll()
    again.upload()

    assert len(portal.admitted) == 1
    assert spooled(again.home) == []
    again.close()


@pytest.mark.parametrize("damage", sorted(LOST))
def test_no_damage_to_the_clock_shortens_an_embargo(
    agent: Agent, portal: FakePortal, clock: FakeClock, damage: str
) -> None:
    portal.policy = {**portal.policy, "embargo_seconds": 60}
    agent.poll()
    agent.offer(click())
    agent.settle()
    LOST[damage](agent.home.folder / "clock.json")

    again = Agent(agent.home.folder, clock=agent.clock)
    again.poll()
    clock.pass_time(58)
    again.upload()
    early = dict(portal.admitted)
    clock.pass_time(4)
    again.upload()

    assert early == {}
    assert len(portal.admitted) == 1
    again.close()


def test_a_clock_that_was_never_had_is_not_lost(tmp_path: Path, portal: FakePortal) -> None:
    agent = enrolled(portal, tmp_path / "home")

    assert agent.home.clock() == KeptClock()
    agent.close()


@pytest.mark.parametrize("damage", sorted(LOST))
def test_a_lost_clock_gives_no_stamp_that_an_earlier_run_may_have_given(
    agent: Agent, portal: FakePortal, clock: FakeClock, damage: str
) -> None:
    agent.poll()
    LOST[damage](agent.home.folder / "clock.json")
    again = Agent(agent.home.folder, clock=clock)

    again.poll()
    again.offer(click())
    assert again.capture.dropped["outside_lease"] == 1
    clock.pass_time(3)
    again.offer(click())
    assert again.capture.kept["mouse_click"] == 1
    again.close()


def test_strikes_that_cannot_be_read_are_told_as_the_widest(
    agent: Agent, portal: FakePortal
) -> None:
    """A file of strikes is there only as long as one is untold."""
    agent.home.forget(minutes=5)
    written(agent.home.folder / "strikes.json", b'{"strikes": [{"strike": 5}]}')

    agent.forget(minutes=1)

    lengths = sorted(_length(strike) for strike in portal.strikes.values())
    assert [round(length / 60) for length in lengths] == [1, 24 * 60]
    assert agent.home.strikes_unreported() == []


def _length(strike: dict[str, str]) -> float:
    since, until = (datetime.fromisoformat(strike[name]) for name in ("from", "until"))
    return (until - since).total_seconds()


def test_a_damaged_mark_of_what_was_forgotten_means_all_of_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.forget_mark() is None
    home.forget(minutes=1)
    assert home.forget_mark() != EVER

    for damage in (b"{", b"[]", b'{"since": {}, "until": 5}', b'{"since": {"wall": 1}}'):
        written(home.folder / "forget.json", damage)
        assert home.forget_mark() == EVER


def test_a_dangling_link_for_a_pause_pauses(agent: Agent) -> None:
    agent.poll()
    (agent.home.folder / "paused").symlink_to("nowhere")

    assert agent.recordable() == []


@pytest.mark.parametrize("text", ["-1", "1 2", "99999999999999999999", "x", "٣"])
def test_no_process_is_ended_by_a_number_that_nobody_wrote(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path / "home")
    assert home.running.try_hold()
    (home.folder / "run.lock").write_text(text, encoding="utf-8")

    assert FileLock(home.folder / "run.lock").signed() == 0
    assert not stop_running(Home(tmp_path / "home"))


def test_without_an_identity_nothing_stays_that_could_never_be_handed_in(
    played: Callable[[], World],
) -> None:
    world = played()
    (world.folder / "identity.json").unlink()

    with pytest.raises(StateError) as refused:
        Agent(world.folder)

    assert refused.value.code == "not_enrolled"
    assert world.readable() == 0


@pytest.mark.parametrize("token", ["a\r\nX: y", "é", "\ud800", ""])
def test_a_token_that_no_request_could_carry_is_damage(
    played: Callable[[], World], token: str
) -> None:
    world = played()
    path = world.folder / "identity.json"
    written(path, json.dumps({**(read_json(path) or {}), "token": token}).encode())

    assert world.command("run", "--once") == (Exit.NOT_ENROLLED)


def test_what_is_too_old_goes_without_any_policy(agent: Agent, clock: FakeClock) -> None:
    agent.poll()
    agent.offer(click())
    agent.flush()
    clock.pass_time(73 * 3600)

    agent.drop_outdated()

    assert agent.policy is None
    assert spooled(agent.home) == []
    assert agent.capture.dropped["outdated"] == 1


# --- a disk that is read only --------------------------------------------------------------------


@pytest.fixture
def read_only(portal: FakePortal, tmp_path: Path) -> Iterator[World]:
    """A world whose disk can be read and no more."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    world = World(portal, disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield world
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_what_cannot_be_erased_is_said_and_the_portal_is_told(
    read_only: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_only.command("forget", "--minutes", "10", "--json") == Exit.NOT_KEPT

    said = json.loads(capsys.readouterr().out)
    assert said == {"dropped": 0, "portal_told": True, "code": "not_erased"}
    assert len(read_only.portal.strikes) == 1


def test_being_turned_away_says_what_could_not_be_erased(
    read_only: World, capsys: pytest.CaptureFixture[str]
) -> None:
    read_only.portal.always[POLICY] = problem(403, "agent_revoked")
    agent = Agent(read_only.folder)

    with pytest.raises(StorageError) as refused:
        agent.poll()

    assert refused.value.code == "not_erased"
    assert str(read_only.folder / "spool") in str(refused.value)
    assert agent.why_not() == "agent_blocked"
    agent.close()
