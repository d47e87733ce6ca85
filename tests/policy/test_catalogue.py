"""The catalogue: all of it is read, every mark fits, and a wrong file is refused by name."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from consent.catalogue import (
    CatalogueError,
    catalogue_digest,
    known_app,
    known_apps,
    never_app,
    never_matchers,
)
from consent.catalogue.reading import FOLDER, read
from consent.policy.matching import misfit
from consent.policy.types import NEVER_CATEGORIES, AppCategory, MatcherKind, Platform
from portal.demo import company

WEB, DOMAIN = Platform.WEB, MatcherKind.DOMAIN
GOOD = """
category = "office"
data_of = "own"

[[app]]
code = "writer"
name = "Writer"
web.domain = ["*.writer.example"]
windows.executable = ["writer.exe"]
windows.signer = ["Writer Ltd"]
"""


# --- what ships -------------------------------------------------------------------------------


def test_all_of_it_is_read_and_every_mark_could_be_saved() -> None:
    apps = known_apps()

    assert len(apps) >= 300
    assert len({app.code for app in apps}) == len(apps)
    for app in apps:
        assert app.matchers, app.code
        assert [mark for mark in app.matchers if misfit(*mark)] == []


def test_a_file_holds_one_category_and_every_category_but_unknown_has_one() -> None:
    files = {file.stem for file in FOLDER.glob("*.toml")}

    assert files == {category.value for category in AppCategory} - {"unknown"}
    for app in known_apps():
        text = (FOLDER / f"{app.category}.toml").read_text()
        assert f'code = "{app.code}"' in text


@pytest.mark.parametrize(
    ("category", "least"),
    [
        (AppCategory.HR, 40),
        (AppCategory.HEALTH, 100),
        (AppCategory.WHISTLEBLOWING, 20),
        (AppCategory.UNION, 100),
        (AppCategory.LEGAL_ADVICE, 20),
        (AppCategory.BANKING, 100),
        (AppCategory.PASSWORD_MANAGER, 30),
        (AppCategory.PERSONAL, 80),
    ],
)
def test_what_is_never_captured_is_covered_well(category: AppCategory, least: int) -> None:
    marks = [mark for app in known_apps() if app.category is category for mark in app.matchers]

    assert len(marks) >= least


@pytest.mark.parametrize(
    ("host", "category"),
    [
        ("impl.workday.com", AppCategory.HR),
        ("performancemanager5.successfactors.eu", AppCategory.HR),
        ("acme.bamboohr.com", AppCategory.HR),
        ("acme.app.personio.de", AppCategory.HR),
        ("www.doctolib.de", AppCategory.HEALTH),
        ("meine.tk.de", AppCategory.HEALTH),
        ("acme.integrityline.com", AppCategory.WHISTLEBLOWING),
        ("secure.ethicspoint.com", AppCategory.WHISTLEBLOWING),
        ("www.faceup.com", AppCategory.WHISTLEBLOWING),
        ("acme.speakup.report", AppCategory.WHISTLEBLOWING),
        ("www.verdi.de", AppCategory.UNION),
        ("igmetall.de", AppCategory.UNION),
        ("www.unitetheunion.org", AppCategory.UNION),
        ("www.unison.org.uk", AppCategory.UNION),
        ("www.cgt.fr", AppCategory.UNION),
        ("www.acas.org.uk", AppCategory.LEGAL_ADVICE),
        ("meine.deutsche-bank.de", AppCategory.BANKING),
        ("secure.chase.com", AppCategory.BANKING),
        ("my.1password.com", AppCategory.PASSWORD_MANAGER),
        ("mail.google.com", AppCategory.PERSONAL),
        ("www.instagram.com", AppCategory.PERSONAL),
        ("tinder.com", AppCategory.PERSONAL),
    ],
)
def test_a_host_that_everybody_would_name(host: str, category: AppCategory) -> None:
    found = never_app(DOMAIN, host)

    assert found is not None
    assert found.category is category


def test_banks_of_every_country_that_has_rules_are_known() -> None:
    places = {file.stem for file in (FOLDER.parent / "policy" / "jurisdictions").glob("*.toml")}
    countries = {code.partition("-")[0] for code in places - {"EU", "gates", "meta"}}
    codes = {app.code for app in known_apps()}

    assert {f"banks-{country.lower()}" for country in countries} <= codes
    for family in ("unions", "health"):
        assert {f"{family}-{country.lower()}" for country in countries} <= codes


def test_the_demonstrations_apps_are_what_the_catalogue_says_or_not_in_it() -> None:
    for app in company.apps().values():
        for _, kind, value in app.matchers:
            known = None if kind is MatcherKind.SIGNER else never_app(kind, value)
            if known:
                assert AppCategory(app.category) in NEVER_CATEGORIES, value


def test_no_mark_of_a_working_tool_lies_within_what_is_never_captured() -> None:
    open_apps = [app for app in known_apps() if app.category not in NEVER_CATEGORIES]

    for app in open_apps:
        marks = [mark for mark in app.matchers if mark[1] is not MatcherKind.SIGNER]
        assert [value for _, kind, value in marks if never_app(kind, value)] == [], app.code


def test_never_matchers_are_all_marks_of_protected_apps_but_their_signers() -> None:
    found = Counter(never_matchers())

    assert max(found.values()) == 1
    assert {kind for _, kind, _ in found} == set(MatcherKind) - {MatcherKind.SIGNER}
    for app in known_apps():
        for mark in app.matchers:
            protected = app.category in NEVER_CATEGORIES and mark[1] is not MatcherKind.SIGNER
            assert (mark in found) is protected


# --- looking up -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ((WEB, DOMAIN, "payroll.acme.workday.com"), "workday"),
        ((WEB, DOMAIN, "*.eu.workday.com"), "workday"),
        ((WEB, DOMAIN, "docs.google.com"), "google-docs"),
        ((WEB, DOMAIN, "evil-workday.com"), None),
        ((WEB, DOMAIN, "workday.com.evil.test"), None),
        ((WEB, DOMAIN, "*.google.com"), None),
        ((Platform.MACOS, MatcherKind.BUNDLE_ID, "COM.microsoft.excel"), "excel"),
        ((Platform.WINDOWS, MatcherKind.EXECUTABLE, "keepassxc.exe"), "keepassxc"),
        ((Platform.LINUX, MatcherKind.EXECUTABLE, "keepassxc.exe"), None),
        ((Platform.WINDOWS, MatcherKind.SIGNER, "Microsoft Corporation"), None),
    ],
)
def test_known_app(mark: tuple[Platform, MatcherKind, str], code: str | None) -> None:
    found = known_app(*mark)

    assert (found.code if found else None) == code


def test_what_is_never_captured_is_known_on_any_platform_as_agents_read_it() -> None:
    program = MatcherKind.EXECUTABLE

    assert never_app(program, "keepass") is never_app(program, "KEEPASS.EXE")
    assert never_app(program, "keepass.exe") is not None
    assert never_app(program, "excel.exe") is None
    assert never_app(DOMAIN, "docs.google.com") is None


# --- reading ----------------------------------------------------------------------------------


def written(folder: Path, text: str, name: str = "office.toml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (app,) = read(written(tmp_path, GOOD)).apps

    assert (app.code, app.name, app.category, app.data_of) == ("writer", "Writer", "office", "own")
    assert len(app.matchers) == 3


def test_the_digest_changes_with_any_letter_and_any_name(tmp_path: Path) -> None:
    first = read(written(tmp_path, GOOD)).digest
    other = read(written(tmp_path, GOOD + "# reviewed\n")).digest
    (tmp_path / "office.toml").rename(tmp_path / "offices.toml")

    assert len({first, other, read(tmp_path).digest}) == 3
    assert re.fullmatch("[0-9a-f]{64}", catalogue_digest())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'code = "writer"',
            'code = "writer"\ncolour = "red"',
            "writer: colour: there is no such key",
        ),
        ('category = "office"', 'category = "office"\nowner = "x"', "owner: there is no such key"),
        ('category = "office"', 'category = "astrology"', "category: 'astrology'"),
        ('category = "office"', "", "category: is missing"),
        ('data_of = "own"', 'data_of = "nobody"', "data_of: 'nobody'"),
        ('name = "Writer"', "", "writer: name: is missing"),
        ('name = "Writer"', 'name = ""', "writer: name:"),
        ('code = "writer"', 'code = "Writer!"', "code:"),
        ("web.domain", "web.title", "web: 'title'"),
        ("web.domain", "browser.domain", "writer: browser: there is no such key"),
        ('["*.writer.example"]', '["*.com"]', "web.domain: '*.com'"),
        ('["*.writer.example"]', '["*.co.uk"]', "anybody can register"),
        ('["*.writer.example"]', '["Writer.example"]', "lower case"),
        ('["*.writer.example"]', "[]", "web.domain: must be a list"),
        ('["*.writer.example"]', "[7]", "web.domain: must be a list"),
        ('["*.writer.example"]', '["a.example", "a.example"]', "is there twice"),
        ('windows.executable = ["writer.exe"]', "", "signer: needs a program"),
        ('["writer.exe"]', '["C:/writer.exe"]', "windows.executable: 'C:/writer.exe'"),
        ("[[app]]", "[app]", "app: there must be at least one"),
        ("[[app]]", "[[app", "office.toml:"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD

    with pytest.raises(CatalogueError, match=re.escape(said)) as refused:
        read(written(tmp_path, GOOD.replace(old, new)))

    assert str(refused.value).startswith("office.toml:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("writer.example", "other.example", "two apps of this code"),
        ('"writer"', '"other"', "is a mark of writer already"),
    ],
)
def test_nothing_is_doubled_across_files(tmp_path: Path, old: str, new: str, said: str) -> None:
    written(tmp_path, GOOD)
    second = GOOD.replace("office", "design").replace("writer.exe", "WRITER2.exe".lower())
    written(tmp_path, second.replace(old, new), "second.toml")

    with pytest.raises(CatalogueError, match=said):
        read(tmp_path)


def test_a_signer_may_sign_for_many(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    second = GOOD.replace('"writer"', '"other"').replace("writer.", "other.")
    written(tmp_path, second, "second.toml")

    assert len(read(tmp_path).apps) == 2


def test_the_shared_vectors_use_no_mark_of_the_catalogue_as_allowed() -> None:
    vectors = json.loads((FOLDER.parents[1] / "agentkit/vectors/matching.json").read_text())

    for app in vectors["apps"].values():
        for mark in app["matchers"]:
            if app["category"] != "hr" and mark["kind"] == "domain":
                assert never_app(DOMAIN, mark["value"]) is None
