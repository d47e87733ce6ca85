"""What a poll is told, decided without any server: the pure half of the endpoint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.endpoint import answer as a
from portal.endpoint import record
from portal.endpoint.answer import Answer, Issued, Known, Refusal, Unavailable, Wake, answer
from portal.endpoint.record import Nonces
from portal.endpoint.view import at_once

NOW = 1_800_000_000
TOKEN = "sat_token"
TAG = '"7.1-2.3.1800000450"'
KNOWN = Known(agent=1, subject=2, cohort=1, version=7, etag=TAG, issued=NOW, fresh_until=NOW + 450)


AGAIN = Wake()


@dataclass
class Script:
    """A source that says what a test wrote down, and remembers what it was asked."""

    looks: list[Any]
    signed: bytes | None = None
    waits: Wake | None = AGAIN
    pause: int = 0
    offer: int = 30
    asked: list[Any] = field(default_factory=list)

    def meter(self, digest: bytes) -> int:
        return self.pause

    async def look(self, digest: bytes, now: float, named: str | None) -> Any:
        self.asked.append(("look", digest))
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def hold(self, known: Known, seconds: float) -> Wake | None:
        self.asked.append(("hold", seconds))
        return self.waits

    async def body(self, digest: bytes, known: Known) -> bytes | None:
        self.asked.append(("body",))
        return self.signed

    async def issue(self, digest: bytes, known: Known, now: float) -> Issued:
        self.asked.append(("issue", known.agent))
        return Issued('"new"', b"signed anew")


def said(
    source: Script,
    named: str | None = None,
    prefer: str | None = None,
    token: str | None = TOKEN,
    now: float = NOW,
) -> Any:
    return at_once(answer(source, token, named, prefer, lambda: now))


def headers(of: Answer) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in of.headers}


def test_the_policy_that_is_named_and_in_force_is_a_304() -> None:
    source = Script([KNOWN])

    result = said(source, TAG)

    assert (result.status, result.body) == (304, b"")
    assert headers(result) == {
        "etag": TAG,
        "cache-control": "private, no-cache",
        "vary": "Authorization",
        "policy-poll": "jitter=0.2, wait=30",
    }
    assert source.asked == [("look", hashlib.sha256(TOKEN.encode()).digest())]


@pytest.mark.parametrize(
    "named", [None, "", '"6.1-2.3.1800000450"', "*", TAG.strip('"'), TAG[:-2] + '"']
)
def test_any_other_name_gets_a_policy(named: str | None) -> None:
    result = said(Script([KNOWN]), named)

    assert (result.status, result.body) == (200, b"signed anew")
    assert headers(result)["etag"] == '"new"'
    assert headers(result)["content-type"] == "application/policy+jwt"


@pytest.mark.parametrize("named", [f'"x", {TAG}', f"W/{TAG}", f'W/"y" ,  {TAG} '])
def test_a_list_that_names_it_is_a_304(named: str) -> None:
    assert said(Script([KNOWN]), named).status == 304


@pytest.mark.parametrize(
    ("now", "status"), [(NOW - 1, 200), (NOW, 304), (NOW + 449.9, 304), (NOW + 450, 200)]
)
def test_nothing_is_a_304_outside_its_half_of_the_lease(now: float, status: int) -> None:
    assert said(Script([KNOWN], signed=b"kept"), TAG, now=now).status == status


def test_a_policy_that_is_not_true_any_more_is_issued_anew_even_if_signed() -> None:
    source = Script([KNOWN._replace(etag="")], signed=b"kept")

    assert said(source, TAG).body == b"signed anew"
    assert ("body",) not in source.asked


def test_a_signed_policy_at_hand_is_not_signed_again() -> None:
    source = Script([KNOWN], signed=b"kept")

    result = said(source)

    assert (result.body, headers(result)["etag"]) == (b"kept", TAG)


@pytest.mark.parametrize("version", [8, 1_900_000_000_000, 10**17])
def test_who_names_a_higher_version_is_told_what_postgresql_has(version: int) -> None:
    source = Script([KNOWN], signed=b"kept")

    assert said(source, f'"{version}.1-2.3.1800000450"').body == b"signed anew"
    assert ("body",) not in source.asked


@pytest.mark.parametrize("token", [None, "", "other_token"])
def test_a_token_of_another_kind_is_refused_unseen(token: str | None) -> None:
    source = Script([])

    assert said(source, token=token) is a.NO_TOKEN
    assert source.asked == []


@pytest.mark.parametrize("refusal", [a.UNKNOWN, a.REVOKED, a.DEPARTED])
def test_who_is_turned_away_gets_no_policy(refusal: Refusal) -> None:
    source = Script([refusal])

    assert said(source, TAG, "wait=30") is refusal
    assert [kind for kind, *_ in source.asked] == ["look"]


def test_one_who_is_cut_off_while_waiting_is_turned_away() -> None:
    assert said(Script([KNOWN, a.REVOKED]), TAG, "wait=30") is a.REVOKED


def test_what_cannot_be_known_is_not_answered() -> None:
    assert said(Script([Unavailable(a.NO_DATABASE)]), TAG) is a.NO_DATABASE
    assert said(Script([KNOWN, Unavailable(a.BUSY)]), TAG, "wait=30") is a.BUSY


def test_one_too_many_is_not_even_looked_up() -> None:
    source = Script([], pause=3)

    refused = said(source, TAG)

    assert (refused.status, refused.retry_after, source.asked) == (429, 3, [])


def test_a_wait_ends_with_a_second_look() -> None:
    source = Script([KNOWN, KNOWN._replace(etag="")])

    result = said(source, TAG, "wait=20")

    assert result.status == 200
    assert headers(result)["preference-applied"] == "wait=20"
    assert [kind for kind, *_ in source.asked] == ["look", "hold", "look", "issue"]


def test_a_wait_without_a_change_is_a_304() -> None:
    result = said(Script([KNOWN, KNOWN]), TAG, "wait=20")

    assert (result.status, headers(result)["preference-applied"]) == (304, "wait=20")


@pytest.mark.parametrize("pause", [0, 7])
def test_who_is_overtaken_by_a_change_is_told_to_stop_before_anything_is_looked_up(
    pause: int,
) -> None:
    source = Script([KNOWN], waits=Wake(changed=True, pause=pause))

    told = said(source, TAG, "wait=20")

    assert (told.status, told.code, told.retry_after) == (409, "policy_changed", pause)
    assert "Stop capture at once" in told.next_step
    assert [kind for kind, *_ in source.asked] == ["look", "hold"]


@pytest.mark.parametrize(
    ("prefer", "now", "seconds"),
    [("wait=10", NOW, 10), ("wait=90", NOW, 30), ("wait=30", NOW + 445, 5)],
)
def test_a_wait_is_no_longer_than_offered_or_than_the_policy_is_good(
    prefer: str, now: float, seconds: float
) -> None:
    source = Script([KNOWN, KNOWN])

    said(source, TAG, prefer, now=now)

    assert ("hold", seconds) in source.asked


@pytest.mark.parametrize(
    "source", [Script([KNOWN], waits=None), Script([KNOWN], offer=0)], ids=["full", "never"]
)
def test_where_nobody_can_wait_the_answer_comes_at_once(source: Script) -> None:
    result = said(source, TAG, "wait=30")

    assert result.status == 304
    assert "preference-applied" not in headers(result)


def test_who_has_something_to_learn_does_not_wait() -> None:
    source = Script([KNOWN])

    said(source, '"6.1-1.1.1"', "wait=30")

    assert all(kind != "hold" for kind, *_ in source.asked)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=30", 30),
        ("respond-async, wait=10", 10),
        ('Wait="7"; foo=bar', 7),
        ("wait = 5", 5),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=", 0),
        ("wait", 0),
        ("waiting=30", 0),
        ("wait=٣", 0),
        ("", 0),
        ("wait=99999999999999999999", 999_999_999),
    ],
)
def test_the_wish_to_wait_is_read_as_rfc_7240_says(prefer: str, seconds: int) -> None:
    assert a.wished(prefer) == seconds


@given(st.text())
def test_whatever_the_headers_hold_something_is_answered(text: str) -> None:
    assert said(Script([KNOWN, KNOWN]), text, text).status in {200, 304}
    assert said(Script([KNOWN]), token="sat_" + text).status == 200


@given(st.integers(0, 2**31), st.integers(10, 900))
def test_the_half_of_a_lease_ends_before_the_lease(issued: int, length: int) -> None:
    until = a.fresh_until(issued, issued + length)

    assert issued <= until <= issued + length / 2


@given(
    length=st.integers(10, 900), fell=st.integers(0, 2000), age=st.integers(0, 4000), data=st.data()
)
def test_after_a_clock_fell_back_by_half_a_lease_nothing_is_answered_past_its_lease(
    length: int, fell: int, age: int, data: st.DataObject
) -> None:
    """`fell` and `age`: true seconds since the policy was issued; up to `fell` clocks are right."""
    back = data.draw(st.integers(0, length // 2))
    clock = NOW + age - (back if age >= fell else 0)

    known = KNOWN._replace(issued=NOW, fresh_until=a.fresh_until(NOW, NOW + length))

    assert age <= length or not known.is_in_force(clock)


def test_tags_of_different_policies_differ() -> None:
    parts = {"version": 1, "cohort": 2, "revision": 3, "personal": 4, "fresh_until": 5}
    tags = {a.etag_of(**{**parts, name: 9}) for name in parts}

    assert len(tags | {a.etag_of(**parts)}) == 6


# --- the record ----------------------------------------------------------------------------------

known = st.builds(
    Known,
    agent=st.integers(1, 2**63),
    subject=st.integers(1, 2**63),
    cohort=st.integers(0, 2**63),
    version=st.integers(0, 2**50),
    etag=st.just(TAG),
    issued=st.integers(0, 2**40),
    fresh_until=st.integers(0, 2**40),
    ends_at=st.integers(0, 2**40),
)
nonce = st.binary(min_size=8, max_size=8)


@given(nonce, nonce, known)
def test_a_record_is_read_as_it_was_written(subject: bytes, cohort: bytes, what: Known) -> None:
    nonces = Nonces(subject, cohort)

    assert record.unpack(record.pack(nonces, what)) == (nonces, what)


@given(st.binary(max_size=63))
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    assert record.unpack(raw) is None
    assert record.unpack(raw.ljust(64) + b"\xff") is None


def test_keys_of_different_things_and_epochs_differ() -> None:
    digest = b"\0" * 32
    keys = {
        make
        for epoch in (b"1", b"2")
        for make in (
            record.key(epoch, record.subject_key(1)),
            record.key(epoch, record.cohort_key(1)),
            record.record_key(epoch, digest),
            record.body_key(epoch, digest),
        )
    }

    assert len(keys) == 8
