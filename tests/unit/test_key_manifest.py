"""Key manifests: read back as they were signed, and what follows never leaves a gap."""

from __future__ import annotations

import io
import json
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.policykeys import offline, succession
from portal.policykeys.manifest import (
    Manifest,
    ManifestRefused,
    Request,
    VouchedKey,
    decode,
    encode,
    opened,
    sign,
    thumbprint,
)
from portal.policykeys.succession import Standing

ROOT = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LEAD = 100
NOW = 10_000
END = 50_000
PUBLIC = {f"k{n}": bytes([n]) * 32 for n in range(4)}
PORTAL = "https://portal.example"

seconds = st.integers(NOW - 300, NOW + 900)


@st.composite
def key_sets(draw: st.DrawFn) -> tuple[VouchedKey, ...]:
    """Up to four keys; many of these sets would leave a gap."""
    found = []
    for kid in draw(st.lists(st.sampled_from(sorted(PUBLIC)), unique=True, min_size=1)):
        begins = draw(seconds)
        ends = draw(st.one_of(st.none(), st.integers(begins + 1, begins + 900)))
        found.append(VouchedKey(kid, PUBLIC[kid], begins, ends))
    return tuple(found)


def request(keys: tuple[VouchedKey, ...] = (), **more: Any) -> Request:
    usual: dict[str, Any] = {"issuer": PORTAL, "version": 1, "epoch": 0, "revoked": ()}
    return Request(keys=keys, **{**usual, **more})


def manifest(keys: tuple[VouchedKey, ...], **more: Any) -> Manifest:
    return opened(sign(request(keys, **more), ROOT, at=NOW, seconds=END - NOW))


@given(key_sets(), st.integers(0, 2**53 - 1), st.lists(st.text(max_size=5), max_size=3))
def test_what_was_signed_is_read_back(
    keys: tuple[VouchedKey, ...], version: int, revoked: list[str]
) -> None:
    found = manifest(keys, version=version, revoked=tuple(revoked))

    assert (found.keys, found.version, found.revoked) == (keys, version, tuple(revoked))
    assert found.root == thumbprint(ROOT.public_key().public_bytes_raw())
    asked = request(keys, version=version, revoked=tuple(revoked), root="r")
    assert Request.parse(json.loads(json.dumps(asked.as_json()))) == asked


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """RFC 8037 appendix A.3 computes it for this key."""
    public = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")

    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@settings(max_examples=400)
@given(key_sets(), key_sets(), st.sets(st.sampled_from(sorted(PUBLIC)), max_size=2))
def test_what_follows_never_leaves_an_agent_behind(
    before: tuple[VouchedKey, ...], after: tuple[VouchedKey, ...], revoked: set[str]
) -> None:
    """Against a model: an agent that knows what either manifest said for the last two leases."""
    old = manifest(before)
    new = manifest(after, version=2, revoked=tuple(sorted(revoked)))
    try:
        succession.check(new, Standing(PORTAL, PUBLIC, old, LEAD), at=NOW)
    except ManifestRefused:
        return
    for moment in range(NOW, NOW + 2000, 7):
        signs = new.signer(moment)
        assert signs is not None, "a gap"
        before_that = old.signer(NOW)
        emergency = before_that is None or before_that.kid in new.revoked
        if moment < NOW + LEAD and not emergency:
            assert signs.kid in {key.kid for key in old.usable()}, "nobody can know it yet"
    last = old.signer(NOW)
    if last and last.kid not in new.revoked:
        kept = next(key for key in new.keys if key.kid == last.kid)
        assert kept.not_before <= last.not_before, "what it signed is from before its time"
        signed = [m for m in range(NOW, NOW + 2000) if new.signer(m) == kept]
        if NOW + 1999 not in signed:
            last_one = max([NOW - 1, *signed])
            assert kept.signs(last_one + LEAD), "what it signed last is no more believed"


@pytest.mark.parametrize("spoil", ["alg", "typ", "kid", "jwk", "crit"])
def test_another_header_is_no_manifest(spoil: str) -> None:
    token = sign(request((VouchedKey("k1", PUBLIC["k1"], 0),)), ROOT, at=NOW, seconds=9)
    head, body, _ = token.split(".")
    said = {**json.loads(decode(head)), spoil: "x"}
    signed = f"{encode(json.dumps(said).encode())}.{body}"

    with pytest.raises(ManifestRefused):
        opened(f"{signed}.{encode(ROOT.sign(signed.encode()))}")


@given(st.binary(max_size=60), st.text(max_size=60))
def test_what_is_no_manifest_is_refused_and_nothing_else(raw: bytes, text: str) -> None:
    for token in (text, f"{encode(raw)}.{encode(raw)}.{encode(raw)}", f"a.{text}.b"):
        with pytest.raises(ManifestRefused):
            opened(token)


# --- offline -------------------------------------------------------------------------------------


def test_a_root_is_written_once_for_its_owner_alone(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "root.pem"

    assert offline.main(["root_key", "new", str(file)]) == 0
    made = capsys.readouterr().out
    assert offline.main(["root_key", "new", str(file)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert offline.main(["root_key", "show", str(file)]) == 0

    assert capsys.readouterr().out == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_passphrase_locks_it(tmp_path: Path, capsys: Any) -> None:
    file, right, wrong = tmp_path / "root.pem", tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\nand more")
    wrong.write_text("battery staple")
    offline.main(["root_key", "new", str(file), "--passphrase-file", str(right)])

    assert b"ENCRYPTED" in file.read_bytes()
    assert offline.main(["root_key", "show", str(file), "--passphrase-file", str(right)]) == 0
    assert offline.main(["root_key", "show", str(file), "--passphrase-file", str(wrong)]) == 2
    assert "no key that this passphrase opens" in capsys.readouterr().err


@pytest.mark.parametrize("said", ["", "{}", "[1]", '{"v": 1, "keys": []}'])
def test_what_is_no_request_is_not_signed(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    file = tmp_path / "root.pem"
    offline.main(["root_key", "new", str(file)])
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))

    assert offline.main(["sign_keys", "--root", str(file)]) == 2
    assert capsys.readouterr().out == ""


def test_a_new_epoch_begins_now(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    file = tmp_path / "root.pem"
    offline.main(["root_key", "new", str(file)])
    capsys.readouterr()
    asked = request((VouchedKey("k1", PUBLIC["k1"], 0),), root="another")
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked.as_json())))

    assert offline.main(["sign_keys", "--root", str(file), "--new-epoch"]) == 0

    token, shown = capsys.readouterr()
    found = opened(token)
    assert found.epoch == found.issued_at
    assert "ANOTHER root" in shown
    assert replace(asked, epoch=found.epoch, root="").claims() == {
        **asked.claims(),
        "epoch": found.epoch,
    }
