"""verify.py: no byte of an export can change unnoticed, and the entry that changed is named."""

import ast
import functools
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit import verify
from audit.body import canonical
from tests.audit.made import NOON, bodies, export, signer

SOURCE = Path(verify.__file__)
SMALL = bodies(4)
HONEST = export(SMALL)
LINES = HONEST.split(b"\n")[:-1]
PINNED = ["--key", signer().verifier.vkey]


@pytest.fixture(autouse=True)
def _remembered_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check each signature once: the answer depends on the arguments alone."""
    monkeypatch.setattr(verify, "ed25519_holds", _remembered)


_remembered = functools.lru_cache(None)(verify.ed25519_holds)


class Checks:
    """Runs verify.py on bytes, and returns its exit code and what it said."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def put(self, name: str, data: bytes | str) -> str:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def __call__(self, data: bytes, *more: str) -> tuple[int, str]:
        code = verify.main([self.put("export.jsonl", data), *more])
        said = self.capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checks:
    return Checks(tmp_path, capsys)


def reason(data: bytes) -> str:
    """What the checker says about bytes, without a file; empty if they are whole."""
    try:
        verify.Checker(io.BytesIO(data), None, None).run()
    except verify.ChangedError as error:
        return str(error)
    return ""


def place(line: int) -> str:
    """How a line is named: lines count from 1, entries from 0."""
    return "(line 1)" if line == 1 else f"entry at index {line - 2} (line {line})"


def line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def flips(data: bytes, masks: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    for position in range(len(data)):
        for mask in masks:
            changed = bytearray(data)
            changed[position] ^= mask
            yield position, bytes(changed)


def test_an_honest_export_is_verified(check: Checks) -> None:
    root = json.loads(LINES[0])["checkpoint"].split("\n")[2]

    code, said = check(HONEST)
    assert code == 0
    assert said.startswith(f"verified: 4 entries, root {root}, signed by sayso.test/ledger+")
    assert said.endswith("key taken from the export itself (not pinned)\n")
    code, said = check(HONEST, *PINNED)
    assert code == 0
    assert said.endswith("key pinned by you\n")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257])
def test_ledgers_of_any_size(check: Checks, count: int) -> None:
    assert check(export(bodies(count)))[0] == 0


def test_every_flipped_byte_is_noticed_and_its_entry_named() -> None:
    missed = [
        (position, said)
        for position, forged in flips(HONEST, (1, 0x20, 0x80))
        if place(line_of(HONEST, position)) not in (said := reason(forged))
    ]
    assert missed == []


def test_two_thousand_flipped_bits_in_a_larger_export() -> None:
    data = export(bodies(60))
    assert reason(data) == ""
    dice = random.Random(20261122)
    missed = []
    for _ in range(2000):
        position, bit = dice.randrange(len(data)), 1 << dice.randrange(8)
        line = line_of(data, position)
        forged = data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]
        if place(line) not in reason(forged):
            missed.append((position, bit))
    assert missed == []


def test_a_new_line_within_an_entry() -> None:
    position = HONEST.index(LINES[2]) + 10
    assert place(3) in reason(HONEST[:position] + b"\n" + HONEST[position + 1 :])


def rewritten(number: int, changes: dict[str, object]) -> bytes:
    """The export with one line written anew, canonical as before."""
    line = {**json.loads(LINES[number + 1]), **changes}
    return b"\n".join([*LINES[: number + 1], canonical(line), *LINES[number + 2 :], b""])


@pytest.mark.parametrize(
    "changes",
    [
        {"entry": 99},
        {"recorded_at": "2026-11-21T12:34:56.789012Z"},
        {"event_time": "2026-11-21T12:34:56.789012Z"},
        {"event_time": None, "imported": True},
        {"imported": True},
        {"imported": 0},
        {"index": 0},
        {"index": True},
        {"recorded_at": None},
        {"body": "not base64"},
        {"body": "\u00e4"},
        {"leaf": 1},
        {"chain": "AAAA"},
        {"entry": 1.5},
        {"entry": "16"},
        {"more": "x"},
        {"recorded_at": ["nested"]},
    ],
)
def test_a_line_written_anew_is_named(changes: dict[str, object]) -> None:
    assert place(3) in reason(rewritten(1, changes))


def test_a_whole_entry_that_was_swapped_is_named() -> None:
    swapped = b"\n".join([LINES[0], LINES[2], LINES[1], *LINES[3:], b""])
    assert place(2) in reason(swapped)
    other = export([*SMALL[:2], bodies(1)[0], SMALL[3]]).split(b"\n")
    assert "checkpoint (line 1)" in reason(b"\n".join([LINES[0], *other[1:]]))


@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_a_dropped_entry_is_noticed(gone: int) -> None:
    left = [line for number, line in enumerate(LINES) if number != gone]
    assert place(gone + 1) in reason(b"\n".join([*left, b""]))


def test_an_added_line_is_noticed() -> None:
    assert "line 6: more lines" in reason(HONEST + LINES[1] + b"\n")
    assert "line 6: more lines" in reason(HONEST + b"\n")
    assert place(5) in reason(HONEST[:-1])


@pytest.mark.parametrize(
    "line",
    [
        b'{"index": 1}',
        b"[]",
        b"",
        b"[" * 100_000,
        LINES[2].replace(b'":', b'" :', 1),
        LINES[2].replace(b"{", b'{"body":"",', 1),
        LINES[2].replace(b'"index":1', b'"index":1.0'),
        LINES[2].replace(b'"index":1', b'"index":1e0'),
        LINES[2].replace(b'"entry":12', b'"entry":\\u0031'),
    ],
)
def test_other_spellings_of_a_line_are_refused(line: bytes) -> None:
    assert place(3) in reason(b"\n".join([*LINES[:2], line, *LINES[3:], b""]))


def test_a_key_of_someone_else_is_noticed(check: Checks) -> None:
    forged = export(SMALL, signer(seed=9))
    assert check(forged)[0] == 0  # whole, but whose?
    code, said = check(forged, *PINNED)
    assert code == 1
    assert "another key" in said


def test_a_header_with_a_foreign_signature_is_noticed() -> None:
    for name in ("checkpoint", "records"):
        head = json.loads(LINES[0])
        head[name] = json.loads(export(SMALL, signer(seed=9)).split(b"\n")[0])[name]
        assert "header (line 1)" in reason(b"\n".join([canonical(head), *LINES[1:], b""]))


def test_root_and_chain_are_each_checked() -> None:
    assert "do not have the root" in reason(export(SMALL, root=bytes(32)))
    assert "numbers or times" in reason(export(SMALL, head=bytes(32)))


def test_the_size_has_one_spelling() -> None:
    lines = export(SMALL[:1]).split(b"\n")
    head = {**json.loads(lines[0]), "size": True}
    assert "header (line 1)" in reason(b"\n".join([canonical(head), *lines[1:]]))


def test_the_two_heads_cannot_stand_in_for_each_other() -> None:
    head = json.loads(LINES[0])
    head["checkpoint"], head["records"] = head["records"], head["checkpoint"]
    assert "header (line 1)" in reason(b"\n".join([canonical(head), *LINES[1:], b""]))


def test_an_older_export_must_be_the_beginning(check: Checks) -> None:
    older = check.put("older.jsonl", export(SMALL[:2]))
    code, said = check(HONEST, "--since", older)
    assert code == 0
    assert said.endswith("begins with all of the older record\n")


def test_an_older_checkpoint_must_be_on_the_way(check: Checks) -> None:
    for size in (0, 2, 4):
        note = json.loads(export(SMALL[:size]).split(b"\n")[0])["checkpoint"]
        older = check.put("older.txt", note)
        assert check(HONEST, "--since", older)[0] == 0
        assert check(HONEST, "--since", older, *PINNED)[0] == 0
    note = json.loads(export(bodies(2)).split(b"\n")[0])["checkpoint"]
    code, said = check(HONEST, "--since", check.put("older.txt", note))
    assert code == 1
    assert "entries 0 to 1 are not those" in said


def test_a_rewritten_past_is_named_by_an_older_export(check: Checks) -> None:
    older = check.put("older.jsonl", HONEST)
    text = export([SMALL[0], bodies(1)[0], *SMALL[2:], *bodies(2)])
    code, said = check(text, "--since", older)
    assert (code, place(3) in said) == (1, True)
    moved = export([*SMALL, *bodies(1)], start=NOON - timedelta(days=1))
    code, said = check(moved, "--since", older)
    assert (code, place(2) in said) == (1, True)


def test_a_shorter_ledger_than_before_is_noticed(check: Checks) -> None:
    older = check.put("older.jsonl", HONEST)
    code, said = check(export(SMALL[:3]), "--since", older)
    assert code == 1
    assert "the older record has 4 entries, this one 3" in said


def test_a_key_that_changed_since_is_noticed(check: Checks) -> None:
    older = check.put("older.jsonl", HONEST)
    assert check(export(SMALL, signer(seed=9)), "--since", older)[0] == 1
    note = check.put("older.txt", json.loads(LINES[0])["checkpoint"])
    assert check(export(SMALL, signer(seed=9)), "--since", note)[0] == 1


def test_what_cannot_be_used_ends_with_2(check: Checks) -> None:
    broken = check.put("broken.jsonl", HONEST.replace(b"sayso", b"sayzo"))
    missing = str(check.folder / "missing")
    for arguments in (
        ("--key", "nonsense"),
        ("--since", missing),
        ("--since", broken),
        ("--since", check.put("notes.txt", "no checkpoint")),
        ("--since", check.put("bytes.bin", b"\xff\xfe")),
        ("--since", str(check.folder)),
    ):
        code, said = check(HONEST, *arguments)
        assert code == 2, arguments
        assert said.startswith("not checked: ")
    other = check.put("note.txt", json.loads(LINES[0])["checkpoint"])
    assert check(HONEST, "--since", other, "--key", signer(seed=9).verifier.vkey)[0] == 2
    assert verify.main([missing]) == 2
    with pytest.raises(SystemExit) as end:
        verify.main(["--unknown"])
    assert end.value.code == 2


def test_it_runs_alone_in_an_empty_folder(tmp_path: Path) -> None:
    program = tmp_path / "verify.py"
    program.write_bytes(SOURCE.read_bytes())
    (tmp_path / "ledger.jsonl").write_bytes(HONEST)

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", str(program), "ledger.jsonl", *more],
            cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": os.defpath},
        )  # fmt: skip

    assert run(*PINNED).returncode == 0
    (tmp_path / "ledger.jsonl").write_bytes(HONEST.replace(b'"index":2', b'"index":3'))
    assert run().returncode == 1
    assert place(4) in run().stderr
    assert run("--key", "x").returncode == 2


def test_it_needs_the_standard_library_and_python_3_8_only() -> None:
    source = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(source)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    newer = {"removeprefix", "removesuffix", "bit_count", "pairwise"}
    used = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    assert not newer & used


def test_many_megabytes_in_a_few_seconds(check: Checks) -> None:
    data = export(bodies(1) * 12_000)
    assert len(data) > 8_000_000

    before = time.process_time()
    assert check(data)[0] == 0
    assert time.process_time() - before < 10


# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
            "f9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
            "f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
            "4dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_published_signatures_hold(public: str, message: str, signature: str) -> None:
    given_bytes = bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message)
    assert verify.ed25519_holds(*given_bytes)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 511))
def test_signatures_of_another_program_hold_until_a_bit_flips(
    seed: bytes, message: bytes, bit: int
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    forged = bytearray(signature)
    forged[bit // 8] ^= 1 << bit % 8

    assert verify.ed25519_holds(public, signature, message)
    assert not verify.ed25519_holds(public, bytes(forged), message)
    assert not verify.ed25519_holds(public, signature, message + b"x")


def test_signatures_have_one_spelling() -> None:
    public, message, signature = (bytes.fromhex(text) for text in RFC_8032[1])
    start, scalar = signature[:32], int.from_bytes(signature[32:], "little")
    second = start + (scalar + verify._ORDER).to_bytes(32, "little")

    assert not verify.ed25519_holds(public, second, message)
    assert not verify.ed25519_holds(public, signature + b"\0", message)
    for no_point in (b"\xff" * 32, bytes(31), (1 << 255 | 1).to_bytes(32, "little")):
        assert not verify.ed25519_holds(no_point, signature, message)
