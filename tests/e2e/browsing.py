"""A real Chromium with its console watched, and axe over every page it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    },
    # Whatever is in order need not be told element by element.
    "resultTypes": ["violations"],
}
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
CANDIDATES = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
PHONE = {"width": 360, "height": 640}
NARROW = {"width": 320, "height": 640}
"""The width that a page must fit into (WCAG 2.2, 1.4.10): 1280 px enlarged four times."""
ENLARGED = {"width": 160, "height": 320}
"""The same with letters twice as large (1.4.4): half as many of them stand in a line."""
DESKTOP = {"width": 1280, "height": 800}


def chromium() -> str:
    """Return the path of a Chromium, or skip the test and say why."""
    named = os.environ.get("CHROMIUM")
    found = next((c for c in (named, *CANDIDATES) if c and Path(c).exists()), None)
    if found is None:
        pytest.skip("no Chromium found: apt-get install chromium, or set CHROMIUM to its path")
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser that talks to nobody but us."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    flags = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(QUIET)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


CUT_OFF = """() => {
  const edge = document.documentElement.clientWidth + 1;
  return [...document.querySelectorAll('body *')].filter(seen => {
    const box = seen.getBoundingClientRect();
    return box.width > 0 && box.right > edge && seen.checkVisibility()
      && !seen.closest('.scroll, pre, svg, .visually-hidden, .skip, thead');
  }).slice(0, 3).map(seen => `${seen.tagName}: ${seen.textContent.trim().slice(0, 60)}`);
}"""
"""What reaches past the right edge, but for what scrolls by itself or is only read aloud."""
BROKEN_WORDS = """() => {
  const lines = seen => {
    const range = document.createRange();
    range.selectNodeContents(seen);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
  };
  return [...document.querySelectorAll('body :not(script, style, option, code, textarea)')]
    .filter(seen => /^\\S{2,12}$/.test(seen.textContent.trim()) && !seen.children.length
      && seen.checkVisibility() && !seen.closest('svg, .visually-hidden, .hash, pre')
      && lines(seen) > 1)
    .slice(0, 3).map(seen => `${seen.tagName}: ${seen.textContent.trim()}`);
}"""
"""Short words that stand on several lines: what they stand in is squeezed."""


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, browser: Any, base_url: str, *, viewport: dict[str, int] = DESKTOP) -> None:
        self.context = browser.new_context(
            base_url=base_url, viewport=viewport, reduced_motion="reduce", accept_downloads=True
        )
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on(
            "console", lambda m: self.problems.append(m.text) if m.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def go(self, path: str) -> None:
        """Open a page and hold it against WCAG 2.2 AA and an empty console."""
        self.page.goto(path)
        self.check()

    def check(self) -> None:
        """Check the page that is open."""
        from axe_playwright_python.sync_playwright import Axe

        report = Axe().run(self.page, options=RULES)
        assert report.violations_count == 0, f"{self.page.url}\n{report.generate_report()}"
        assert self.problems == [], f"{self.page.url}: {self.problems}"
        self.fits()

    def fits(self) -> None:
        """Nothing of the page lies outside the window, or is cut off at the edge of a card."""
        overflow = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{self.page.url} is {overflow} px too wide"
        cut = self.page.evaluate(CUT_OFF)
        assert cut == [], f"{self.page.url}: cut off at the edge: {cut}"
        broken = self.page.evaluate(BROKEN_WORDS)
        assert broken == [], f"{self.page.url}: broken into letters: {broken}"

    def tab_to(self, wanted: str, most: int = 150) -> None:
        """Press Tab until what has the focus matches a selector; the focus must be seen."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("s => document.activeElement.matches(s)", wanted):
                break
        else:
            raise AssertionError(f"{self.page.url}: Tab never reaches {wanted}")
        outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{self.page.url}: the focus on {wanted} cannot be seen"

    def sign_in(self, email: str, password: str) -> None:
        """Sign in through the form."""
        self.go("/accounts/login/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.locator("main form button[type=submit]").click()
        self.page.wait_for_url(lambda url: "/accounts/login" not in url)
        self.check()

    def picture(self, folder: Path, name: str) -> None:
        """Take a picture of the top of the page, for the documentation."""
        folder.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=str(folder / f"{name}.png"))

    def close(self) -> None:
        """Close this person's browser."""
        self.context.close()
