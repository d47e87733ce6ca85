"""JSON that two readers could take for different documents is refused; all else is read alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.strictjson import DEEPEST, NotJSONError, parse

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(plain, st.booleans())
def test_a_plain_document_is_read_as_by_any_reader(said: Any, ascii_only: bool) -> None:
    sent = json.dumps(said, ensure_ascii=ascii_only).encode()

    assert parse(sent) == json.loads(sent)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"NaN",
        b"[Infinity]",
        b'{"a": -Infinity}',
        b"1e999",
        b"[-1e999]",
        b"9" * 5_000,
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'{"a": ["\\u0000"]}',
        b'{"\\u0000": 1}',
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "\\u0061": 2}}]',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    ],
    ids=lambda sent: repr(sent[:20]),
)
def test_what_has_two_readings_is_none(sent: bytes) -> None:
    with pytest.raises(NotJSONError):
        parse(sent)


def test_what_is_as_deep_as_may_be_is_read() -> None:
    parse(b"[" * DEEPEST + b"]" * DEEPEST)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    try:
        parse(sent)
    except NotJSONError as error:
        str(error).encode()
