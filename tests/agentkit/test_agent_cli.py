"""The command line as a program sees it: exit codes and JSON lines; and as its own process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import AGENTKIT, RECORDINGS, FakeClock, click, enrolled
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, allow, problem
from sayso_agent.home import Home
from sayso_agent.keys import public_bytes
from sayso_agent.plain import clock_time
from sayso_agent.shown import Shown
from sayso_agent.words import plain

POLICY = "/api/v1/policy"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command of an enrolled agent; return exit code, standard output, standard error."""
    enrolled(portal, tmp_path / "home").close()

    def run(*words: str) -> tuple[int, str, str]:
        code = main([words[0], "--home", str(tmp_path / "home"), *words[1:]])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_poll_prints_what_is_decided(command: Command, portal: FakePortal) -> None:
    code, out, _ = command("poll")

    assert code == 0
    assert "train-agents · Tracker (tracker): mouse_click, scroll: yes" in out
    assert "mouse_move: no: you have not agreed to this signal" in out
    assert "everything else: no" in out

    code, out, _ = command("poll", "--json")
    found = json.loads(out)
    assert found["version"] == 1000
    assert {
        "purpose": "train-agents",
        "app": "tracker",
        "signal": "mouse_move",
        "decision": "deny",
        "reasons": ["signal_not_consented"],
    } in found["decisions"]


def test_poll_tells_by_its_exit_code_that_all_is_denied(
    command: Command, portal: FakePortal
) -> None:
    portal.withdraw()

    assert command("poll")[0] == 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(401, "x"), 4),
        (problem(403, "x"), 5),
        (problem(410, "x"), 6),
        (problem(503, "x"), 7),
        (problem(404, "x"), 7),
        ((200, {}, b"nonsense"), 8),
    ],
)
def test_exit_codes(command: Command, portal: FakePortal, answer: Any, code: int) -> None:
    portal.always[POLICY] = answer

    found, out, err = command("poll", "--json")

    assert found == code
    assert json.loads(out)["event"] == "failed"
    assert err.startswith("sayso-agent: ")


def test_a_folder_that_is_not_enrolled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["poll"],
        ["status"],
        ["run", "--once"],
        ["explain", "--app", "a", "--signal", "b"],
    ):
        assert main([*words, "--home", str(tmp_path / "none")]) == 4
    assert "enrol" in capsys.readouterr().err


def test_run_once_hands_in_a_recording(command: Command, portal: FakePortal) -> None:
    code, out, err = command(
        "run",
        "--once",
        "--json",
        "--rebase",
        "--events",
        str(RECORDINGS / "rrweb-tracker.json"),
        "--host",
        "tracker.example.com",
    )

    assert code == 0
    counts = json.loads(out)
    assert counts["kept"] == {"mouse_click": 30, "scroll": 4}
    assert counts["batches_admitted"] == 1
    assert counts["spooled"] == 0
    assert err.startswith("recording mouse_click, scroll in Tracker · until ")
    assert len(portal.events()) == 34


def test_run_once_takes_our_own_events(
    command: Command, portal: FakePortal, tmp_path: Path
) -> None:
    lines = [
        {
            "signal": "mouse_click",
            "x": 1,
            "window": {"platform": "web", "host": host, "private": False},
        }
        for host in ("tracker.example.com", "hr.example.com", "elsewhere.example")
    ]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(map(json.dumps, [*lines, {"odd": 1}])))

    code, out, _ = command("run", "--once", "--events", str(path))

    assert code == 0
    assert len(portal.events()) == 1
    assert "dropped 1: apps of this kind are never recorded" in out


def test_run_once_takes_window_facts_from_the_command_line(
    command: Command, portal: FakePortal, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"signal":"scroll"}\n')
    events = ("run", "--once", "--events", str(path))

    page = ("--window", "host=tracker.example.com")
    assert command(*events, *page, "--window", "private=no")[0] == 0
    assert "a private one" in command(*events, *page)[1]
    assert "never recorded" in command(*events, *page, "--window", "private=yes")[1]
    hinted = (*events, "--window", "private=no", "--app-hint")
    assert command(*hinted, "tracker")[0] == 0
    assert command(*hinted, "people")[0] == 0
    assert len(portal.events()) == 2
    assert command(*events, "--window", "smell=x")[0] == 2
    assert command(*events, *page, "--window", "private=maybe")[0] == 2


def test_run_once_says_by_its_exit_code_what_happened(
    command: Command, portal: FakePortal, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"signal":"scroll"}\n')
    hinted = ("--window", "private=no", "--app-hint", "tracker")
    events = ("run", "--once", "--events", str(path), *hinted)

    portal.misbehave["/api/v1/batches"] = [problem(422, "batch_refused", reasons=["too_late"])]
    code, out, _ = command(*events)
    assert code == 9
    assert "refused by the portal 1: too late" in out

    portal.always["/api/v1/batches"] = problem(503, "x", retry_after=99)
    assert command(*events)[0] == 7

    portal.withdraw()
    assert command(*events)[0] == 3
    assert command("run", "--once", "--events", str(tmp_path / "none"))[0] == 2


def test_only_one_agent_runs_on_a_folder(command: Command, tmp_path: Path) -> None:
    from sayso_agent.home import Home

    home = Home(tmp_path / "home")
    assert home.running.try_hold()

    assert command("run", "--once")[0] == 2
    assert json.loads(command("status", "--json")[1])["running"] is True
    home.running.release()
    assert json.loads(command("status", "--json")[1])["running"] is False


def test_a_recording_without_passwords_may_be_said_to_be_one(
    command: Command, portal: FakePortal
) -> None:
    portal.policy["allow"] = [allow("tracker", "key_meta")]
    words = ("run", "--once", "--rebase", "--app-hint", "tracker", "--json", "--events")

    _, out, _ = command(*words, str(RECORDINGS / "openadapt-tracker.db"), "--no-passwords")
    assert json.loads(out)["kept"] == {"key_meta": 118}
    _, out, _ = command(*words, str(RECORDINGS / "openadapt-tracker.db"))
    assert json.loads(out)["kept"] == {}


def test_explain_answers_in_plain_words(command: Command, portal: FakePortal) -> None:
    assert command("explain", "--app", "tracker", "--signal", "scroll")[0] == 8
    command("poll")

    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll")
    assert (code, out.split(", until")[0]) == (0, "Tracker · scroll · train-agents: yes")
    code, out, _ = command("explain", "--app", "Tracker", "--signal", "mouse_move")
    assert code == 3
    assert "no: you have not agreed to this signal" in out
    _, out, _ = command("explain", "--app", "People", "--signal", "scroll")
    assert "no: apps of this kind are never recorded" in out
    _, out, _ = command("explain", "--app", "nowhere", "--signal", "scroll")
    assert "not on the list" in out
    _, out, _ = command("explain", "--app", "tracker", "--signal", "webcam")
    assert "no: this is never recorded" in out

    command("pause")
    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll", "--json")
    assert code == 3
    assert json.loads(out)["lines"] == ["Tracker · scroll: no: paused on this machine"]


def test_explain_says_no_where_this_agent_records_nothing(
    command: Command, portal: FakePortal
) -> None:
    picture = {"purpose": "train-agents", "app": "tracker", "signals": ["screenshot"]}
    soon = int(time.time()) + 600
    ended = {"purpose": "train-agents", "from": soon - 7200, "until": soon - 3600}
    portal.policy = {**portal.policy, "allow": [*portal.policy["allow"], picture]}
    command("poll")
    code, out, _ = command("explain", "--app", "tracker", "--signal", "screenshot")
    assert (code, "could not blank" in out) == (3, True)
    assert "screenshot: no: this agent could not blank" in command("poll")[1]

    portal.version += 1
    portal.policy = {**portal.policy, "schedule": [ended]}
    command("poll")
    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll")
    assert (code, "outside working hours" in out) == (3, True)

    portal.version += 1
    portal.policy = {**portal.policy, "schedule": [{**ended, "until": soon}]}
    command("poll")
    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll")
    assert (code, out.split("until ")[1].strip()) == (0, clock_time(soon))


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 5), (410, 6)])
def test_explain_says_that_the_portal_turned_this_machine_away(
    command: Command, portal: FakePortal, status: int, code: int
) -> None:
    command("poll")
    portal.always[POLICY] = problem(status, "x")
    assert command("poll")[0] == code

    found, out, err = command("explain", "--app", "tracker", "--signal", "scroll")

    assert (found, out) == (code, "")
    assert err.startswith("sayso-agent: ")


def test_explain_says_why_the_agent_that_runs_records_nothing(
    command: Command, portal: FakePortal, tmp_path: Path
) -> None:
    agent = enrolled(portal, tmp_path / "home")
    agent.poll()
    assert agent.home.running.try_hold()
    shown = Shown(agent, lambda _line: None)
    shown.show()
    assert command("explain", "--app", "tracker", "--signal", "scroll")[0] == 0

    agent.deny("policy_signature_bad")
    shown.show()

    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll")
    assert (code, plain("policy_signature_bad") in out) == (3, True)
    agent.home.running.release()
    agent.close()


def test_explain_trusts_no_changed_file(command: Command, tmp_path: Path) -> None:
    command("poll")
    path = tmp_path / "home" / "policy.json"
    path.write_text(path.read_text().replace('"k1"', '"k2"'))

    assert command("explain", "--app", "tracker", "--signal", "scroll")[0] == 8


def test_explain_knows_that_a_lease_has_ended(
    command: Command, portal: FakePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("poll")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1000)

    code, out, _ = command("explain", "--app", "tracker", "--signal", "scroll")

    assert code == 3
    assert "lease has ended" in out


def test_pause_status_and_forget_and_resuming_in_the_browser(
    command: Command, portal: FakePortal, tmp_path: Path
) -> None:
    agent = enrolled(portal, tmp_path / "home")
    agent.poll()
    agent.offer(click())
    agent.settle()
    agent.close()

    assert command("pause")[0] == 0
    _, out, _ = command("status")
    own = sha256(public_bytes(Home(tmp_path / "home").key())).hexdigest()
    assert f"own key {own[:16]}," in out
    assert json.loads(command("status", "--json")[1])["key_sha256"] == own
    assert "paused on this machine" in out
    assert "\n1 event to be handed in" in out
    assert "Dropped 1 event of the last 5 minutes." in command("forget", "--minutes", "5")[1]
    assert command("run", "--once")[0] == 3
    assert portal.manifests == {}
    told = json.loads(command("forget", "--minutes", "5", "--json")[1])
    assert told == {"dropped": 0, "portal_told": True}
    assert (portal.pauses, len(portal.strikes)) == (1, 2)

    portal.resume()

    assert command("run", "--once")[0] == 0
    assert "paused" not in command("status")[1]
    assert portal.manifests == {}


@pytest.mark.parametrize(
    "words",
    [
        ["forget", "--minutes", "0"],
        ["forget", "--minutes", "nan"],
        ["run", "--poll", "0"],
        ["run", "--ignore-policy-for-testing"],
        ["run", "--recorder", "telepathy"],
        ["enrol"],
        [],
    ],
)
def test_used_wrongly(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2


def test_no_option_anywhere_sets_the_policy_aside() -> None:
    from sayso_agent.cli import parser

    commands = parser()._subparsers
    assert commands is not None
    choices: Any = commands._group_actions[0].choices
    options = {o for sub in choices.values() for a in sub._actions for o in a.option_strings}
    assert options == {
        "-h",
        "--help",
        "--home",
        "--json",
        "--portal",
        "--name",
        "--again",
        "--key",
        "--serial",
        "--ticket",
        "--events",
        "--recorder",
        "--host",
        "--window",
        "--app-hint",
        "--no-passwords",
        "--rebase",
        "--once",
        "--poll",
        "--upload-every",
        "--state-command",
        "--only",
        "--list",
        "--contract",
        "--at-once",
        "--app",
        "--signal",
        "--minutes",
    }


def process(home: Path, *words: str, **more: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(AGENTKIT), "SAYSO_AGENT_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "sayso_agent", *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_as_its_own_process_from_enrolment_to_withdrawal(
    portal: FakePortal, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    portal.pending = ["authorization_pending"]
    portal.policy["allow"] = [allow("tracker", "mouse_click")]
    with process(home, "enrol", "--portal", portal.url, "--json") as enrolling:
        assert enrolling.stdout is not None
        assert json.loads(enrolling.stdout.readline())["user_code"] == "ABCD-EFGH"
        assert json.loads(enrolling.stdout.readline())["event"] == "enrolled"
    assert enrolling.returncode == 0

    line = json.dumps(
        {
            "signal": "mouse_click",
            "x": 1,
            "window": {"platform": "web", "host": "tracker.example.com", "private": False},
        }
    )
    words = ("run", "--events", "-", "--poll", "0.2", "--upload-every", "0.2", "--json")
    with process(home, *words, bufsize=1) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        said = next(line for line in running.stderr if not line.startswith("not recording"))
        assert said.startswith("recording mouse_click in Tracker · until ")
        running.stdin.write(line + "\n")
        _until(lambda: len(portal.events()) == 1)
        portal.withdraw()
        assert running.stderr.readline() == "not recording: consent withdrawn\n"
        _until(lambda: len(portal.acknowledgements) == 2)
        running.stdin.write(line + "\n")
        time.sleep(0.5)
        running.send_signal(signal.SIGTERM)
        counts = json.loads(running.stdout.readline())
    assert running.returncode == 0
    assert counts["kept"] == {"mouse_click": 1}
    assert counts["dropped"] == {"not_allowed": 1} or sum(counts["dropped"].values()) == 1
    assert len(portal.events()) == 1


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_agent_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    code = (
        "import sys, sayso_agent.cli\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(AGENTKIT)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    names = set(json.loads(found.stdout.replace("'", '"')))
    assert names - {"sayso_agent", "cryptography", "_cffi_backend", "cffi"} <= {
        name for name in names if name.startswith(("_", "sitecustomize", "distutils"))
    }


def test_the_wheel_holds_the_package(tmp_path: Path) -> None:
    import zipfile

    built = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from flit_core import buildapi as b; print(b.build_wheel({str(tmp_path)!r}))",
        ],
        cwd=AGENTKIT,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(tmp_path / built.stdout.strip()) as wheel:
        names = set(wheel.namelist())
        points = wheel.read("sayso_agent-0.1.0.dist-info/entry_points.txt").decode()
    assert {"sayso_agent/cli.py", "sayso_agent/py.typed", "sayso_agent/recorders/rrweb.py"} <= names
    assert "sayso-agent=sayso_agent.cli:main" in points


def test_the_version_is_said_once() -> None:
    import tomllib

    import sayso_agent

    project = tomllib.loads((AGENTKIT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sayso_agent.__version__


def test_files_stay_short() -> None:
    for path in (AGENTKIT / "sayso_agent").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_a_fake_clock_is_only_for_tests(clock: FakeClock) -> None:
    assert clock.now().monotonic == 5000.0
