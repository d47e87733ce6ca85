"""The signing key's file, and the memory of what was signed last."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit import signing
from audit.errors import KeyUnusableError
from audit.note import Checkpoint
from tests.audit.made import ORIGIN, signer

HEAD = Checkpoint(ORIGIN, 7, bytes(32))


def test_a_made_key_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "ledger.pem"

    key = signing.make_key(path)

    assert signing.load_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["ledger.pem"]


def test_many_that_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ledger.pem"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: signing.make_key(path).private_bytes_raw(), range(16)))

    assert len(set(made)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.pem"]


def test_what_is_no_signing_key(tmp_path: Path) -> None:
    path = tmp_path / "ledger.pem"
    with pytest.raises(KeyUnusableError):
        signing.load_key(path)
    path.write_text("no key")
    with pytest.raises(KeyUnusableError):
        signing.load_key(path)
    other = X25519PrivateKey.generate()
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyUnusableError):
        signing.load_key(path)


def test_the_origin_must_be_able_to_name_a_key() -> None:
    assert signing.signer_for(ORIGIN, signer().private).name == ORIGIN
    for origin in ("", "two words", "a+b"):
        with pytest.raises(KeyUnusableError):
            signing.signer_for(origin, signer().private)


def test_the_memory_reads_back_what_was_signed(tmp_path: Path) -> None:
    memory = signing.Memory.beside(tmp_path / "ledger.pem")
    assert memory.read(signer().verifier) is None

    memory.write(signer().sign(HEAD.text))

    assert memory.read(signer().verifier) == HEAD
    assert stat.S_IMODE(memory.path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.checkpoint"]


def test_a_memory_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    memory = signing.Memory.beside(tmp_path / "ledger.pem")
    memory.write(signer().sign(HEAD.text).replace("\n7\n", "\n6\n"))
    with pytest.raises(KeyUnusableError):
        memory.read(signer().verifier)
    memory.write(signer(seed=2).sign(HEAD.text))
    with pytest.raises(KeyUnusableError):
        memory.read(signer().verifier)
    memory.path.write_bytes(b"\xff")
    with pytest.raises(KeyUnusableError):
        memory.read(signer().verifier)
