"""The conformance kit proves itself: our agent passes, agents that are broken on purpose do not."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from agent_helpers import enrolled
from breaking import all_breaks
from sayso_agent.cli import main
from sayso_agent.conformance import report
from sayso_agent.conformance.command import OURS, chosen, play, run, split
from sayso_agent.conformance.portal import FakePortal, policy_document
from sayso_agent.conformance.report import NEVER_ASKED, Result, summary
from sayso_agent.conformance.scenarios import SCENARIOS
from sayso_agent.conformance.stage import PATIENCE, arrived, environment
from sayso_agent.errors import UsageError
from sayso_agent.fields import SHAPES

from tests.schema import policy_validator

HERE = Path(__file__).parent
BREAKS = all_breaks()
NAIVE = [sys.executable, str(HERE / "naive_agent.py")]


def wrong(words: list[str], *names: str) -> dict[str, tuple[str, ...]]:
    """What the kit finds in an agent, by scenario."""
    found = run(words, chosen(names), at_once=4)
    return {result.name: result.wrong for result in found}


BRIEF = (
    "allowance", "masking", "withdrawn", "struck", "restarted", "status_403", "server_error",
    "bad_signature", "brought", "elsewhere", "aged", "hours", "built_in", "typed", "acknowledged",
    "announced",
)  # fmt: skip
"""One scenario of each kind; documents that are wrong each have a test in this folder as well."""


def test_the_reference_agent_passes_one_scenario_of_each_kind() -> None:
    results = run(OURS, chosen(BRIEF), at_once=4)

    assert {r.name: (r.wrong, r.said) for r in results if r.wrong} == {}
    assert len(results) == len(BRIEF)


@pytest.mark.deep
def test_the_reference_agent_passes_everything() -> None:
    results = run(OURS, SCENARIOS, at_once=6)

    assert {r.name: (r.wrong, r.said) for r in results if r.wrong} == {}


@pytest.fixture(scope="module")
def looked_at(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Result]]]:
    """Every broken agent that a test is about, each in its one scenario, several at a time."""
    about = [item.callspec.params.get("what") for item in request.session.items
             if isinstance(item, pytest.Function) and hasattr(item, "callspec")]  # fmt: skip
    with ThreadPoolExecutor(12) as pool:  # most of the time they wait
        yield {what: pool.submit(_look_at, what) for what in BREAKS if what in about}


def _look_at(what: str) -> Result:
    words = [sys.executable, str(HERE / "broken_agent.py"), what]
    patience = 3.0 if what in IMPATIENT else PATIENCE
    return play(words, chosen([BREAKS[what].scenario])[0], patience=patience)


IMPATIENT = {"deaf", "hears_the_first_alone", "unacknowledged"}
"""Agents that make every wait last as long as it may."""


@pytest.mark.parametrize("what", BREAKS)
def test_each_break_is_caught_by_the_scenario_named_for_it(
    what: str, looked_at: dict[str, Future[Result]]
) -> None:
    found = looked_at[what].result()

    assert any(BREAKS[what].says in wrong for wrong in found.wrong), (found.wrong, found.said)


def test_each_scenario_has_been_seen_to_fail() -> None:
    assert {scenario.name for scenario in SCENARIOS} - {
        b.scenario for b in BREAKS.values()
    } == set()


def test_a_naive_agent_of_another_make_is_caught_almost_everywhere() -> None:
    names = ("allowance", "bad_signature", "bad_audience", "server_error", "embargo", "redirect",
             "aged")  # fmt: skip

    found = wrong(NAIVE, *names)

    assert {name for name, faults in found.items() if faults} == set(names)
    assert "arrived: a private window" in found["allowance"]
    assert "arrived: the agent's token, at another host" in found["redirect"]


def test_an_agent_that_does_nothing_is_caught_too() -> None:
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]

    result = play(idle, chosen(["allowance"])[0], patience=0.5)

    assert {"missing: an allowed click", "missing: any poll at all"} <= set(result.wrong)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"x":710001,"y":1}\n', {710001}),
        (b'{"x": 710001}', {710001}),
        (b'{"text":"zq710002 words"}', {710002}),
        (b'{"t":1795710001.25,"x":7}', set()),
        (b'{"x":7100011}', set()),
        (b"", set()),
    ],
)
def test_events_are_known_again_by_their_number(body: bytes, found: set[int]) -> None:
    assert arrived([body]) == found


def test_the_kits_own_policy_follows_the_schema(portal: FakePortal) -> None:
    policy_validator().validate(portal.payload())
    assert policy_document()["allow"]


# --- a portal at a URL ---------------------------------------------------------------------------


@pytest.fixture
def home(portal: FakePortal, tmp_path: Path) -> str:
    portal.etags = True
    agent = enrolled(portal, tmp_path / "home")
    agent.close()
    return str(tmp_path / "home")


def look(portal: FakePortal, home: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Result]:
    main(["conformance", "--json", "--home", home, portal.url])
    said = json.loads(capsys.readouterr().out)
    return {r["name"]: r for r in said["results"]}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"iss": "https://elsewhere.example"}, "addressed"),
        ({"aud": "another"}, "addressed"),
        ({"lease_until": 1}, "signed"),
        ({"strikes": None}, "signed"),
        ({"embargo_seconds": 700_000}, "schema"),
        ({"default": {"decision": "allow", "reasons": ["x"]}}, "signed"),
    ],
)
def test_a_portal_whose_policy_is_wrong_is_told_so(
    portal: FakePortal, home: str, capsys: pytest.CaptureFixture[str],
    change: dict[str, object], check: str,
) -> None:  # fmt: skip
    good = look(portal, home, capsys)
    portal.document = lambda p: p.signed({**p.payload(), **change})

    found = look(portal, home, capsys)

    assert good[check]["verdict"] == "passed"  # type: ignore[index]
    assert found[check]["verdict"] == "failed"  # type: ignore[index]


@pytest.mark.parametrize(
    "body", ["<html>\u00e9</html>".encode(), b"[]", b"1", b'{"keys": 1}', b"[" * 9999, b""]
)
def test_a_portal_that_answers_anything_at_all_is_wrong_and_no_crash(
    portal: FakePortal, home: str, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    portal.twist = lambda _seen, _answer: (200, {"Content-Type": "application/problem+json"}, body)

    found = look(portal, home, capsys)

    right = {name for name, result in found.items() if result["verdict"] == "passed"}  # type: ignore[index]
    assert right <= {"foreign_etag", "unchanged", "waits"}  # which ask for no document


def test_without_a_token_the_rest_is_skipped_and_said(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["conformance", "--home", str(tmp_path / "none"), portal.url])

    out = capsys.readouterr().out
    assert "needs an enrolled agent" in out
    assert "8 skipped" in out


# --- the command ----------------------------------------------------------------------------------


def test_the_command_ends_with_11_where_something_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = f"{sys.executable} -c pass"

    assert main(["conformance", "--only", "paused", "--json", command]) == 11

    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["passed"], said["failed"]) == (0, 1)
    assert "missing: a click after the person resumed" in said["results"][0]["wrong"]


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--list"]) == 0

    out = capsys.readouterr().out
    assert all(scenario.name in out for scenario in SCENARIOS)
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_used_wrongly() -> None:
    assert main(["conformance", "--only", "no-such-play"]) == 2
    for command in ("", "'unclosed", "/no/such/agent --x", "ftp://portal.example"):
        with pytest.raises(UsageError):
            split(command)
    for number in ("0", "-1", "x"):
        with pytest.raises(SystemExit):
            main(["conformance", "--at-once", number])


def test_the_table_says_what_went_wrong() -> None:
    bad = Result("name", "does it?", ("arrived: x",))

    assert report.line(bad).splitlines()[0].startswith("FAILED")
    assert "- arrived: x" in report.line(bad)
    assert report.failed([Result("a", "b"), bad])
    assert not report.failed([Result("a", "b"), Result("c", "d", skipped="why")])
    assert report.summary([Result("a", "b")]) == "1 passed, 0 failed, 0 skipped"
    counts, _, hint = report.summary([Result("a", "b"), bad]).partition("\n")
    assert counts == "1 passed, 1 failed, 0 skipped"
    assert "--only NAME" in hint
    assert "--only" not in report.summary([Result("signed", "by a key?", ("status 500",))])


def test_what_the_agent_said_and_was_fed_is_shown_where_it_failed() -> None:
    said = "\n".join(["first", "", *(f"\x1b[31mline {n}" for n in range(5))])
    bad = Result("name", "does it?", ("missing: x",), said=said, ended=7, fed=('{"x": 710001}',))

    brief, whole = report.line(bad), report.line(bad, whole=True)

    assert "had ended by itself, with exit code 7" in brief
    assert "- it said: [31mline 4" in brief
    assert "first" not in brief
    assert "710001" not in brief
    assert "- it said: first" in whole
    assert '- fed: {"x": 710001}' in whole
    assert "\x1b" not in whole
    assert report.line(replace(bad, wrong=())).count("\n") == 0


def test_an_agent_that_ends_at_once_is_shown_with_its_last_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = f"{sys.executable} -c 'import sys; sys.exit(\"no such policy\")'"

    assert main(["conformance", "--only", "paused", command]) == 11

    out = capsys.readouterr().out
    assert "had ended by itself, with exit code 1" in out
    assert "- it said: no such policy" in out
    assert '- fed: {"signal": "mouse_click"' in out
    assert "a click after the person resumed" in out


def test_the_contract_says_all_that_an_agent_is_told_and_may_say(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", "--contract"]) == 0

    out = capsys.readouterr().out
    for name in environment(portal, tmp_path):
        assert f"`{name}`" in out
    rows = {
        signal: row for row in out.splitlines() for signal in SHAPES if f"| `{signal}` |" in row
    }
    assert all(f"`{member}`" in rows[signal] for signal in SHAPES for member in SHAPES[signal])
    for word in ("dblclick", "double"):
        assert (word in rows["mouse_click"]) is (SHAPES["mouse_click"]["action"](word) == word)
    assert "{" not in out.replace('{"', "")


def test_a_command_that_never_asks_is_told_where_it_could_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["conformance", "true", "--only", "paused", "--only", "withdrawn"])

    assert code == 11
    assert "SAYSO_POLICY_URL" in capsys.readouterr().out.splitlines()[-1]
    asked = Result("paused", "?", (NEVER_ASKED,)), Result("withdrawn", "?", ("arrived: it",))
    assert "SAYSO_POLICY_URL" not in summary(asked)
