"""The whole story, once through, against a whole running installation and in a real browser.

web, worker, beat, sequencer, PostgreSQL, Redis and the file store all run as they do for a user;
the agent is a process of its own; what is checked is checked by eyes of the test's own: raw bytes
of the store, SQL, the signed export outside the checkout.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.browsing import PHONE, Person, browser
from tests.e2e.installation import ROOT, Installation, running
from tests.e2e.redis_server import RedisServer
from tests.oracle import look

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
RECORDING = ROOT / "tests/recordings/rrweb-tracker.json"
PICTURES = Path(os.environ["SAYSO_PICTURES"]) if "SAYSO_PICTURES" in os.environ else None


@pytest.fixture(params=["all parts up", "redis stopped"])
def installation(request: Any) -> Iterator[Installation]:
    """A whole installation; in the second case its Redis is stopped before the story begins."""
    if request.param == "all parts up":
        with running() as made:
            yield made
        return
    with RedisServer() as redis, running(REDIS_URL=redis.url) as made:
        redis.stop()
        yield made


def eventually(check: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Return the first true answer; fail when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.3)
    raise AssertionError(f"never happened: {what or check}")


class AgentProcess:
    """`sayso-agent` as its users run it: a command, a folder, no Django."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.home = installation.home / "agent"
        self.command = [str(Path(sys.executable).parent / "sayso-agent")]

    def run(self, *args: str, expect: int = 0) -> str:
        done = subprocess.run(
            [*self.command, *args, "--home", str(self.home)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def enrol(self) -> subprocess.Popen[str]:
        """Start enrolling; the first line it prints says what the person must open."""
        return subprocess.Popen(
            [
                *self.command,
                "enrol",
                "--portal",
                self.installation.url,
                "--name",
                "Robin's laptop",
                "--json",
                "--home",
                str(self.home),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def allowed(self, *, expect: int = 0) -> set[tuple[str, str]]:
        """Poll once; return the pairs (app, signal) that the agent itself says it may record."""
        said = json.loads(self.run("poll", "--json", expect=expect))
        denied = {
            (item["app"], item["signal"]): item["reasons"]
            for item in said["decisions"]
            if item["decision"] == "deny"
        }
        assert all(denied.values()), "every denial says why"
        assert {("tracker", "screenshot"), ("expenses", "key_content")} <= denied.keys()
        return {
            (item["app"], item["signal"])
            for item in said["decisions"]
            if item["decision"] == "allow"
        }

    @property
    def token(self) -> str:
        return str(json.loads((self.home / "identity.json").read_text())["token"])


def stored_files(installation: Installation) -> int:
    return int(str(look(installation.home / "store", [])["files"]))


def post(url: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def picture(person: Person, name: str) -> None:
    if PICTURES:
        person.picture(PICTURES, name)


def test_one_whole_story(installation: Installation, tmp_path: Path) -> None:
    people = installation.seed()
    agent = AgentProcess(installation)
    with browser() as chromium:
        stranger = Person(chromium, installation.url, viewport=PHONE)
        first_page_shows_decision_reason_and_stop(stranger)
        stranger.close()

        robin = Person(chromium, installation.url)
        robin.sign_in(people["employee"], people["password"])
        gives_consent_for_two_signals_on_two_apps(robin)
        takes_the_receipt(robin)
        approves_the_agent(robin, agent)

        clicks_and_scrolling = {
            (app, signal) for app in ("tracker", "expenses") for signal in ("mouse_click", "scroll")
        }
        assert agent.allowed() == clicks_and_scrolling

        records_and_hands_in(agent, installation)
        refused_outside_the_policy(agent, installation)

        robin.go("/you/")
        picture(robin, "you-home")
        on_the_phone(chromium, installation, people)
        stops_everything(robin)
        assert agent.allowed(expect=3) == set()
        the_bytes_are_gone_and_certified(robin, installation)

        kim = Person(chromium, installation.url)
        kim.sign_in(people["officer"], people["password"])
        sees_what_the_organisation_did_in_the_ledger(kim)
        downloads_a_report(kim, installation)
        noor = Person(chromium, installation.url)
        noor.sign_in(people["auditor"], people["password"])
        verifies_the_export_elsewhere(noor, installation, tmp_path)
        noor.close()
        robin.close()
        kim.close()
    assert installation.down() == 0


def first_page_shows_decision_reason_and_stop(stranger: Person) -> None:
    """Without scrolling at 360x640: a decision, its reason and how to stop."""
    stranger.go("/")
    for text in ("Is anything of yours recorded?", "Reason", "How to stop"):
        box = stranger.page.get_by_text(text, exact=True).first.bounding_box()
        assert box, text
        assert box["y"] + box["height"] <= PHONE["height"], text
    picture(stranger, "first-page")


def gives_consent_for_two_signals_on_two_apps(robin: Person) -> None:
    robin.go("/you/purposes/train-agents/")
    page = robin.page
    assert page.locator(".switch:checked").count() == 0, "nothing is on before the person chose"
    picture(robin, "decide")
    page.get_by_label("Clicks and navigation: Issue tracker").check()
    page.get_by_label("Clicks and navigation: Expenses").check()
    page.get_by_role("button", name="Yes", exact=True).click()
    page.wait_for_url("**/receipts/**")
    robin.check()


def takes_the_receipt(robin: Person) -> None:
    with robin.page.expect_download() as taken:
        robin.page.get_by_role("link", name="Save as JSON", exact=True).click()
    receipt = json.loads(Path(taken.value.path()).read_text())
    pairs = receipt["pii_processing"]["purposes"][0]["pii_information"]
    assert {item["pii_attribute_id"] for item in pairs} == {
        "tracker:mouse_click",
        "tracker:scroll",
        "expenses:mouse_click",
        "expenses:scroll",
    }
    assert receipt["events"][0]["event_state"] == "consent_given"
    picture(robin, "receipt")


def approves_the_agent(robin: Person, agent: AgentProcess) -> None:
    enrolling = agent.enrol()
    assert enrolling.stdout
    asked = json.loads(enrolling.stdout.readline())
    robin.go("/you/machines/")
    robin.page.get_by_role("link", name="Type in a code").click()
    robin.page.get_by_label("Code").fill(asked["user_code"])
    robin.page.get_by_role("button", name="Next").click()
    robin.check()
    picture(robin, "approve-machine")
    robin.page.get_by_role("button", name="Approve").click()
    robin.check()
    output, errors = enrolling.communicate(timeout=60)
    assert enrolling.returncode == 0, output + errors
    robin.go("/you/machines/")
    assert robin.page.get_by_role("heading", name="Robin's laptop").first.is_visible()


def records_and_hands_in(agent: AgentProcess, installation: Installation) -> None:
    """Replay a real recording; what is handed in holds clicks and scrolling and no typed text."""
    agent.run(
        "run",
        "--once",
        "--rebase",
        "--recorder",
        "rrweb",
        "--events",
        str(RECORDING),
        "--host",
        "tracker.northwind.example",
    )
    typed = b"key_content", b"dom_text", b"mouse_move"
    found = look(installation.home / "store", [b"mouse_click", *typed])
    assert found["files"], "at least one batch lies in the store"
    counts = found["found"]
    assert isinstance(counts, dict)
    assert counts[b"mouse_click".hex()] > 0
    assert all(counts[word.hex()] == 0 for word in typed)
    kept = installation.sql("SELECT count(*) FROM retention_batch WHERE state = 'kept'")
    assert int(kept[0][0]) == found["files"]


def refused_outside_the_policy(agent: AgentProcess, installation: Installation) -> None:
    """A forged batch of pictures is refused with the reason, and nothing of it is kept."""
    before = stored_files(installation)
    version, issued = installation.sql(
        "SELECT version, issued_at FROM consent_issuedpolicy ORDER BY id DESC LIMIT 1"
    )[0]
    start = datetime.fromisoformat(issued).astimezone(UTC)
    status, problem = post(
        f"{installation.url}/api/v1/batches",
        agent.token,
        {
            "batch": str(uuid4()),
            "policy_version": int(version),
            "purpose": "train-agents",
            "app": "tracker",
            "signals": {"screenshot": 1},
            "from": start.isoformat(),
            "until": (start + timedelta(seconds=1)).isoformat(),
            "bytes": 3,
            "sha256": hashlib.sha256(b"png").hexdigest(),
            "redactor": "forged/1",
        },
    )
    assert (status, problem["code"]) == (422, "batch_refused"), problem
    assert "signal_not_allowed:screenshot" in problem["reasons"]
    assert problem["next_step"]
    assert stored_files(installation) == before


def on_the_phone(chromium: Any, installation: Installation, people: dict[str, str]) -> None:
    """The employee's first page, on a phone: decision, reason and stop without scrolling."""
    phone = Person(chromium, installation.url, viewport=PHONE)
    phone.sign_in(people["employee"], people["password"])
    phone.go("/you/")
    stop = phone.page.get_by_role("button", name="Stop recording").first.bounding_box()
    reason = phone.page.get_by_text("Reason", exact=True).first.bounding_box()
    assert stop
    assert reason
    assert max(stop["y"] + stop["height"], reason["y"]) <= PHONE["height"]
    picture(phone, "you-home-phone")
    phone.close()


def stops_everything(robin: Person) -> None:
    """One click, by keyboard, on a page that is about something else."""
    robin.go("/you/history/")
    stop = robin.page.get_by_role("button", name="Stop recording")
    stop.focus()
    robin.page.keyboard.press("Enter")
    robin.page.wait_for_url("**/you/")
    robin.check()
    assert robin.page.get_by_text("Stopped. Nothing more").is_visible()
    picture(robin, "stopped")


def the_bytes_are_gone_and_certified(robin: Person, installation: Installation) -> None:
    def certified() -> bool:
        done = installation.sql(
            "SELECT count(*) FROM retention_certificate c JOIN retention_deletionjob j"
            " ON j.id = c.job_id JOIN retention_deletioncase d ON d.id = j.case_id"
            " WHERE d.cause = 'withdrawal' AND d.state = 'done'"
        )
        return int(done[0][0]) > 0

    eventually(certified, what="a certificate")
    assert stored_files(installation) == 0
    robin.go("/you/data/")
    robin.page.get_by_role("link", name="Open").first.click()
    robin.check()
    assert robin.page.get_by_role("heading", name="Certificate of deletion").is_visible()
    picture(robin, "certificate")


def sees_what_the_organisation_did_in_the_ledger(kim: Person) -> None:
    kim.go("/audit/")
    picture(kim, "ledger")
    text = kim.page.locator("table").inner_text()
    for step in ("Purpose published", "Notice published", "Required step done", "Person recorded"):
        assert step in text, f"{step} is missing from the ledger page"
    for own in ("Consent given", "Agent enrolled", "Policy issued", "Batch admitted", "Deletion"):
        assert own not in text, f"{own}: that is Robin's own"

    def proven() -> bool:
        kim.page.reload()
        return bool(kim.page.get_by_text("Holds").count())

    kim.go("/audit/?type=person.own")
    kim.page.get_by_role("row").nth(1).get_by_role("link").click()
    eventually(proven, seconds=30, what="the entry's inclusion proof")
    kim.check()
    picture(kim, "ledger-entry")
    with kim.page.expect_download() as taken:
        kim.page.get_by_role("link", name="Download the proof").click()
    assert Path(taken.value.path()).read_text().startswith("c2sp.org/tlog-proof@v1\n")


STEPS = (
    "consent.given", "receipt.downloaded", "agent.enrolled", "policy.issued", "batch.announced",
    "batch.admitted", "batch.refused", "consent.withdrawn", "deletion.owed", "deletion.expanded",
    "deletion.certified",
)  # fmt: skip


def verifies_the_export_elsewhere(noor: Person, installation: Installation, folder: Path) -> None:
    noor.go("/audit/export/")
    with noor.page.expect_download() as taken:
        noor.page.locator("main form button").click()
    with zipfile.ZipFile(taken.value.path()) as bundle:
        bundle.extractall(folder)
    export = next(f for f in folder.iterdir() if f.name not in {"verify.py", "READ-ME-FIRST.txt"})
    verify = [sys.executable, "-I", str(folder / "verify.py")]
    sound = subprocess.run(
        [*verify, str(export)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert sound.returncode == 0, sound.stdout + sound.stderr

    told = {json.loads(base64.b64decode(entry["body"]))["type"] for entry in entries_of(export)}
    for step in STEPS:
        assert step in told, f"{step} is missing from the export"

    lines = export.read_bytes().split(b"\n")
    place = len(b"\n".join(lines[:4])) + 40  # a byte inside the fourth line after the header
    altered = bytearray(export.read_bytes())
    altered[place] ^= 1
    export.write_bytes(bytes(altered))
    broken = subprocess.run(
        [*verify, str(export)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert broken.returncode == 1
    assert "index 3" in broken.stdout + broken.stderr, broken.stdout + broken.stderr


def entries_of(export: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export.read_text(encoding="utf-8").splitlines()[1:]]


def downloads_a_report(kim: Person, installation: Installation) -> None:
    """Celery writes it; its figures equal the test's own SQL, in the PDF and in the CSV."""
    from pypdf import PdfReader

    kim.go("/privacy/reports/")
    kim.page.locator("#id_kind").select_option("activity")
    kim.page.locator("main form button").first.click()
    kim.check()

    def ready() -> bool:
        kim.page.reload()
        return bool(kim.page.get_by_role("link", name="PDF").count())

    eventually(ready, seconds=90, what="the report")
    kim.check()
    picture(kim, "reports")
    with kim.page.expect_download() as pdf:
        kim.page.get_by_role("link", name="PDF").first.click()
    with kim.page.expect_download() as table:
        kim.page.get_by_role("link", name="CSV").first.click()
    closed = installation.sql("SELECT count(*) FROM audit_entry WHERE type = 'gate.closed'")[0][0]
    reader = PdfReader(pdf.value.path())
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"], "the PDF is tagged"
    words = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    rows = list(csv.reader(io.StringIO(Path(table.value.path()).read_text(encoding="utf-8-sig"))))
    assert f"Required step done gate.closed {closed}" in words
    [row] = [row for row in rows if row[:2] == ["row", "Entries, by type"] and "gate.closed" in row]
    assert closed in row
    assert not [row for row in rows if "consent.given" in row], "that is Robin's own"
