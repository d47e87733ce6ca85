"""Signed notes and checkpoints, against the example of Go's note package and against forgery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.note import Checkpoint, NoteError, RecordHead, Signer, Verifier, decode, encode
from tests.audit.made import ORIGIN, signer

# The published example of golang.org/x/mod/sumdb/note.
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))


def test_the_published_example() -> None:
    peter = Signer.parse(SKEY)

    assert peter.sign(TEXT) == f"{TEXT}\n{SIGNATURE}"
    assert peter.verifier.vkey == VKEY
    assert peter.skey == SKEY
    assert Verifier.parse(VKEY).open(f"{TEXT}\n{SIGNATURE}") == TEXT


def test_other_signatures_are_passed_over() -> None:
    note = signer().sign(CHECKPOINT.text)
    witness = signer("witness.test", 2).sign(CHECKPOINT.text).rpartition("\n\n")[2]

    for both in (note + witness, note.replace("\n\n", "\n\n" + witness)):
        assert signer().verifier.open(both) == CHECKPOINT.text
    with pytest.raises(NoteError, match="no signature by this key"):
        signer(seed=3).verifier.open(note + witness)


@given(st.data())
def test_no_byte_of_a_note_can_change(data: st.DataObject) -> None:
    note = signer().sign(CHECKPOINT.text).encode()
    place = data.draw(st.integers(0, len(note) - 1))
    flipped = bytes([note[place] ^ data.draw(st.integers(1, 255))])
    forged = (note[:place] + flipped + note[place + 1 :]).decode("utf-8", "replace")

    with pytest.raises(NoteError):
        signer().verifier.open(forged)


def test_the_checkpoint_reads_back() -> None:
    assert Checkpoint.parse(CHECKPOINT.text) == CHECKPOINT
    head = RecordHead(ORIGIN, 7, bytes(range(32)))
    assert RecordHead.parse(head.text) == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\n" + encode(bytes(32)) + "\n",
        "a\n-1\n" + encode(bytes(32)) + "\n",
        "a\n\u0661\n" + encode(bytes(32)) + "\n",
        "a\n1\n" + encode(bytes(31)) + "\n",
        "a\n1\n" + encode(bytes(32)),
        "a\n1\n" + encode(bytes(32)) + "\nextension\n",
        "\n1\n" + encode(bytes(32)) + "\n",
        "a\n" + "9" * 5000 + "\n" + encode(bytes(32)) + "\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_a_record_head_never_passes_for_a_checkpoint() -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(RecordHead(ORIGIN, 7, bytes(32)).text)
    with pytest.raises(NoteError):
        RecordHead.parse(CHECKPOINT.text)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        VKEY.replace("c74f", "c74e"),
        VKEY.replace("Peter", "Petra"),
        VKEY[:-1],
        VKEY.replace("ARpc", "AhpC"),
        " x+c74f20a3+" + VKEY.rpartition("+")[2],
    ],
)
def test_what_is_no_key(vkey: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(vkey)


@pytest.mark.parametrize("skey", ["", VKEY, SKEY.replace("c74f", "c74e"), SKEY[:-1]])
def test_what_is_no_private_key(skey: str) -> None:
    with pytest.raises(NoteError):
        Signer.parse(skey)


@pytest.mark.parametrize("name", ["", "two words", "with+plus"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(NoteError):
        Signer.generate(name)


def test_a_text_ends_with_a_newline() -> None:
    with pytest.raises(NoteError):
        signer().sign("no end")


def test_base64_has_one_spelling() -> None:
    assert decode(encode(b"\xff\x01")) == b"\xff\x01"
    for text in ("/wG=", "/wF", "/wE=\n", "_wE=", "\u00e4"):
        with pytest.raises(NoteError):
            decode(text)
