"""Which signed documents are obeyed: one kind, and every other one is refused."""

import base64
import json
import os
from typing import Any

import pytest
from agent_helpers import AGENTKIT
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sayso_agent import PolicyRefusedError, UnexpectedAnswerError
from sayso_agent.conformance.portal import policy_document
from sayso_agent.jws import KeySet, b64url, b64url_decode, sign, strict_json, verify
from sayso_agent.manifest import TYPE as MANIFEST_TYPE
from sayso_agent.manifest import Manifest, Pinned, thumbprint
from sayso_agent.trust import Expected, accept

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
ROOT = thumbprint(ROOT_KEY.public_key().public_bytes_raw())
EXPECTED = Expected("https://portal.example", "agent-1", 100)
MOMENT = {
    "iss": "https://portal.example",
    "aud": "agent-1",
    "version": 100,
    "iat": 1000,
    "lease_until": 1900,
}
LATER_MASKING: dict[str, Any] = {
    "strikes": [{"from": 900, "until": 950}],
    "redaction": {"profiles": {"clipboard": "text-9"}, "without": "deny"},
}
NO_BANDWIDTH = {"batch_bytes": 1, "batch_seconds": 1, "bytes_per_second": 0}
UNMASKED = {"profiles": {}, "without": "allow"}
UNKNOWN_MARK = {
    "categories": [],
    "signals": [],
    "matchers": [{"platform": "web", "kind": "telepathy", "value": "x"}],
}
HEADER = {"kid": "k1", "typ": "policy+jwt"}


def token(key: Ed25519PrivateKey = KEY, header: dict[str, str] = HEADER, **changes: Any) -> str:
    return sign({**policy_document(), **MOMENT, **changes}, key, **header)


def listed(kid: str, key: Ed25519PrivateKey = OTHER, **changes: Any) -> dict[str, Any]:
    x = b64url(key.public_key().public_bytes_raw())
    kind = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA"}
    return {**kind, "kid": kid, "x": x, "nbf": 0, **changes}


VOUCHED: dict[str, Any] = {
    "v": 1,
    "iss": "https://portal.example",
    "version": 7,
    "iat": 900,
    "exp": 90_000,
    "epoch": 800,
    "keys": [
        listed("k1", KEY),
        listed("k-ended", exp=1001),
        listed("k-early", nbf=1001),
        listed("k-revoked"),
    ],
    "revoked": ["k-revoked"],
}


def manifest(
    root: Ed25519PrivateKey = ROOT_KEY, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A key manifest by a root; `changes` of None leave a member out."""
    public = root.public_key().public_bytes_raw()
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64url(public)}
    head = {"typ": MANIFEST_TYPE, "kid": thumbprint(public), "jwk": jwk, **(header or {})}
    said = {**VOUCHED, **changes}
    return sign({k: v for k, v in said.items() if v is not None}, root, **head)


PINNED = Pinned(ROOT, "https://portal.example", version=7, epoch=800)
KEYS = Manifest.accept(manifest(), PINNED, wall=1001)


def refusal(document: str, wall: float = 1001) -> str:
    with pytest.raises(PolicyRefusedError) as refused:
        accept(document, KEYS, EXPECTED, wall=wall)
    return refused.value.code


def with_header(**header: Any) -> str:
    """A document whose header was exchanged and which was signed again, properly."""
    _, body, _ = token().split(".")
    head = b64url(json.dumps(header).encode())
    return f"{head}.{body}.{b64url(KEY.sign(f'{head}.{body}'.encode()))}"


def test_the_one_good_document() -> None:
    assert accept(token(), KEYS, EXPECTED, wall=1001).version == 100


def test_a_higher_version_is_fine_and_a_lower_one_is_not() -> None:
    assert accept(token(version=101), KEYS, EXPECTED, wall=1001).version == 101
    assert refusal(token(version=99)) == "policy_version_old"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (token(aud="agent-2"), "policy_audience_wrong"),
        (token(iss="https://portal.example.evil"), "policy_issuer_wrong"),
        (token(v=2), "policy_format_unknown"),
        (token(OTHER), "policy_signature_bad"),
        (token(header={"kid": "k2", "typ": "policy+jwt"}), "policy_key_unknown"),
        (token(header={"kid": "k1", "typ": "JWT"}), "policy_algorithm_bad"),
        (with_header(alg="none", kid="k1", typ="policy+jwt"), "policy_algorithm_bad"),
        (with_header(alg="HS256", kid="k1", typ="policy+jwt"), "policy_algorithm_bad"),
        (with_header(alg="ES256", kid="k1", typ="policy+jwt"), "policy_algorithm_bad"),
        (with_header(alg="EdDSA", typ="policy+jwt"), "policy_key_unknown"),
        (
            with_header(alg="EdDSA", kid="k1", typ="policy+jwt", crit=["exp"]),
            "policy_algorithm_bad",
        ),
        (with_header(alg="EdDSA", kid="k1", typ="policy+jwt", b64=False), "policy_algorithm_bad"),
        (token()[:-1], "policy_signature_bad"),
        (token()[: len(token()) // 2], "policy_malformed"),
        (token() + "=", "policy_signature_bad"),
        (token() + ".x", "policy_malformed"),
        ("", "policy_malformed"),
        ("..", "policy_malformed"),
        ("é.é.é", "policy_malformed"),
        ("x" * 300_000, "policy_malformed"),
    ],
)
def test_every_other_document_is_refused(document: str, code: str) -> None:
    assert refusal(document) == code


def test_a_lease_that_has_ended_is_refused_at_its_very_end() -> None:
    assert accept(token(), KEYS, EXPECTED, wall=1899.9).version == 100
    assert refusal(token(), wall=1900) == "lease_ended"


def test_a_key_that_the_document_brings_along_is_not_looked_at() -> None:
    x = b64url(OTHER.public_key().public_bytes_raw())
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": x}
    head = b64url(
        json.dumps({"alg": "EdDSA", "kid": "k1", "typ": "policy+jwt", "jwk": jwk}).encode()
    )
    _, body, _ = token().split(".")

    forged = f"{head}.{body}.{b64url(OTHER.sign(f'{head}.{body}'.encode()))}"

    assert refusal(forged) == "policy_signature_bad"


def test_a_signed_text_with_a_key_given_twice_is_refused() -> None:
    body = b64url(b'{"v":1,"v":1}')
    head = b64url(json.dumps({"alg": "EdDSA", **HEADER}).encode())

    twice = f"{head}.{body}.{b64url(KEY.sign(f'{head}.{body}'.encode()))}"

    assert refusal(twice) == "policy_malformed"


@settings(max_examples=200)
@given(st.data())
def test_one_changed_character_anywhere_is_noticed(data: st.DataObject) -> None:
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.sampled_from("ABCabc019-_.=~ "))
    changed = good[:place] + letter + good[place + 1 :]

    if changed == good:
        assert accept(changed, KEYS, EXPECTED, wall=1001)
    else:
        assert refusal(changed)


@given(st.binary(max_size=60))
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = b64url(data)

    assert b64url_decode(text) == data
    for other in (text + "=", text + "\n", " " + text, text.replace("-", "+")):
        if other != text:
            with pytest.raises(ValueError, match="base64url"):
                b64url_decode(other)


@pytest.mark.parametrize("text", ['{"a":NaN}', "[" * 100_000, '{"a":1,"a":1}', "\xff", ""])
def test_json_that_two_readers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  several kinds of the one error
        strict_json(text.encode("latin-1"))


def test_of_a_key_list_only_ed25519_signing_keys_count() -> None:
    x = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    good = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x, "use": "sig", "alg": "EdDSA"}
    others = [
        {**good, "kid": "b", "kty": "RSA"},
        {**good, "kid": "c", "crv": "X25519"},
        {**good, "kid": "d", "use": "enc"},
        {**good, "kid": "e", "alg": "HS256"},
        {**good, "kid": 7},
        {**good, "kid": "f", "x": "AA"},
        {**good, "kid": "g", "x": "!"},
        "text",
    ]

    assert set(KeySet.parse({"keys": [good, *others]}).keys) == {"a"}
    for odd in (None, [], {}, {"keys": {}}, {"keys": [good] * 33}):
        with pytest.raises(UnexpectedAnswerError):
            KeySet.parse(odd)


def vectors() -> list[dict[str, Any]]:
    """The documents that every agent must obey or refuse, made from this module's own key."""
    cases = [
        ("obeyed", token(), ""),
        ("a higher version", token(version=10**13), ""),
        ("an older version", token(version=99), "policy_version_old"),
        ("another agent's", token(aud="agent-2"), "policy_audience_wrong"),
        ("another portal's", token(iss="https://other.example"), "policy_issuer_wrong"),
        ("of a later format", token(v=2), "policy_format_unknown"),
        ("its lease has ended", token(lease_until=1001), "lease_ended"),
        ("a default that allows", token(default={"decision": "allow", "reasons": []}), "refused"),
        ("signed by a stranger", token(OTHER), "policy_signature_bad"),
        ("of an unknown key", token(header={**HEADER, "kid": "k2"}), "policy_key_unknown"),
        ("of a key that was revoked", token(OTHER, {**HEADER, "kid": "k-revoked"}),
         "policy_key_revoked"),
        ("of a key whose time is over", token(OTHER, {**HEADER, "kid": "k-ended"}),
         "policy_key_ended"),
        ("of a key whose time has not come", token(OTHER, {**HEADER, "kid": "k-early"}),
         "policy_key_ended"),
        ("from before versions counted anew", token(iat=799, lease_until=1699),
         "policy_version_old"),
        ("not signed", with_header(alg="none", kid="k1", typ="policy+jwt"), "policy_algorithm_bad"),
        ("of another type", token(header={**HEADER, "typ": "JWT"}), "policy_algorithm_bad"),
        ("cut off", token()[:-40], "policy_signature_bad"),
        ("with a strike and a masking of later times", token(**LATER_MASKING), ""),
        ("with a member of later times", token(later={"x": 1}), ""),
        ("a strike without an end", token(strikes=[{"from": 900}]), "policy_malformed"),
        ("paused since a moment", token(paused=True, paused_since=990), ""),
        ("paused since nobody knows when", token(paused=True, paused_since="noon"),
         "policy_malformed"),
        ("strikes that are no list", token(strikes={}), "policy_malformed"),
        ("an embargo before time", token(embargo_seconds=-1), "policy_malformed"),
        ("no bandwidth at all", token(limits=NO_BANDWIDTH), "policy_malformed"),
        ("unmasked: allow", token(redaction=UNMASKED), "policy_not_understood"),
        ("no list of signals in sight", token(windows={"every_visible_for": "x"}),
         "policy_malformed"),
        ("no `never`", token(never=None), "policy_malformed"),
        ("an unknown mark in `never`", token(never=UNKNOWN_MARK), "policy_not_understood"),
        ("no version", token(version=None), "policy_malformed"),
        ("no end of the lease", token(lease_until=None), "policy_malformed"),
    ]  # fmt: skip
    return [{"name": name, "token": text, "refused_as": code} for name, text, code in cases]


def test_the_published_vectors_are_these() -> None:
    made = {
        "what": "Policies to be obeyed (refused_as is empty) or refused at 1001 s Unix time, by an "
        "agent that has seen version 100 and holds this key manifest. The key's seed is the bytes "
        "0 to 31, the root's the bytes 32 to 63.",
        "issuer": EXPECTED.issuer,
        "audience": EXPECTED.audience,
        "now": 1001,
        "highest_version": 100,
        "root": ROOT,
        "manifest": manifest(),
        "cases": vectors(),
    }
    assert_published("policies.json", made)


def assert_published(name: str, made: dict[str, Any]) -> None:
    path = AGENTKIT / "vectors" / name

    if "SAYSO_WRITE_VECTORS" in os.environ:
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert json.loads(path.read_text()) == made, "write it anew: SAYSO_WRITE_VECTORS=1"


@pytest.mark.parametrize("case", vectors(), ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    if not case["refused_as"]:
        assert accept(case["token"], KEYS, EXPECTED, wall=1001)
    elif case["refused_as"] == "refused":
        assert refusal(case["token"])
    else:
        assert refusal(case["token"]) == case["refused_as"]


def test_nothing_but_our_type_is_verified() -> None:
    with pytest.raises(PolicyRefusedError):
        verify(token(), KeySet(KEYS.usable()), typ="agent-proof+jwt")


# --- key manifests --------------------------------------------------------------------------------


def manifests() -> list[dict[str, Any]]:
    """The manifests that every agent must believe or refuse."""
    twice = [listed("k1", KEY), listed("k1", KEY)]
    other = {"jwk": {"crv": "Ed25519", "kty": "OKP", "x": "AA"}}
    fitting = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
    forged = manifest(fitting, header={"kid": ROOT})
    head, body, _ = manifest().split(".")
    cases = [
        ("believed", manifest(), ""),
        ("a higher version", manifest(version=10**13, epoch=900), ""),
        ("with a member of later times", manifest(later={"x": 1}), ""),
        ("an older version", manifest(version=6), "manifest_version_old"),
        ("an older epoch", manifest(version=8, epoch=799), "manifest_version_old"),
        ("it has ended", manifest(exp=1001), "manifest_expired"),
        ("by another root", manifest(OTHER), "manifest_root_wrong"),
        ("by another root under our root's name", forged, "manifest_root_wrong"),
        ("another signature", f"{head}.{body}.{manifest(OTHER).split('.')[2]}",
         "policy_signature_bad"),
        ("changed after it was signed", f"{head}.{manifest(version=8).split('.')[1]}."
         + manifest().split(".")[2], "policy_signature_bad"),
        ("of another portal", manifest(iss="https://other.example"), "manifest_issuer_wrong"),
        ("a policy's type", manifest(header={"typ": "policy+jwt"}), "policy_algorithm_bad"),
        ("an unfit root", manifest(header=other), "manifest_malformed"),
        ("no root", manifest(header={"jwk": "x"}), "manifest_malformed"),
        ("of a later format", manifest(v=2), "manifest_malformed"),
        ("without keys", manifest(keys=[]), "manifest_malformed"),
        ("a key twice", manifest(keys=twice), "manifest_malformed"),
        ("a key without a beginning", manifest(keys=[listed("k1", nbf=None)]),
         "manifest_malformed"),
        ("a key of another kind", manifest(keys=[listed("k1", alg="HS256")]),
         "manifest_malformed"),
        ("no list of what is revoked", manifest(revoked=None), "manifest_malformed"),
        ("no end", manifest(exp=None), "manifest_malformed"),
        ("no epoch", manifest(epoch=None), "manifest_malformed"),
        ("cut off", manifest()[:-40], "policy_signature_bad"),
    ]  # fmt: skip
    return [{"name": name, "token": text, "refused_as": code} for name, text, code in cases]


def test_the_published_manifests_are_these() -> None:
    made = {
        "what": "Key manifests to be believed (refused_as is empty) or refused at 1001 s Unix "
        "time, by an agent that pinned this root and has seen version 7 of epoch 800. The root's "
        "seed is the bytes 32 to 63.",
        "issuer": PINNED.issuer,
        "root": ROOT,
        "now": 1001,
        "highest_version": PINNED.version,
        "epoch": PINNED.epoch,
        "cases": manifests(),
    }
    assert_published("key-manifests.json", made)


@pytest.mark.parametrize("case", manifests(), ids=lambda case: case["name"])
def test_manifest(case: dict[str, Any]) -> None:
    if not case["refused_as"]:
        assert Manifest.accept(case["token"], PINNED, wall=1001)
        return
    with pytest.raises(PolicyRefusedError) as refused:
        Manifest.accept(case["token"], PINNED, wall=1001)
    assert refused.value.code == case["refused_as"]


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0, 10**6), letter=st.sampled_from("Aa0-_.~é"))
def test_no_manifest_survives_a_change_of_a_letter(place: int, letter: str) -> None:
    whole = manifest()
    at = place % len(whole)
    changed = f"{whole[:at]}{letter}{whole[at + 1 :]}"
    if changed == whole:
        return
    with pytest.raises(PolicyRefusedError):
        Manifest.accept(changed, PINNED, wall=1001)
