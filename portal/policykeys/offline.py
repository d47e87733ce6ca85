"""`root_key` and `sign_keys`: what is done with the root key, on a machine without the portal.

Needs no Django, no database and no network: only files, and a terminal for the passphrase.
"""

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from portal.policykeys.manifest import (
    LONGEST_DAYS,
    ManifestRefused,
    Request,
    VouchedKey,
    sign,
    thumbprint,
)

REFUSED: Final = 2
DAY: Final = 86_400
USUAL_DAYS: Final = 180


class CommandError(ValueError):
    """What was asked for cannot be done; the message is one sentence."""


def main(argv: Sequence[str]) -> int:
    """Run one command; return 0, or 2 with one sentence on the error stream."""
    try:
        asked = parser().parse_args(argv)
        asked.run(asked)
    except SystemExit:  # argparse leaves this way after --help
        return 0
    except (CommandError, ManifestRefused) as problem:
        sys.stderr.write(f"{problem}.\n")
        return REFUSED
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{self.prog}: {message}")


def parser() -> argparse.ArgumentParser:
    """Return the grammar of both commands."""
    top = _Parser(prog="manage.py", description="Keep the root of the policy keys, offline.")
    commands = top.add_subparsers(required=True, dest="command", metavar="root_key|sign_keys")
    root = commands.add_parser("root_key", help="make the root key of an installation, or show it")
    root.add_argument("do", choices=["new", "show"], help="make one, or say its thumbprint")
    root.add_argument("file", type=Path, metavar="FILE", help="where the private half lies")
    _passphrase_option(root)
    root.set_defaults(run=_root_key)
    signing = commands.add_parser(
        "sign_keys", help="sign a key manifest with the root key: a request in, the manifest out"
    )
    signing.add_argument("--root", type=Path, required=True, metavar="FILE", help="the root key")
    signing.add_argument(
        "--days", type=int, default=USUAL_DAYS, help=f"how long it counts ({USUAL_DAYS})"
    )
    signing.add_argument(
        "--new-epoch",
        action="store_true",
        help="let versions of policies count anew from now: after far too high ones were issued",
    )
    _passphrase_option(signing)
    signing.set_defaults(run=_sign_keys)
    return top


def _passphrase_option(found: argparse.ArgumentParser) -> None:
    found.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="take the passphrase from a file's first line instead of asking for it",
    )


def _root_key(asked: argparse.Namespace) -> None:
    if asked.do == "new":
        make_root(asked.file, _new_passphrase(asked.passphrase_file))
    key = read_root(asked.file, lambda: _passphrase(asked.passphrase_file))
    sys.stdout.write(thumbprint(key.public_key().public_bytes_raw()) + "\n")


def _sign_keys(asked: argparse.Namespace) -> None:
    if not 1 <= asked.days <= LONGEST_DAYS:
        raise CommandError(f"--days is from 1 to {LONGEST_DAYS}")
    try:
        request = Request.parse(json.loads(sys.stdin.read()))
    except json.JSONDecodeError as error:
        raise CommandError(
            "standard input holds no request; `manage.py key_manifest --request` makes one"
        ) from error
    root = read_root(asked.root, lambda: _passphrase(asked.passphrase_file))
    mine = thumbprint(root.public_key().public_bytes_raw())
    now = int(time.time())
    if asked.new_epoch:
        request = Request(
            request.issuer, request.version, now, request.keys, request.revoked, request.root
        )
    sys.stderr.write("\n".join(_shown(request, mine, now + asked.days * DAY)) + "\n")
    sys.stdout.write(sign(request, root, at=now, seconds=asked.days * DAY) + "\n")


def _shown(request: Request, root: str, until: int) -> Iterator[str]:
    """Say what is being signed, so that a person sees it."""
    yield f"for      {request.issuer}"
    yield f"root     {root}"
    if request.root and request.root != root:
        yield f"         ANOTHER root than the one agents know: {request.root}"
    yield f"version  {request.version}, until {_day(until)}"
    if request.epoch:
        yield f"epoch    from {_day(request.epoch)}"
    for key in request.keys:
        yield f"key      {key.kid} {_span(key)}"
    for kid in request.revoked:
        yield f"revoked  {kid}"


def _span(key: VouchedKey) -> str:
    ends = f" until {_day(key.not_after)}" if key.not_after is not None else ""
    return f"from {_day(key.not_before)}{ends}"


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


# --- the key's file ------------------------------------------------------------------------------


def make_root(file: Path, passphrase: bytes) -> None:
    """Write a new root key to a file that must not be there yet, readable by its owner alone."""
    locked: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{file} is there already; a root key is never overwritten") from error
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "wb") as made:
        made.write(pem)
        made.flush()
        os.fsync(made.fileno())


def read_root(file: Path, passphrase: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Return the root key in a file; the passphrase is asked for where it has one."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    try:
        key = load_pem_private_key(pem, passphrase() if b"ENCRYPTED" in pem else None)
    except (ValueError, TypeError) as error:
        raise CommandError(f"{file} holds no key that this passphrase opens") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(f"{file} holds a key of another kind; `root_key new` makes one")
    return key


def _passphrase(file: Path | None) -> bytes:
    if file is None:
        return getpass.getpass("Passphrase of the root key: ").encode()
    try:
        return file.read_text(encoding="utf-8").split("\n", maxsplit=1)[0].encode()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _new_passphrase(file: Path | None) -> bytes:
    """Ask twice where somebody is there to answer; without a terminal there is none."""
    if file is not None or not sys.stdin.isatty():
        return _passphrase(file) if file else b""
    first = getpass.getpass("Passphrase for the root key (empty for none): ")
    if first != getpass.getpass("Again: "):
        raise CommandError("the two passphrases differ; nothing was made")
    return first.encode()
