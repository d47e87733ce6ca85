"""Every page, phone and desk, light and dark: WCAG 2.2 AA, an empty console, no overflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import keyboard
from tests.e2e.browsing import DESKTOP, ENLARGED, NARROW, PHONE, Person, browser
from tests.e2e.installation import Installation, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
LOOKS = (("light", DESKTOP), ("dark", PHONE))
PUBLIC = (
    "/",
    "/accounts/login/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-abc/",
    "/accounts/signup/",
    "/status",
    "/docs/",
    "/nowhere",
)
OWN = (
    "/you/",
    "/you/why/",
    "/you/explain/",
    "/you/facts/",
    "/you/history/",
    "/you/data/",
    "/you/machines/",
    "/you/purposes/train-agents/",
    "/you/machines/approve/",
    "/you/apps/report/",
    "/identity/o/device",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/logout/",
    "/accounts/2fa/",
)
STAFF = (
    "/privacy/",
    "/privacy/reports/",
    "/privacy/explain/",
    "/privacy/what-if/",
    "/privacy/readiness/",
    "/privacy/rules/",
    "/privacy/rules/DE/",
    "/privacy/people/",
    "/privacy/changes/",
    "/privacy/apps/",
    "/privacy/catalogue/",
    "/privacy/gates/",
    "/privacy/agreements/",
    "/privacy/apps/tracker/",
    "/privacy/hours/",
    "/privacy/tickets/",
    "/stop/",
    "/audit/",
    "/audit/entries/1/",
    "/council/",
    "/council/seats/",
    "/releases/",
)

AUDITORS = ("/audit/", "/audit/?type=person.own", "/audit/entries/1/", "/audit/export/")

KINDS = (
    "purpose.publish",
    "purpose.change",
    "purpose.retire",
    "purpose.reopen",
    "notice.publish",
    "allowlist.change",
    "app.list",
    "app.change",
    "app.change/?app=tracker",
    "app.block",
    "app.unblock",
    "agreement.record",
    "gate.close",
    "gate.reopen",
    "override.grant",
    "override.revoke",
    "rules.adopt",
    "setting.change",
    "hours.change",
)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def people(installation: Installation) -> dict[str, Any]:
    return {
        **installation.seed(),
        "held": json.loads(installation.python("-m", "tests.e2e.fill", "3")),
    }


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light desktop", "dark phone"])
def test_every_page_is_fit_to_be_used(
    installation: Installation, people: dict[str, Any], scheme: str, viewport: dict[str, int]
) -> None:
    with browser() as chromium:
        for who, pages in (
            (None, PUBLIC),
            ("held", OWN),
            ("officer", STAFF),
            ("auditor", AUDITORS),
        ):
            person = Person(chromium, installation.url, viewport=viewport)
            person.page.emulate_media(color_scheme=scheme)
            if who == "held":
                person.sign_in(people["held"]["email"], people["held"]["password"])
            elif who:
                person.sign_in(people[who], people["password"])
            for path in pages:
                if path == "/nowhere":
                    person.page.goto(path)
                    person.problems.clear()  # the browser itself notes the 404
                    person.check()
                else:
                    person.go(path)
            person.close()


def test_every_page_fits_into_320_pixels_with_letters_of_any_size(
    installation: Installation, people: dict[str, Any]
) -> None:
    changes = [f"/privacy/changes/new/{kind if '?' in kind else kind + '/'}" for kind in KINDS]
    with browser() as chromium:
        for who, pages in ((None, PUBLIC), ("held", OWN), ("officer", (*STAFF, *changes))):
            person = Person(chromium, installation.url, viewport=NARROW)
            if who == "held":
                person.sign_in(people["held"]["email"], people["held"]["password"])
            elif who:
                person.sign_in(people[who], people["password"])
            for path in pages:
                person.page.goto(path)
                person.page.evaluate(
                    "document.querySelectorAll('details').forEach(d => d.open = true)"
                )
                for viewport in (NARROW, ENLARGED):
                    person.page.set_viewport_size(viewport)
                    person.fits()
            person.close()


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light desktop", "dark phone"])
def test_a_change_is_proposed_and_shown(
    installation: Installation, people: dict[str, Any], scheme: str, viewport: dict[str, int]
) -> None:
    with browser() as chromium:
        person = Person(chromium, installation.url, viewport=viewport)
        person.page.emulate_media(color_scheme=scheme)
        person.sign_in(people["officer"], people["password"])
        for kind in KINDS:
            person.go(f"/privacy/changes/new/{kind if '?' in kind else kind + '/'}")
        person.go("/privacy/changes/new/purpose.change/")
        person.page.get_by_label("Purpose", exact=True).select_option("train-agents")
        person.page.get_by_label("Kept at most, in days").fill("90")
        person.page.get_by_label("New in the notice: How long it is kept").fill("Ninety days.")
        person.page.get_by_role("button", name="Propose").click()
        person.page.wait_for_url("**/privacy/changes/*-*/")
        person.check()
        shown = person.page.locator("main").inner_text()
        assert "90" in shown
        before = person.page.get_by_text("Before", exact=True).first.bounding_box()
        assert before["height"] < 40, "the word stands on one line"
        assert "1 privacy officer other than the author" in shown
        person.page.get_by_role("button", name="Take it back").click()
        person.check()
        person.close()


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light desktop", "dark phone"])
def test_tickets_are_made_and_saved(
    installation: Installation, people: dict[str, Any], scheme: str, viewport: dict[str, int]
) -> None:
    with browser() as chromium:
        person = Person(chromium, installation.url, viewport=viewport)
        person.page.emulate_media(color_scheme=scheme)
        person.sign_in(people["officer"], people["password"])
        person.go("/privacy/tickets/")
        person.page.locator("#id_label").fill("Donaudampfschifffahrtselektrizitätenwerk Laptops")
        person.page.locator("#id_site").fill("Berlin")
        person.page.locator("#id_count").fill("12")
        person.page.get_by_role("button", name="Make the tickets").click()
        person.page.get_by_text("shown this once").wait_for()
        person.check()
        with person.page.expect_download() as saved:
            person.page.get_by_role("button", name="Save the tickets alone").click()
        person.page.get_by_role("link", name="See which were used").click()
        person.page.get_by_role("button", name="End ticket 9", exact=True).click()
        person.page.get_by_text("1 ended").wait_for()
        person.check()
        assert len(saved.value.path().read_text().split()) == 12
        person.close()


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light desktop", "dark phone"])
def test_why_and_what_if_are_answered(
    installation: Installation, people: dict[str, Any], scheme: str, viewport: dict[str, int]
) -> None:
    """Both answers, long as they are: no overflow, no violation, and what was asked stays."""
    ((ref,),) = installation.sql(
        "SELECT s.ref FROM consent_subject s JOIN portal_user u ON u.subject_id = s.id"
        " WHERE u.email = 'employee@northwind.example'"
    )
    with browser() as chromium:
        person = Person(chromium, installation.url, viewport=viewport)
        person.page.emulate_media(color_scheme=scheme)
        person.sign_in(people["officer"], people["password"])
        person.go("/privacy/explain/")
        person.page.get_by_label("Reference of the person").fill(ref)
        person.page.get_by_label("App", exact=True).select_option("tracker")
        person.page.get_by_label("Signal", exact=True).select_option("mouse_move")
        person.page.get_by_role("button", name="Explain").click()
        person.page.get_by_text("signal_restricted_no_override").wait_for()
        person.check()
        assert ref not in person.page.url
        person.go("/privacy/what-if/")
        person.page.get_by_label("Germany (DE)").first.check()
        person.page.get_by_label("Poland (PL)").first.check()
        person.page.get_by_label("Consent", exact=True).select_option("given")
        person.page.get_by_role("button", name="Ask", exact=True).click()
        person.page.get_by_text("This would not be allowed").wait_for()
        person.check()
        assert person.page.get_by_label("Poland (PL)").first.is_checked()
        person.close()


WIDTHS = (360, 390, 768, 959, 960, 1000, 1024, 1100, 1200, 1280, 1440)
HOMES = {
    "privacy_officer": "/privacy/",
    "works_council": "/council/",
    "ml_steward": "/releases/",
    "auditor": "/audit/",
    "manager": "/manager/",
    "operator": "/status",
    "employee": "/you/",
}


@pytest.mark.parametrize("role", HOMES)
def test_no_role_is_shown_a_page_wider_than_the_screen(
    installation: Installation, people: dict[str, Any], role: str
) -> None:
    """Every link of the menu stays in view and the logo keeps its size, at any width."""
    email = f"{role.replace('_', '-')}@northwind.example"
    roles = [] if role == "employee" else ["--role", role, "--works-in", "DE"]
    said = installation.python("manage.py", "appoint", email, "--name", "Kim Vogel", *roles)
    _, once, told = said.partition("shown this once: ")
    password = told.strip() if once else people["password"]  # who was there before keeps theirs
    with browser() as chromium:
        person = Person(chromium, installation.url)
        person.sign_in(email, password)
        assert person.page.url == installation.url + HOMES[role]
        for width in WIDTHS:
            person.page.set_viewport_size({"width": width, "height": 800})
            assert person.page.evaluate(MEASURED) == [], (role, width)
        person.close()


MEASURED = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push("page");
  for (const box of document.querySelectorAll(".top a, .top button")) {
    const { left, right, width } = box.getBoundingClientRect();
    if (width && (left < 0 || right > wide)) found.push(box.textContent.trim());
  }
  if (document.querySelector(".brand svg").getBoundingClientRect().width < 20) found.push("logo");
  return found;
}"""


def test_the_answers_weigh_the_same(installation: Installation, people: dict[str, Any]) -> None:
    """Yes, No and Not now: same element, same size, side by side, in view (11 CCR 7004)."""
    for viewport in (PHONE, {"width": 1366, "height": 768}):
        with browser() as chromium:
            person = Person(chromium, installation.url, viewport=viewport)
            person.sign_in(people["employee"], people["password"])
            person.go("/you/purposes/train-agents/")
            buttons = person.page.locator(".answers button")
            boxes = [buttons.nth(number).bounding_box() for number in range(3)]
            assert [buttons.nth(n).inner_text() for n in range(3)] == ["Yes", "No", "Not now"]
            assert len({(round(b["width"]), round(b["height"]), round(b["y"])) for b in boxes}) == 1
            assert all(b["y"] + b["height"] <= viewport["height"] for b in boxes)
            assert person.page.locator(".switch:checked").count() == 0
            person.close()


def test_the_keyboard_alone_reaches_a_no(
    installation: Installation, people: dict[str, Any]
) -> None:
    with browser() as chromium:
        person = Person(chromium, installation.url)
        person.sign_in(people["employee"], people["password"])
        person.go("/you/purposes/train-agents/")
        for _ in range(80):
            person.page.keyboard.press("Tab")
            if person.page.evaluate("document.activeElement.value") == "no":
                break
        outline = person.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "the focus can be seen"
        person.page.keyboard.press("Enter")
        person.page.wait_for_url("**/receipts/**")
        person.check()
        person.close()
    assert installation.sql(
        "SELECT e.state FROM consent_consentevent e JOIN portal_user u USING (subject_id)"
        " WHERE u.email = 'employee@northwind.example'"
    ) == [("refused",)]


def test_the_keyboard_alone_stops_and_signs_out(
    installation: Installation, people: dict[str, Any]
) -> None:
    """Skip link, pause, stop and the menu, on a phone: nothing needs a pointer."""
    with browser() as chromium:
        person = Person(chromium, installation.url, viewport=NARROW)
        person.sign_in(people["held"]["email"], people["held"]["password"])
        person.go("/you/history/")
        person.tab_to(".skip", most=1)
        person.page.keyboard.press("Enter")
        assert person.page.evaluate("location.hash") == "#main"
        person.go("/you/history/")
        person.tab_to("form[action='/you/pause/'] button")
        person.page.keyboard.press("Space")
        person.page.get_by_text("Paused", exact=False).first.wait_for()
        person.go("/you/history/")
        person.tab_to("form[action='/you/resume/'] button")
        with person.page.expect_navigation():
            person.page.keyboard.press("Enter")
        person.go("/you/history/")
        person.tab_to(".menu-button")
        person.page.keyboard.press("Enter")
        person.tab_to(".menu a[href='/accounts/logout/']")
        person.page.keyboard.press("Enter")
        person.page.wait_for_url("**/accounts/logout/")
        person.close()


def test_the_keyboard_alone_withdraws_removes_stops_and_approves(
    installation: Installation, people: dict[str, Any]
) -> None:
    employee = json.loads(installation.python("-m", "tests.e2e.fill", "1"))
    second = "second@northwind.example"
    grants = ("--role", "privacy_officer", "--works-in", "DE")
    said = installation.python("manage.py", "appoint", second, "--name", "Alex Rau", *grants)
    password = said.partition("shown this once: ")[2].strip()
    with browser() as chromium:
        sam = Person(chromium, installation.url)
        sam.sign_in(employee["email"], employee["password"])
        keyboard.takes_back_every_yes(sam)
        keyboard.removes_a_machine(sam)
        sam.close()
        kim, alex = (Person(chromium, installation.url) for _ in range(2))
        kim.sign_in(people["officer"], people["password"])
        alex.sign_in(second, password)
        proposal = keyboard.proposes_to_keep_shorter(kim)
        keyboard.approves(alex, proposal)
        keyboard.pulls_the_kill_switch(kim)
        keyboard.agrees_to_release(kim, "You agreed to release it.")
        keyboard.agrees_to_release(alex, "Nothing is stopped.")
        kim.close()
        alex.close()
    assert installation.sql(
        "SELECT a.standing FROM consent_agent a JOIN portal_user u USING (subject_id)"
        f" WHERE u.email = '{employee['email']}'"
    ) == [("revoked",)]
    assert installation.sql("SELECT 1 FROM consent_killswitch WHERE released_at IS NULL") == []


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS, ids=["light desktop", "dark phone"])
def test_the_keyboard_alone_agrees_to_begin_earlier_and_takes_it_back(
    installation: Installation, people: dict[str, Any], scheme: str, viewport: dict[str, int]
) -> None:
    """Whoever waits for a notice period: each page before, between and after."""
    employee = json.loads(installation.python("-m", "tests.e2e.waiting"))
    with browser() as chromium:
        ari = Person(chromium, installation.url, viewport=viewport)
        ari.page.emulate_media(color_scheme=scheme)
        ari.sign_in(employee["email"], employee["password"])
        ari.go("/you/")
        ari.page.get_by_text("Nothing is recorded before").wait_for()
        keyboard.agrees_to_begin_earlier(ari)
        ari.go("/you/")
        ari.page.get_by_text("You agreed that recording may begin before").wait_for()
        keyboard.waits_after_all(ari)
        ari.go("/you/history/")
        ari.close()
    said = (
        "SELECT w.agreed FROM consent_noticewaiver w JOIN portal_user u USING (subject_id)"
        f" WHERE u.email = '{employee['email']}' ORDER BY w.id"
    )
    assert installation.sql(said) == [("True",), ("False",)]


def test_after_wrong_input_the_focus_is_on_what_is_wrong(
    installation: Installation, people: dict[str, Any]
) -> None:
    """Every form of a change, sent empty: the summary has the focus, its links lead to fields."""
    refused: list[str] = []
    with browser() as chromium:
        person = Person(chromium, installation.url)
        person.sign_in(people["officer"], people["password"])
        for kind in KINDS:
            person.page.goto(f"/privacy/changes/new/{kind if '?' in kind else kind + '/'}")
            form = person.page.locator("main form.form").last
            if not form.count() or not form.locator("button.main").count():
                continue  # there is nothing yet that this could be about
            form.evaluate("form => { form.noValidate = true; }")
            form.locator("button.main").click()
            person.page.wait_for_load_state()
            if not person.page.locator("#errors").count():
                continue  # an empty form of this kind means something
            refused.append(kind)
            person.fits()
            assert person.page.evaluate("document.activeElement.id") == "errors", kind
            missing = person.page.evaluate(
                "[...document.querySelectorAll('#errors a')].map(a => a.getAttribute('href'))"
                ".filter(href => !document.querySelector(href))"
            )
            assert missing == [], f"{kind}: the summary leads nowhere"
        person.problems.clear()  # the browser itself notes each 422
        person.check()
        person.close()
    assert len(refused) >= 8, refused


def test_a_text_that_is_too_long_is_named_before_it_is_sent(
    installation: Installation, people: dict[str, Any]
) -> None:
    """With a document and without: nothing leaves the page, the longest field says so."""
    with browser() as chromium:
        person = Person(chromium, installation.url)
        person.sign_in(people["officer"], people["password"])
        for kind, field in (("purpose.publish", "description"), ("agreement.record", "hours")):
            person.go(f"/privacy/changes/new/{kind}/")
            form = person.page.locator("main form.form").last
            form.evaluate("form => { form.noValidate = true; }")
            typed = person.page.locator(f"#id_{field}")
            typed.evaluate("(box, many) => { box.value = 'x'.repeat(many); }", 2_000_001)
            form.locator("button.main").click()
            assert person.page.url.endswith(f"/{kind}/")
            assert typed.evaluate("box => box.validationMessage").startswith("This text is too")
            assert typed.evaluate("box => box === document.activeElement")
            typed.fill("x")
            assert typed.evaluate("box => box.validity.valid")
        person.close()


def test_without_script_everything_works(
    installation: Installation, people: dict[str, Any]
) -> None:
    with browser() as chromium:
        context = chromium.new_context(base_url=installation.url, java_script_enabled=False)
        page = context.new_page()
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(people["held"]["email"])
        page.get_by_label("Password").fill(people["held"]["password"])
        page.locator("main form button[type=submit]").click()
        page.goto("/you/")
        page.get_by_role("button", name="Pause").first.click()
        assert page.get_by_text("No, you paused it").is_visible()
        page.get_by_role("button", name="Resume").first.click()
        page.get_by_role("button", name="Stop recording").first.click()
        assert page.get_by_text("Stopped. Nothing more").is_visible()
        context.close()
