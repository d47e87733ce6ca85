"""What the documentation promises: it is not stale, nothing in it leads nowhere, commands exist."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.test import Client

from portal.management.reference import PAGES, stale_pages
from portal.management.reference.errors import BATCH_REASONS
from portal.management.reference.variables import GROUPS

ROOT = Path(settings.BASE_DIR)
DOCS = ROOT / "docs"
FILES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(path.relative_to(DOCS).with_suffix("")) for path in FILES[1:]]

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:python3 )?(manage\.py|sayso-agent|verify\.py) +([^`\n|]*)")
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
READ = re.compile(
    r"(?:environ(?:\.get|\.setdefault|\.pop)?[(\[]|env_(?:flag|int|url|list)\()\s*\"([A-Z0-9_]+)\""
)
WITHOUT_A_PARSER = {"test", "lint", "lock", "roles", "help"}
NOT_FOR_READERS = re.compile(r"(?<![\w.])/(?:work|root|opt|home)/|\bTODO\b|\bTBD\b")


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_reference_says_what_the_code_says() -> None:
    assert list(stale_pages()) == [], "run `python3 manage.py reference`"


def test_no_role_that_opens_an_area_is_said_to_open_none() -> None:
    from portal.models import Role
    from portal.people import AREAS

    said = re.findall(r"The role \*(.+?)\* opens no area", PAGES["roles.md"]())
    idle = [str(role.label).lower() for role in set(Role).difference(*AREAS.values())]

    assert said == idle


def test_no_page_of_the_reference_is_left_over() -> None:
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(PAGES)


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_every_link_and_picture_leads_somewhere(path: Path) -> None:
    lost = []
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        name, _, place = target.partition("#")
        if "://" in name:
            continue
        file = (path.parent / name).resolve() if name else path
        if not file.is_file() or (place and place not in anchors(file)):
            lost.append(target)

    assert lost == []


def anchors(file: Path) -> set[str]:
    from portal.pages.docs import _renderer

    return set(re.findall(r'id="([^"]+)"', _renderer().render(file.read_text(encoding="utf-8"))))


def test_the_contents_name_every_page() -> None:
    from portal.pages.docs import _pages

    listed = {name for name, _title in _pages()}
    decisions = {name for name in NAMES if name.startswith("adr/0")}

    assert set(NAMES) - decisions == listed, "docs/index.md lists other pages than there are"


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_pages_start_with_a_title_and_hold_nothing_of_the_makers_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("# ")
    assert not NOT_FOR_READERS.search(text)


# --- the pages inside the product --------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_shown_without_login_and_without_database(name: str) -> None:
    answer = Client().get(f"/docs/{name}")
    html = answer.content.decode()

    assert answer.status_code == 200
    assert re.search(r'<div class="prose">\s*<(p|h2|table|ul)\b', html)


@pytest.mark.parametrize("name", ["index", "tutorial", "howto/download-a-report", "adr/README"])
def test_links_between_files_work_between_pages(name: str) -> None:
    address = f"/docs/{name}".removesuffix("index")
    html = Client().get(address).content.decode()
    article = html.partition("<article")[2].partition("</article")[0]
    inside = [
        urljoin(address, target.partition("#")[0])
        for target in re.findall(r'(?:href|src)="([^"]+)"', article)
        if "://" not in target
    ]

    assert inside
    for target in inside:
        answer = Client().get(target)
        assert answer.status_code == 200, target
        answer.close()


def test_what_scrolls_in_a_page_is_reached_by_the_keyboard() -> None:
    page = Client().get("/docs/howto/enrol-a-fleet").content.decode()

    assert page.count("<pre") == page.count('<pre tabindex="0"') > 0
    regions = page.count('<div class="scroll" tabindex="0" role="region" aria-label="Table">')
    assert page.count("<table") == regions > 0
    assert page.count("<div") == page.count("</div>")


def test_a_problem_points_at_its_code() -> None:
    answer = Client().get("/docs/reference/errors")

    assert 'id="batch_refused"' in answer.content.decode()


@pytest.mark.parametrize(
    "name", ["../manage", "..%2F..%2FREADME", "nothing-here", "pictures/x.png"]
)
def test_nothing_outside_the_folder_is_shown(name: str) -> None:
    assert Client().get(f"/docs/{name}").status_code == 404


# --- commands ----------------------------------------------------------------------------------


def shown() -> Iterator[tuple[str, str, set[str]]]:
    """Yield program, command and options of each command line that a page shows."""
    for path in FILES:
        for program, rest in COMMAND.findall(path.read_text(encoding="utf-8")):
            words = rest.split()
            options = set(OPTION.findall(rest.partition(" #")[0]))
            if program == "verify.py" and words and (".jsonl" in words[0] or words[0] == "EXPORT"):
                yield program, "", options
            elif program != "verify.py" and words and re.fullmatch(r"[a-z][a-z_-]*", words[0]):
                yield program, words[0], options


SHOWN = sorted({(program, command) for program, command, _options in shown()})


def test_the_commands_are_found_at_all() -> None:
    assert {("manage.py", "up"), ("manage.py", "test"), ("sayso-agent", "enrol")} <= set(SHOWN)
    assert ("verify.py", "") in SHOWN


@pytest.mark.parametrize(("program", "command"), SHOWN)
def test_every_command_shown_is_real_and_has_the_options_shown(
    program: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if program == "manage.py" and command in WITHOUT_A_PARSER:
        assert f"  {command} " in _manage_py() or command == "help"
        return
    status = _help(program, command)
    text = capsys.readouterr().out

    assert not status
    for shown_program, shown_command, options in shown():
        if (shown_program, shown_command) == (program, command):
            assert options <= set(re.findall(r"--[a-z][a-z-]*", text))


def _help(program: str, command: str) -> Any:
    from sayso_agent import cli as agent

    from audit import verify
    from consent.policy import cli as policy
    from portal.policykeys import offline
    from portal.supervisor import up

    ask = [command, "--help"] if command else ["--help"]
    try:
        if program == "sayso-agent":
            return agent.main(ask)
        if program == "verify.py":
            return verify.main(ask)
        if command == "up":
            return up.main(["--help"])
        if command in {"decide", "bounds", "due"}:
            return policy.main(ask)
        if command in {"root_key", "sign_keys"}:
            return offline.main(ask)
        known = load_command_class(get_commands()[command], command)
        known.create_parser("manage.py", command).parse_args(["--help"])
    except SystemExit as end:
        return end.code
    return "it went on after --help"


def _manage_py() -> str:
    return (ROOT / "manage.py").read_text(encoding="utf-8")


# --- what is kept by hand ----------------------------------------------------------------------


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_the_page_of_settings_names_exactly_what_is_read() -> None:
    files = [ROOT / "manage.py", *sources("portal", "consent", "retention", "audit")]
    found = {name for file in files for name in READ.findall(file.read_text(encoding="utf-8"))}
    # Read under a name that is put together, or that a constant holds.
    found |= {f"DATABASE_URL_{role}" for role in ("APP", "READER", "SEQUENCER")}
    found |= {"SAYSO_AGENT_HOME"}

    assert {row[0] for rows in GROUPS.values() for row in rows} == found


def test_every_reason_to_refuse_a_batch_is_explained() -> None:
    names = ("services/judgement", "manifests", "redactors")
    files = [ROOT / f"retention/{name}.py" for name in names]
    judging = [
        node
        for file in files
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and re.search("objections|outside_policy", node.name)
    ]
    said = {
        node.value.partition(":")[0]
        for function in judging
        for node in ast.walk(function)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z]+(_[a-z]+)*:?", node.value)
    }

    assert said == set(BATCH_REASONS)


def test_the_agent_says_in_plain_words_why_a_batch_was_refused() -> None:
    from sayso_agent.words import PLAIN

    assert not set(BATCH_REASONS) - set(PLAIN)


def test_the_agent_says_in_plain_words_why_nothing_may_be_recorded() -> None:
    from sayso_agent.words import PLAIN

    from consent.policy.reasons import ReasonCode
    from consent.policy.types import ConsentState

    lacking = {f"{ReasonCode.NO_CONSENT}:{state}" for state in ConsentState} - set(PLAIN)
    assert lacking == {f"{ReasonCode.NO_CONSENT}:{ConsentState.GIVEN}"}
    assert {code.value for code in ReasonCode} <= set(PLAIN)


def test_every_error_code_has_a_heading() -> None:
    page = (DOCS / "reference/errors.md").read_text(encoding="utf-8")
    files = sources("portal/api", "consent", "retention", "audit")
    codes = {
        code
        for file in files
        for code in re.findall(r"\bcode ?= ?\"([a-z_]+)\"", file.read_text(encoding="utf-8"))
    }
    bases = {"consent_error", "retention_error", "report_error", "ledger_error"}

    assert {code for code in codes - bases if f"### {code}\n" not in page} == set()


def test_the_version_and_python_are_those_of_the_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"Version {settings.VERSION}" in readme
    assert "Python 3.11 or newer" in readme
    assert sys.version_info >= (3, 11)
