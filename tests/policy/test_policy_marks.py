"""Marks as they are saved: the golden vectors that agents share, and what one mark takes in."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.policy.matching import (
    KINDS,
    LONGEST,
    WORDS,
    Misfit,
    misfit,
    parents,
    same,
    signer_alone,
)
from consent.policy.types import MatcherKind, Platform

VECTORS = Path(__file__).resolve().parents[2] / "agentkit" / "vectors" / "marks.json"
MARKS = json.loads(VECTORS.read_text())["marks"]
WEB, DOMAIN = Platform.WEB, MatcherKind.DOMAIN


def ident(mark: dict[str, Any]) -> str:
    return f"{mark['platform']} {mark['kind']} {mark['value'][:40]!r}"


@pytest.mark.parametrize("mark", MARKS, ids=ident)
def test_golden_mark(mark: dict[str, Any]) -> None:
    found = misfit(Platform(mark["platform"]), MatcherKind(mark["kind"]), mark["value"])

    assert (found.value if found else "") == mark["misfit"]


@pytest.mark.parametrize(("letters", "found"), [(LONGEST, None), (LONGEST + 1, Misfit.TOO_LONG)])
def test_a_mark_may_be_as_long_as_a_host_and_no_longer(letters: int, found: Misfit | None) -> None:
    host = ".".join(["a" * 63] * 3 + ["b" * (letters - 3 * 64 - 4), "com"])
    assert len(host) == letters

    assert misfit(WEB, DOMAIN, host) is found
    assert misfit(Platform.LINUX, MatcherKind.EXECUTABLE, "x" * letters) is found


def test_the_vectors_show_every_misfit_and_every_kind() -> None:
    shown = {mark["misfit"] for mark in MARKS}

    assert {wrong.value for wrong in Misfit} - shown == {Misfit.SIGNER_ALONE}  # of several marks
    assert {(m["platform"], m["kind"]) for m in MARKS if not m["misfit"]} == {
        (platform.value, kind.value) for platform, kinds in KINDS.items() for kind in kinds
    }


def test_every_misfit_is_said_in_plain_words() -> None:
    assert set(WORDS) == set(Misfit)


def test_nobody_is_asked_which_names_strangers_register(monkeypatch: pytest.MonkeyPatch) -> None:
    from consent.policy import matching

    def refuse(*_: object) -> None:
        raise AssertionError("somebody was called")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    matching._suffixes.cache_clear()

    assert misfit(WEB, DOMAIN, "*.co.uk") is Misfit.PUBLIC_SUFFIX
    assert misfit(WEB, DOMAIN, "*.example.co.uk") is None


@given(st.text(max_size=400), st.sampled_from(list(Platform)), st.sampled_from(list(MatcherKind)))
def test_any_text_is_judged_and_what_passes_is_plain(
    text: str, platform: Platform, kind: MatcherKind
) -> None:
    if misfit(platform, kind, text) is None:
        assert text
        assert len(text) <= LONGEST
        assert text == text.strip()
        assert text.isprintable()
        assert kind in KINDS[platform]


LABELS = st.lists(st.sampled_from(["a", "b", "ab", "xn--bcher-kva"]), max_size=4)
HOSTS = LABELS.map(lambda labels: ".".join([*labels, "site", "example"]))


@given(HOSTS, HOSTS, st.booleans())
def test_the_parents_of_a_mark_are_the_marks_that_take_all_of_it_in(
    host: str, other: str, below: bool
) -> None:
    mark = "*." + host if below else host

    found = list(parents(mark))

    takes_in = host == other or host.endswith("." + other)
    assert ("*." + other in found) is takes_in
    assert (other in found) is (host == other and not below)
    assert found == sorted(found, key=len, reverse=True) or not below


def test_a_look_alike_has_other_parents() -> None:
    assert "*.example.com" not in list(parents("evil-example.com"))
    assert "*.example.com" not in list(parents("example.com.evil.test"))
    assert "*.com" not in list(parents("example.com"))


def test_a_program_is_the_same_with_and_without_its_ending() -> None:
    program = MatcherKind.EXECUTABLE

    assert same(program, "keepass.exe") == same(program, "KeePass") == same(program, "keepass.app")
    assert same(MatcherKind.BUNDLE_ID, "com.x.exe") != same(MatcherKind.BUNDLE_ID, "com.x")


def test_a_signer_needs_a_program_of_its_platform() -> None:
    signer = (Platform.WINDOWS, MatcherKind.SIGNER, "Example Ltd")
    there = (Platform.WINDOWS, MatcherKind.AUMID, "Example!App")
    elsewhere = (Platform.MACOS, MatcherKind.EXECUTABLE, "example")

    assert signer_alone([signer]) == signer
    assert signer_alone([signer, elsewhere]) == signer
    assert signer_alone([signer, there]) is None
    assert signer_alone([]) is None
