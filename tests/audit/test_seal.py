"""Commitments hide and bind; what is sealed opens with its key, at its place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import seal

KEY, PLACE = bytes(range(32)), b"leaf"


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_it_opens_with_its_key_at_its_place(plain: bytes, place: bytes) -> None:
    assert seal.unseal(KEY, seal.seal(KEY, plain, place=place), place=place) == plain


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_it_can_change(place: int, mask: int) -> None:
    closed = bytearray(seal.seal(KEY, b"personal", place=PLACE))
    closed[place % len(closed)] ^= mask

    with pytest.raises(seal.SealError):
        seal.unseal(KEY, bytes(closed), place=PLACE)


def test_another_key_or_place_does_not_open_it() -> None:
    closed = seal.seal(KEY, b"personal", place=PLACE)

    for key, place in ((seal.new_key(), PLACE), (KEY, b"another leaf")):
        with pytest.raises(seal.SealError):
            seal.unseal(key, closed, place=place)
    with pytest.raises(seal.SealError):
        seal.unseal(KEY, b"", place=PLACE)


def test_a_wrapped_key_belongs_to_its_owner_and_installation() -> None:
    kek, key = seal.new_key(), seal.new_key()
    wrapped = seal.wrap(kek, key, owner="ref:1")

    assert seal.unwrap(kek, wrapped, owner="ref:1") == key
    assert key not in wrapped
    with pytest.raises(seal.SealError):
        seal.unwrap(kek, wrapped, owner="ref:2")
    with pytest.raises(seal.SealError, match="another installation"):
        seal.unwrap(seal.new_key(), wrapped, owner="ref:1")


def test_commitments_bind_tag_salt_and_value() -> None:
    salt = seal.new_salt()
    made = {
        seal.commit("actor", salt, b"value"),
        seal.commit("subject", salt, b"value"),
        seal.commit("detail", salt, b"value"),
        seal.commit("detail", salt, b"valuf"),
        seal.commit("detail", seal.new_salt(), b"value"),
    }
    assert len(made) == 5
    assert seal.commit("actor", salt, b"value") in made
    with pytest.raises(seal.SealError):
        seal.commit("actor", b"short", b"value")
