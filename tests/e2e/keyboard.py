"""What must be possible without a pointer: each returns once the page says that it is done."""

from __future__ import annotations

from tests.e2e.browsing import Person

ANSWER = "/you/purposes/train-agents/"


def press(person: Person, path: str, button: str, key: str = "Enter") -> None:
    """Tab to a button, see the focus on it, press it, and hold what follows against the checks."""
    person.go(path)
    person.tab_to(button)
    with person.page.expect_navigation():
        person.page.keyboard.press(key)
    person.check()


def agrees_to_begin_earlier(employee: Person) -> None:
    press(employee, ANSWER, "#beginning form[action$='/earlier/'] button")
    employee.page.get_by_text("You agreed on").wait_for()


def waits_after_all(employee: Person) -> None:
    press(employee, ANSWER, "#beginning form[action$='/earlier/stop/'] button", "Space")
    employee.page.get_by_text("You need not do anything").wait_for()


def takes_back_every_yes(employee: Person) -> None:
    press(employee, "/you/data/", ".strip form[action='/you/stop/'] button")
    assert employee.page.get_by_text("Stopped. Nothing more is recorded").is_visible()


def removes_a_machine(employee: Person) -> None:
    press(employee, "/you/machines/", "form[action$='/remove/'] button", key="Space")
    assert employee.page.get_by_text("The machine was removed.").is_visible()
    assert employee.page.locator("form[action$='/remove/']").count() == 0


def pulls_the_kill_switch(officer: Person) -> None:
    press(officer, "/stop/", "form[action='/stop/pull/'] button")
    assert officer.page.get_by_text("No privacy officer has agreed to release it yet.").is_visible()


def agrees_to_release(officer: Person, said: str) -> None:
    press(officer, "/stop/", "form[action$='/release/'] button")
    assert officer.page.get_by_text(said).is_visible()


def proposes_to_keep_shorter(officer: Person) -> str:
    """Fill in the form of a purpose by keys alone; return the address of the proposal."""
    officer.go("/privacy/changes/new/purpose.change/")
    officer.tab_to("#id_purpose")
    officer.page.keyboard.press("ArrowDown")
    officer.tab_to("#id_retention_days")
    officer.page.keyboard.press("Control+A")
    officer.page.keyboard.type("30")
    officer.tab_to("main form.form button.main")
    officer.page.keyboard.press("Enter")
    officer.page.wait_for_url("**/privacy/changes/*-*/")
    officer.check()
    return str(officer.page.url)


def approves(officer: Person, proposal: str) -> None:
    press(officer, proposal, "input[value='approve'] + button")
    assert officer.page.get_by_text("Your answer is recorded.").is_visible()
