"""Smallest valid facts and rule packs for the tests of the policy core."""

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from consent.policy.facts import EVERY, AppFacts, Facts, PersonFacts
from consent.policy.rulebook import FOLDER
from consent.policy.types import AppCategory, ConsentState, Signal

TODAY = date(2026, 12, 10)


def person_facts(**changes: Any) -> dict[str, Any]:
    """Return what is known of a person whom nothing stands against in the United States."""
    known = {
        "jurisdictions": frozenset({"US"}),
        "at": TODAY,
        "consent": ConsentState.GIVEN,
        "consent_given_on": date(2026, 11, 25),
        "notice_on": date(2026, 10, 1),
        "notice_version_ok": True,
        "ack": True,
        "gates": EVERY,
        "in_hours": True,
        "paused": False,
        "killed": False,
        "agent_standing": "active",
        "counsel_signed_off": EVERY,
    }
    return known | changes


def app_facts(**changes: Any) -> dict[str, Any]:
    """Return what is known of an app that may be captured and shows nobody else's words."""
    known = {
        "app": "crm",
        "app_allowed": True,
        "app_category": AppCategory.SALES,
        "counterparties": frozenset(),
    }
    return known | changes


def person(**changes: Any) -> PersonFacts:
    return PersonFacts(**person_facts(**changes))


def an_app(**changes: Any) -> AppFacts:
    return AppFacts(**app_facts(**changes))


def allowed(**changes: Any) -> Facts:
    """Return facts under which capture is allowed, except for what is changed."""
    known = {"signal": Signal.MOUSE_CLICK, "consented_signals": frozenset(Signal)}
    return Facts(**(person_facts() | app_facts() | known | changes))


SMALL_PACK = ("meta", "gates", "EU", "DE", "FR", "NO", "BE", "GB", "IN", "US", "US-NY", "US-CT")


def a_pack(folder: Path, *, names: Iterable[str] = SMALL_PACK) -> Path:
    """Copy some files of the rule pack, so that a test can spoil the copy."""
    pack = folder / "pack"
    pack.mkdir()
    for name in names:
        shutil.copy(FOLDER / f"{name}.toml", pack)
    return pack


def spoil(pack: Path, file: str, old: str, new: str) -> None:
    """Replace the first place where a text stands in a file of a pack."""
    path = pack / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} does not say {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
