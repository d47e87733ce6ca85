"""Both journeys from the first page to the last, by keys alone: no pointer, no address typed in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browsing import PHONE, Person, browser
from tests.e2e.installation import Installation, running
from tests.e2e.test_journey import AgentProcess, records_and_hands_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SECOND = "second@northwind.example"


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def people(installation: Installation) -> dict[str, str]:
    grants = ("--role", "privacy_officer", "--works-in", "DE")
    people = installation.seed()
    said = installation.python("manage.py", "appoint", SECOND, "--name", "Alex Rau", *grants)
    return {**people, "second": said.partition("shown this once: ")[2].strip()}


class Keys:
    """Somebody who has no pointer."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page = person.page

    def follow(self, wanted: str, key: str = "Enter") -> None:
        """Tab to a link or a button, press it, and wait for the next page."""
        self.person.tab_to(wanted)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def write(self, field: str, text: str) -> None:
        """Tab to a field and type over what is in it."""
        self.person.tab_to(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def menu(self, address: str) -> None:
        """Go by the menu, which a phone opens first."""
        if self.page.locator(".menu-button").is_visible():
            self.person.tab_to(".menu-button")
            self.page.keyboard.press("Enter")
        self.follow(f".top a[href='{address}']")

    def save(self, wanted: str) -> bytes:
        """Tab to a link that is a file, and take it."""
        self.person.tab_to(wanted)
        with self.page.expect_download() as taken:
            self.page.keyboard.press("Enter")
        return Path(taken.value.path()).read_bytes()

    def sign_in(self, email: str, password: str) -> None:
        """Begin at the first page of all."""
        self.page.goto("/")
        self.follow("a[href^='/accounts/login/']")
        self.write("#id_login", email)
        self.write("#id_password", password)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def reads(self, text: str) -> None:
        """Find the words on the page."""
        self.page.get_by_text(text).first.wait_for()


def test_an_employee_needs_no_pointer(installation: Installation, people: dict[str, str]) -> None:
    """From signing in to the receipt of a withdrawal, on a phone."""
    agent = AgentProcess(installation)
    with browser() as chromium:
        robin = Keys(Person(chromium, installation.url, viewport=PHONE))
        robin.sign_in(people["employee"], people["password"])
        says_yes(robin)
        lets_a_machine_in(robin, agent)
        records_and_hands_in(agent, installation)
        robin.menu("/you/data/")
        robin.reads("Issue tracker: Train computer-use agents")
        robin.follow("form[action='/you/stop/'] button")
        robin.reads("Stopped. Nothing more is recorded")
        robin.follow("main a[href*='/receipts/']")
        robin.reads("Withdrawn")
        receipt = json.loads(robin.save("a[href$='.json'], a[href$='/json/']"))
        robin.person.check()
        robin.person.close()
    assert receipt["events"][-1]["event_state"] == "consent_withdrawn"
    assert agent.allowed(expect=3) == set()


def says_yes(robin: Keys) -> None:
    robin.follow("main a[href='/you/purposes/train-agents/']")
    robin.person.tab_to("input.switch[value*='tracker']")
    robin.page.keyboard.press("Space")
    robin.follow("button[value='yes']")
    robin.page.wait_for_url("**/receipts/**")


def lets_a_machine_in(robin: Keys, agent: AgentProcess) -> None:
    enrolling = agent.enrol()
    assert enrolling.stdout
    code = json.loads(enrolling.stdout.readline())["user_code"]
    robin.menu("/you/machines/")
    robin.follow("main a.btn")
    robin.write("#id_code", code)
    with robin.page.expect_navigation():
        robin.page.keyboard.press("Enter")
    robin.follow("button[value='confirm']", "Space")
    output, errors = enrolling.communicate(timeout=60)
    assert enrolling.returncode == 0, output + errors


def test_privacy_officers_need_no_pointer(
    installation: Installation, people: dict[str, str]
) -> None:
    """A change proposed, its effect read, approved by another, found in the ledger and reported."""
    with browser() as chromium:
        kim, alex = (Keys(Person(chromium, installation.url)) for _ in range(2))
        kim.sign_in(people["officer"], people["password"])
        proposes_to_keep_longer(kim)
        alex.sign_in(SECOND, people["second"])
        alex.follow("main a[href^='/privacy/changes/'][href*='-']")
        alex.reads("What it does to people")
        alex.follow("input[value='approve'] + button")
        alex.reads("Your answer is recorded.")
        alex.reads("In effect")
        alex.person.close()
        kim.menu("/audit/")
        kim.person.tab_to("#id_type")
        kim.page.keyboard.type("Purpose changed")
        kim.follow("main form button")
        kim.follow("table a[href^='/audit/entries/']")
        kim.reads("Purpose changed")
        kim.menu("/privacy/")
        kim.follow("main a[href='/privacy/reports/']")
        kim.follow("main form button.main")
        kim.page.locator("a[href$='/pdf/']").first.wait_for(timeout=90_000)
        taken = kim.save("a[href$='/pdf/']")
        kim.person.check()
        kim.person.close()
    assert taken.startswith(b"%PDF")
    assert installation.sql("SELECT retention_days FROM consent_purpose") == [("90",)]


def proposes_to_keep_longer(kim: Keys) -> Any:
    kim.menu("/privacy/changes/")
    kim.follow("main a[href='/privacy/changes/new/purpose.change/']")
    kim.person.tab_to("#id_purpose")
    kim.page.keyboard.press("ArrowDown")
    kim.write("#id_retention_days", "90")
    kim.write("#id_section_retention", "Ninety days at most.")
    kim.follow("main form.form button.main")
    kim.reads("1 privacy officer other than the author")
    kim.reads("What it does to people")
