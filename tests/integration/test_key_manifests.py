"""The root that never lies on the server: it is asked, signs elsewhere, and is believed alone."""

from __future__ import annotations

import io
import json
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests import factories
from tests.integration.agents import code_of, machine_of, poll
from tests.integration.travelling import Travel

MANIFEST = "/.well-known/sayso-key-manifest.jwt"


@pytest.fixture
def secrets(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for a root of this test's own among the secrets, in which none lies yet."""
    from portal.policykeys import ring, standing
    from portal.servers import locations

    folder = locations.SECRETS / token_hex(4)
    monkeypatch.setattr(standing, "ROOT_FILE", f"{folder.name}/policy-root.pem")
    ring.forget()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    return Travel(monkeypatch)


def standing() -> Any:
    from portal.policykeys import standing

    return standing


def carry_away(secrets: Path) -> Ed25519PrivateKey:
    """Take the root off the server, as its keeper does."""
    standing().ensure()
    file = secrets / "policy-root.pem"
    root = load_pem_private_key(file.read_bytes(), password=None)
    file.unlink()
    assert isinstance(root, Ed25519PrivateKey)
    return root


def signed(root: Ed25519PrivateKey, request: Any = None, *, days: int = 180) -> str:
    from portal.policykeys import manifest

    wanted = request or standing().request()
    now = int(timezone.now().timestamp())
    return manifest.sign(wanted, root, at=now, seconds=days * 86_400)


def load(token: str, **more: Any) -> Any:
    return standing().load_manifest(token=token, actor=factories.OFFICER, **more)


def refusal(token: str) -> str:
    from portal.policykeys.manifest import ManifestRefused

    before = standing().current()
    with pytest.raises(ManifestRefused) as refused:
        load(token)
    assert standing().current() == before
    return refused.value.code


def rotate(**more: Any) -> Any:
    from portal.policykeys.rotate import rotate_key

    return rotate_key(actor=factories.OFFICER, **more)


def kids() -> set[str]:
    return {key.kid for key in standing().current().usable()}


# --- an installation that nobody did anything about ----------------------------------------------


def test_the_first_need_makes_a_root_and_a_manifest_that_names_it(secrets: Path) -> None:
    answer = Client().get(MANIFEST)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/sayso-keys+jwt"
    assert stat.S_IMODE((secrets / "policy-root.pem").stat().st_mode) == 0o600
    again = Client().get(MANIFEST, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    assert Client().get(MANIFEST).content == answer.content, "signed once, not at each question"


def test_a_manifest_that_ends_soon_is_signed_anew_by_the_workers(
    secrets: Path, travel: Travel
) -> None:
    first = standing().ensure()
    assert standing().renew(at=timezone.now()) == 0

    travel.pass_time(timedelta(days=21))

    assert standing().renew(at=timezone.now()) == 1
    second = standing().current()
    assert second.version > first.version
    assert second.root == first.root
    assert second.expires_at > first.expires_at


def test_a_portal_that_moved_signs_for_its_new_address_by_the_workers(
    secrets: Path, settings: Any
) -> None:
    """Else no machine that enrols there would believe the keys, until the manifest ends soon."""
    first = standing().ensure()
    settings.PUBLIC_URL = "https://moved.example"
    answer = Client().get("/status")
    assert "another address" in answer.content.decode()
    assert answer.status_code == 200, "a balancer goes on sending people who withdraw"

    assert standing().renew(at=timezone.now()) == 1

    second = standing().current()
    assert (second.issuer, second.root) == ("https://moved.example", first.root)
    assert second.version > first.version
    assert standing().renew(at=timezone.now()) == 0
    assert "another address" not in Client().get("/status").content.decode()


def test_whoever_takes_the_portal_to_be_elsewhere_changes_no_key(
    secrets: Path, settings: Any
) -> None:
    """A command in a shell that lacks the portal's environment would cut off every machine."""
    first = standing().ensure()
    (kid,) = kids()
    settings.PUBLIC_URL = "https://elsewhere.example"

    for arguments in ([], ["--revoke", kid]):
        with pytest.raises(CommandError, match=r"for https?://.* SAYSO_PUBLIC_URL"):
            run("rotate_keys", *arguments)

    assert standing().current() == first


def test_the_check_advises_to_carry_the_root_away(secrets: Path) -> None:
    from portal.checks import root_is_offline

    standing().ensure()
    assert [advice.id for advice in root_is_offline(None)] == ["sayso.W002"]
    carry_away(secrets)
    assert root_is_offline(None) == []


# --- a root that is elsewhere --------------------------------------------------------------------


def test_without_the_root_a_new_key_is_planned_and_counts_once_it_is_vouched_for(
    secrets: Path,
) -> None:
    root = carry_away(secrets)
    before = kids()

    made = rotate()
    assert kids() == before
    load(signed(root))

    assert kids() == before | {made.kid}
    assert made.use_from - timezone.now() > timedelta(days=6)


def test_a_key_that_nobody_vouched_for_never_signs_however_long_it_waits(
    secrets: Path, travel: Travel
) -> None:
    carry_away(secrets)
    machine = machine_of(factories.make_world().subject)
    before = kids()
    made = rotate()

    travel.pass_time(timedelta(days=20))

    assert poll(machine.token).status_code == 200
    assert {key["kid"] for key in jwks()} == before
    assert made.kid not in before


def jwks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Client().get("/.well-known/sayso-policy-keys.json").json()["keys"]
    return found


def test_a_plan_that_was_signed_too_late_is_planned_anew(secrets: Path, travel: Travel) -> None:
    root = carry_away(secrets)
    made = rotate(carried=timedelta(days=2))
    late = signed(root)
    travel.pass_time(timedelta(days=3))
    assert refusal(late) == "manifest_too_soon"

    again = rotate(carried=timedelta(days=2))

    assert again.kid == made.kid
    load(signed(root))
    assert made.kid in kids()


def test_once_the_manifest_has_ended_nothing_is_signed(secrets: Path, travel: Travel) -> None:
    root = carry_away(secrets)
    machine = machine_of(factories.make_world().subject)
    assert poll(machine.token).status_code == 200
    rows = issued()

    travel.pass_time(timedelta(days=31))

    assert code_of(poll(machine.token)) == (503, "no_signing_key")
    assert issued() == rows, "what nobody could sign is not issued"
    assert Client().get("/status").status_code == 503
    load(signed(root))
    assert poll(machine.token).status_code == 200


def issued() -> int:
    from consent.models import IssuedPolicy

    return IssuedPolicy.objects.count()


def test_revoking_the_key_that_signs_brings_its_heir_at_once(secrets: Path) -> None:
    from portal.policykeys.rotate import erase_spent, revoke_key

    machine = machine_of(factories.make_world().subject)
    (stolen,) = {key.kid for key in standing().ensure().keys}

    heir = revoke_key(kid=stolen, actor=factories.OFFICER)

    assert heir is not None
    assert standing().current().revoked == (stolen,)
    assert kids() == {heir.kid}
    assert {key["kid"] for key in jwks()} == {heir.kid}
    assert poll(machine.token).status_code == 200
    assert erase_spent(at=timezone.now()) == 0, "a file: it has no sealed half"
    third = revoke_key(kid=heir.kid, actor=factories.OFFICER)
    assert erase_spent(at=timezone.now()) == 1
    assert third is not None
    assert set(standing().current().revoked) == {stolen, heir.kid}


# --- what is not taken ---------------------------------------------------------------------------


def test_only_the_root_that_agents_know_is_taken(secrets: Path) -> None:
    root = carry_away(secrets)
    stranger = Ed25519PrivateKey.generate()

    assert refusal(signed(stranger)) == "manifest_root_wrong"
    head, body, _ = signed(root).split(".")
    assert refusal(f"{head}.{body}.{signed(stranger).split('.')[2]}") == "manifest_signature_bad"
    taken = load(signed(stranger), other_root=True)
    assert taken.root != standing().request().root or taken.root == standing().current().root
    assert refusal(signed(root)) == "manifest_root_wrong"


def test_what_would_leave_agents_behind_is_not_taken(secrets: Path) -> None:
    from dataclasses import replace

    from portal.policykeys.manifest import VouchedKey

    root = carry_away(secrets)
    good = standing().request()
    old = load(signed(root))
    wanted = standing().request()
    (key,) = wanted.keys
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    now = int(timezone.now().timestamp())
    spoilt = {
        "manifest_version_old": good,
        "manifest_of_another_portal": replace(wanted, issuer="https://elsewhere.example"),
        "manifest_key_unknown": replace(wanted, keys=(key, VouchedKey("x", other, 0))),
        "manifest_drops_too_soon": replace(wanted, keys=()),
        "manifest_leaves_a_gap": replace(wanted, keys=(replace(key, not_after=now + 9000),)),
        "manifest_epoch_bad": replace(wanted, epoch=now + 100),
    }

    for code, request in spoilt.items():
        assert refusal(signed(root, request)) == code
    assert refusal(signed(root, wanted, days=0)) == "manifest_expired"
    assert refusal("nothing at all") == "manifest_malformed"
    assert standing().current() == old


def test_nothing_is_ever_unrevoked(secrets: Path) -> None:
    from dataclasses import replace

    from portal.policykeys.rotate import revoke_key

    (stolen,) = {key.kid for key in standing().ensure().keys}
    revoke_key(kid=stolen, actor=factories.OFFICER)
    root = carry_away(secrets)

    assert refusal(signed(root, replace(standing().request(), revoked=()))) == "manifest_unrevokes"


def test_a_manifest_that_was_taken_never_changes_and_is_in_the_ledger(
    secrets: Path, database: Any
) -> None:
    import psycopg

    standing().ensure()

    with pytest.raises(psycopg.errors.Error):
        database.sql("UPDATE portal_keymanifest SET version = version + 1", role="app")
    with pytest.raises(psycopg.errors.Error):
        database.sql("DELETE FROM portal_keymanifest", role="owner")
    rows = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'policy_key.vouched'")
    assert rows == [(1,)]


def test_a_manifest_without_its_entry_does_not_stand(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    root = carry_away(secrets)
    before = standing().current()
    token = signed(root)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", lambda *_a, **_k: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            load(token)

    assert standing().current() == before


# --- the commands --------------------------------------------------------------------------------


def run(command: str, *arguments: str, said: str = "", patch: Any = None) -> str:
    out = io.StringIO()
    if patch:
        patch.setattr(sys, "stdin", io.StringIO(said))
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_the_whole_way_over_another_machine(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Commands only: a root made elsewhere, a request carried to it, the manifest carried back."""
    from portal.policykeys import offline

    stick, words = tmp_path / "root.pem", tmp_path / "words"
    words.write_text("correct horse\n")
    assert offline.main(["root_key", "new", str(stick), "--passphrase-file", str(words)]) == 0
    root = capsys.readouterr().out.strip()
    request = run("key_manifest", "--request")
    monkeypatch.setattr(sys, "stdin", io.StringIO(request))
    sign = ["sign_keys", "--root", str(stick), "--days", "90", "--passphrase-file", str(words)]
    assert offline.main(sign) == 0
    token, shown = capsys.readouterr()
    said = run("key_manifest", "--load", said=token, patch=monkeypatch)

    assert f"root     {root} (offline)" in said
    assert "signs now" in said
    assert f"key      {json.loads(request)['keys'][0]['kid']}" in shown
    assert Client().get(MANIFEST).content.decode() == token.strip()
    assert not secrets.exists(), "no root was ever made here"
    assert "nothing counts yet" in run("rotate_keys")


def test_loading_a_stranger_says_how_many_would_enrol_anew(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_away(secrets)
    machine_of(factories.make_world().subject)
    token = signed(Ed25519PrivateKey.generate())

    with pytest.raises(CommandError, match=r"manifest_root_wrong.* 1 machines"):
        run("key_manifest", "--load", said=token, patch=monkeypatch)
    assert "(offline)" in run("key_manifest", "--load", "--new-root", said=token, patch=monkeypatch)


def test_revoking_by_command(secrets: Path) -> None:
    (stolen,) = {key.kid for key in standing().ensure().keys}

    said = run("rotate_keys", "--revoke", stolen)

    assert f"revoked {stolen}" in said
    with pytest.raises(CommandError, match="no key"):
        run("rotate_keys", "--revoke", "0" * 16)
