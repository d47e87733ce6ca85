"""The marks by which an app is recognised: what one may look like, and what it reaches. Pure.

A mark is a platform, a kind and a value. The language of domain marks has two forms and no more:

- `example.com` fits that host and no other;
- `*.example.com` fits every host below example.com, at any depth, and not example.com itself.

In `never` both close example.com and every host below it.

A host is written as browsers send it: lower case, ASCII, names of other scripts in their `xn--`
form, no port, no path, no dot at the end. A star stands only for whole labels at the very front,
and only where what follows is a name that somebody registered: `*.com` and `*.co.uk` would take in
everybody. All other kinds are compared as a whole, upper and lower case alike. So a comparison
reads each character at most once, whatever the mark says: there is nothing to backtrack into
(ADR 8).
"""

import unicodedata
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

from consent.policy.types import MatcherKind, Platform

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

Mark = tuple[Platform, MatcherKind, str]

KINDS: Final[dict[Platform, frozenset[MatcherKind]]] = {
    Platform.MACOS: frozenset({MatcherKind.BUNDLE_ID, MatcherKind.EXECUTABLE, MatcherKind.SIGNER}),
    Platform.WINDOWS: frozenset({MatcherKind.EXECUTABLE, MatcherKind.AUMID, MatcherKind.SIGNER}),
    Platform.LINUX: frozenset({MatcherKind.EXECUTABLE}),
    Platform.WEB: frozenset({MatcherKind.DOMAIN}),
}
"""Which kinds of mark there are where. An agent understands no others."""

LONGEST: Final = 253
LONGEST_LABEL: Final = 63
LONGEST_AUMID: Final = 128

SHOW_OTHERS: Final = frozenset(
    {
        "applicationframehost",
        "dllhost",
        "msedgewebview2",
        "rundll32",
        "svchost",
        "wwahost",
    }
)
"""Programs of a system in whose name other programs show their windows; they name no app."""

_HOST_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_ID_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_NOT_IN_FILE_NAMES: Final = frozenset('/\\:"<>|')
_STARS: Final = frozenset("*?")


class Misfit(StrEnum):
    """Why a mark cannot be saved."""

    KIND_NOT_HERE = "kind_not_here"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    SPACES = "spaces"
    UNPRINTABLE = "unprintable"
    NOT_ASCII = "not_ascii"
    UPPER_CASE = "upper_case"
    MORE_THAN_A_HOST = "more_than_a_host"
    STAR_MISPLACED = "star_misplaced"
    STAR_UNKNOWN_HERE = "star_unknown_here"
    LABEL_BAD = "label_bad"
    PUNYCODE_BAD = "punycode_bad"
    ADDRESS = "address"
    ONE_LABEL = "one_label"
    PUBLIC_SUFFIX = "public_suffix"
    NOT_A_FILE_NAME = "not_a_file_name"
    SHOWS_OTHERS = "shows_others"
    NOT_AN_IDENTIFIER = "not_an_identifier"
    SIGNER_ALONE = "signer_alone"


WORDS: Final[dict[Misfit, str]] = {
    Misfit.KIND_NOT_HERE: "there is no mark of this kind on this platform",
    Misfit.EMPTY: "there is nothing in it",
    Misfit.TOO_LONG: "it is too long",
    Misfit.SPACES: "there are spaces in it, or around it",
    Misfit.UNPRINTABLE: "there is a character in it that cannot be printed or compared",
    Misfit.NOT_ASCII: "write a host in ASCII, other scripts in their xn-- form",
    Misfit.UPPER_CASE: "write it in lower case",
    Misfit.MORE_THAN_A_HOST: "give the host alone: no scheme, user, port or path",
    Misfit.STAR_MISPLACED: "a star stands for whole labels at the front only, as in *.example.com",
    Misfit.STAR_UNKNOWN_HERE: "marks of this kind know no placeholders",
    Misfit.LABEL_BAD: "between its dots stand 1 to 63 letters, digits and inner hyphens",
    Misfit.PUNYCODE_BAD: "a label that begins with xn-- must spell a name of another script",
    Misfit.ADDRESS: "an address in numbers can belong to anybody tomorrow; give the host's name",
    Misfit.ONE_LABEL: "a host has at least two labels, such as example.com",
    Misfit.PUBLIC_SUFFIX: "anybody can register a name below it, so it would take in strangers",
    Misfit.NOT_A_FILE_NAME: "give the program's file name in ASCII letters, without its folder",
    Misfit.SHOWS_OTHERS: "other programs show their windows in the name of this one",
    Misfit.NOT_AN_IDENTIFIER: "it does not have the form of such an identifier",
    Misfit.SIGNER_ALONE: "a signer signs many programs; name the program beside it",
}
"""Every misfit in plain words, for whoever typed the mark."""


def misfit(platform: Platform, kind: MatcherKind, value: str) -> Misfit | None:
    """Return why this mark cannot be saved; None when it can, and agents then understand it."""
    if kind not in KINDS[platform]:
        return Misfit.KIND_NOT_HERE
    found = _any_text(value)
    return found or _CHECKS[kind](value)


def signer_alone(marks: list[Mark]) -> Mark | None:
    """Return a signer that stands on its platform without a program beside it; None without one."""
    named = {platform for platform, kind, _ in marks if kind is not MatcherKind.SIGNER}
    lonely = (mark for mark in marks if mark[1] is MatcherKind.SIGNER and mark[0] not in named)
    return next(lonely, None)


def same(kind: MatcherKind, value: str) -> str:
    """Return the spelling under which agents compare a mark in `never`: the generous one.

    A program is the same with and without the ending of its file, on whatever platform.
    """
    folded = value.casefold()
    if kind is MatcherKind.EXECUTABLE:
        return folded.removesuffix(".exe").removesuffix(".app")
    return folded


def parents(pattern: str) -> Iterator[str]:
    """Yield the marks that take in all that a domain mark fits, the narrowest first.

    A generous reading: `*.example.com` takes in example.com too.
    """
    base = pattern.removeprefix("*.")
    if base == pattern:
        yield base
    labels = base.split(".")
    for place in range(len(labels) - 1):
        yield "*." + ".".join(labels[place:])


def closed_by(pattern: str) -> Iterator[str]:
    """Yield the marks of `never` that close all that a domain mark fits, the narrowest first.

    The most generous reading: there a host closes what lies below it too, star or not.
    """
    labels = pattern.removeprefix("*.").split(".")
    for place in range(len(labels) - 1):
        base = ".".join(labels[place:])
        yield from (base, "*." + base)


def _any_text(value: str) -> Misfit | None:
    if not value:
        return Misfit.EMPTY
    if len(value) > LONGEST:
        return Misfit.TOO_LONG
    if value != value.strip():
        return Misfit.SPACES
    if not value.isprintable() or unicodedata.normalize("NFC", value) != value:
        return Misfit.UNPRINTABLE
    return None


def _domain(value: str) -> Misfit | None:
    if " " in value:
        return Misfit.SPACES
    if not value.isascii():
        return Misfit.NOT_ASCII
    if any(sign in value for sign in ":/@?#\\[]%"):
        return Misfit.MORE_THAN_A_HOST
    if value != value.lower():
        return Misfit.UPPER_CASE
    base = value.removeprefix("*.")
    if "*" in base:
        return Misfit.STAR_MISPLACED
    return _labels(base.split(".")) or _registered(base)


def _labels(labels: list[str]) -> Misfit | None:
    for label in labels:
        edges = label[:1] + label[-1:]
        if not 1 <= len(label) <= LONGEST_LABEL or "-" in edges or set(label) - _HOST_LETTERS:
            return Misfit.LABEL_BAD
        if label.startswith("xn--") and not _spells_another_script(label[4:]):
            return Misfit.PUNYCODE_BAD
    # Browsers read a host that ends in a number as an address: 10.1.2.3, 0x7f.1, 2130706433.
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return Misfit.ADDRESS
    return Misfit.ONE_LABEL if len(labels) < 2 else None


def _spells_another_script(code: str) -> bool:
    try:
        name = code.encode("ascii").decode("punycode")
        return not name.isascii() and name.encode("punycode").decode("ascii") == code
    except UnicodeError:
        return False


def _registered(base: str) -> Misfit | None:
    """Object to a name below which strangers register theirs; an unknown last label is one."""
    return Misfit.PUBLIC_SUFFIX if _suffixes().is_public(base) else None


@cache
def _suffixes() -> "PublicSuffixList":
    # The list that came with the package, read once and only where a mark is saved. The part of
    # the registries alone: beneath github.io each tenant is a stranger too, but so is each beneath
    # zendesk.com, and no list names them all.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)


def _executable(value: str) -> Misfit | None:
    if set(value) & _STARS:
        return Misfit.STAR_UNKNOWN_HERE
    if not value.isascii() or set(value) & _NOT_IN_FILE_NAMES or not value.strip(". "):
        return Misfit.NOT_A_FILE_NAME
    if value != value.lower():
        return Misfit.UPPER_CASE
    hides = same(MatcherKind.EXECUTABLE, value) in SHOW_OTHERS
    return Misfit.SHOWS_OTHERS if hides else None


def _bundle_id(value: str) -> Misfit | None:
    if set(value) & _STARS:
        return Misfit.STAR_UNKNOWN_HERE
    parts = value.split(".")
    fits = len(parts) > 1 and all(part and not set(part) - _ID_LETTERS for part in parts)
    return None if fits else Misfit.NOT_AN_IDENTIFIER


def _aumid(value: str) -> Misfit | None:
    if set(value) & _STARS:
        return Misfit.STAR_UNKNOWN_HERE
    if len(value) > LONGEST_AUMID:
        return Misfit.TOO_LONG
    if " " in value:
        return Misfit.SPACES
    package, mark, program = value.partition("!")
    fits = value.isascii() and package and bool(program) == bool(mark) and "!" not in program
    return None if fits else Misfit.NOT_AN_IDENTIFIER


def _signer(value: str) -> Misfit | None:
    return Misfit.STAR_UNKNOWN_HERE if set(value) & _STARS else None


_CHECKS: Final[dict[MatcherKind, Callable[[str], Misfit | None]]] = {
    MatcherKind.DOMAIN: _domain,
    MatcherKind.EXECUTABLE: _executable,
    MatcherKind.BUNDLE_ID: _bundle_id,
    MatcherKind.AUMID: _aumid,
    MatcherKind.SIGNER: _signer,
}
