"""The marks a policy recognises windows by, and how each is compared with a fact. Pure.

A domain mark is a host (`example.com`: that one alone) or a star and a host (`*.example.com`: all
below it, at any depth, and not itself), and in `never` both close that host and all below it; every
other kind is compared as a whole. No comparison
turns back, so its steps grow with the length of what it reads and with nothing else. A mark of
another form is not understood, and what is not understood allows nothing.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

NATIVE_KINDS: Final = ("bundle_id", "executable", "aumid")
KINDS: Final = {
    "macos": frozenset({"bundle_id", "executable", "signer"}),
    "windows": frozenset({"executable", "aumid", "signer"}),
    "linux": frozenset({"executable"}),
    "web": frozenset({"domain"}),
}
"""Which kinds of mark there are where."""

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_LONGEST: Final = 253
# Old and new rules for names spell these differently: one of the two would be somebody else's.
_TWO_SPELLINGS: Final = frozenset("ßς\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One mark. `app` says which marks of `never` belong together; it may be empty."""

    platform: str
    kind: str
    value: str
    app: str = ""


@lru_cache(maxsize=4096)
def understood(matcher: Matcher) -> bool:
    """Return whether this agent knows for certain what a mark means."""
    if matcher.kind not in KINDS.get(matcher.platform, ()):
        return False
    if matcher.kind == "domain":
        return _is_pattern(matcher.value)
    value = matcher.value
    whole = value == value.strip() and value.isprintable() and not set(value) & {"*", "?"}
    path = matcher.kind == "executable" and normal_executable(value) != value.lower()
    return bool(value) and whole and not path


def signer_alone(matchers: Iterable[Matcher]) -> bool:
    """Return whether some app's signer on a platform has no program beside it.

    A signer only narrows what a program's mark says. By itself it would mean all that a vendor
    ever made, which no policy says.
    """
    listed = list(matchers)
    named = {(m.app, m.platform) for m in listed if m.kind != "signer"}
    return any((m.app, m.platform) not in named for m in listed if m.kind == "signer")


def normal_host(host: str) -> str:
    """Return a host name in the one spelling we compare, or "" where it is none."""
    name = host.strip().lower()
    if len(name) > _LONGEST + len(".:65535"):
        return ""
    if name.startswith("["):
        name = name.partition("]")[0].removeprefix("[")
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if _is_address(name):
        return str(ipaddress.ip_address(name))
    if not name.isascii():
        name = _encoded(name)
    return name if len(name) <= _LONGEST and all(map(_is_label, name.split("."))) else ""


def normal_executable(path: str) -> str:
    """Return a program's file name in lower case, whatever folder it was started from."""
    return re.split(r"[/\\]", path.strip())[-1].lower()


def bare_executable(path: str) -> str:
    """Return a program's name without the ending that only some systems give it."""
    return normal_executable(path).removesuffix(".exe").removesuffix(".app")


def host_fit(pattern: str, host: str) -> int:
    """Return how closely a domain mark fits a normal host: 0 not at all, a longer one more."""
    if not host or not _is_pattern(pattern):
        return 0
    base = pattern.removeprefix("*.")
    if base != pattern:
        return 2 * len(base) if host.endswith("." + base) else 0
    return 2 * len(host) + 1 if host == base else 0


def host_closed(pattern: str, host: str) -> bool:
    """Return whether a domain mark of `never` takes in a normal host.

    With a star or without one, it closes the host it names and all that lies below.
    """
    base = pattern.removeprefix("*.")
    return _is_pattern(pattern) and (host == base or host.endswith("." + base))


def _is_pattern(pattern: str) -> bool:
    base = pattern.removeprefix("*.")
    if normal_host(base) != base or "." not in base:
        return False
    last = base.rpartition(".")[2]  # a host that ends in a number is an address to a browser
    return not (last.isdigit() or last.startswith("0x"))


def _is_address(name: str) -> bool:
    if ":" not in name and not name[-1:].isdigit():
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _encoded(name: str) -> str:
    if set(name) & _TWO_SPELLINGS:
        return ""
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def _is_label(label: str) -> bool:
    edges = label[:1] + label[-1:]
    return 1 <= len(label) <= 63 and "-" not in edges and not set(label) - _LETTERS
