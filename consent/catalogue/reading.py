"""Reads the catalogue's files strictly: what is misspelt, doubled or unfit stops it. Pure."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from consent.policy.matching import WORDS, Mark, misfit, same, signer_alone
from consent.policy.types import AppCategory, DataOf, MatcherKind, Platform

FOLDER: Final = Path(__file__).parent
_FILE_KEYS: Final = frozenset({"category", "data_of", "app"})
_OPTIONAL: Final = frozenset({"data_of", *Platform})
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")

Word = TypeVar("Word", bound=StrEnum)


class CatalogueError(ValueError):
    """A file of the catalogue is wrong; the message names the file, the app and the key."""


@dataclass(frozen=True, slots=True)
class KnownApp:
    """An app of the catalogue, as it would be proposed for the registry."""

    code: str
    name: str
    category: AppCategory
    data_of: DataOf
    matchers: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """Every app of the catalogue, and the digest of the files they were read from."""

    apps: tuple[KnownApp, ...]
    digest: str


def read(folder: Path = FOLDER) -> Contents:
    """Return what the files hold; CatalogueError for the first thing that is wrong with them."""
    apps: dict[str, KnownApp] = {}
    owners: dict[tuple[Platform, MatcherKind, str], str] = {}
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.toml")):
        content = file.read_bytes()
        digest.update(file.name.encode() + b"\0" + content + b"\0")
        for app in _apps(file.name, _parsed(file.name, content)):
            if app.code in apps:
                raise CatalogueError(f"{file.name}: {app.code}: there are two apps of this code")
            apps[app.code] = app
            _claim(file.name, app, owners)
    return Contents(tuple(apps.values()), digest.hexdigest())


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CatalogueError(f"{name}: {problem}") from None


def _apps(name: str, table: Mapping[str, Any]) -> Iterator[KnownApp]:
    _check_keys(name, table, required=_FILE_KEYS)
    category = _word(name, "category", AppCategory, table["category"])
    usual = _word(name, "data_of", DataOf, table["data_of"])
    if not isinstance(table["app"], list) or not table["app"]:
        raise CatalogueError(f"{name}: app: there must be at least one [[app]]")
    for entry in table["app"]:
        yield _app(name, entry, category, usual)


def _app(name: str, entry: Any, category: AppCategory, usual: DataOf) -> KnownApp:
    if not isinstance(entry, dict):
        raise CatalogueError(f"{name}: app: must be a table")
    where = f"{name}: {entry.get('code')}"
    _check_keys(where, entry, required=frozenset({"code", "name"}), optional=_OPTIONAL)
    code, title = entry["code"], entry["name"]
    if not isinstance(code, str) or not code or set(code) - _LETTERS or len(code) > 60:
        raise CatalogueError(f"{where}: code: up to 60 small letters, digits and hyphens")
    if not isinstance(title, str) or not 0 < len(title) <= 120:
        raise CatalogueError(f"{where}: name: must be a text of at most 120 letters")
    data_of = _word(where, "data_of", DataOf, entry.get("data_of", usual))
    return KnownApp(code, title, category, data_of, tuple(_marks(where, entry)))


def _marks(where: str, entry: Mapping[str, Any]) -> list[Mark]:
    marks = []
    for platform in Platform:
        kinds = entry.get(platform, {})
        if not isinstance(kinds, dict):
            raise CatalogueError(f"{where}: {platform}: must be a table of kinds")
        for key, values in kinds.items():
            kind = _word(where, platform, MatcherKind, key)
            marks += [(platform, kind, value) for value in _values(where, platform, kind, values)]
    if not marks:
        raise CatalogueError(f"{where}: an app needs at least one mark")
    if signer_alone(marks):
        raise CatalogueError(f"{where}: signer: needs a program of the same platform beside it")
    return marks


def _values(where: str, platform: Platform, kind: MatcherKind, values: Any) -> Iterator[str]:
    if not isinstance(values, list) or not values:
        raise CatalogueError(f"{where}: {platform}.{kind}: must be a list of texts")
    for value in values:
        if not isinstance(value, str):
            raise CatalogueError(f"{where}: {platform}.{kind}: must be a list of texts")
        if wrong := misfit(platform, kind, value):
            raise CatalogueError(f"{where}: {platform}.{kind}: {value!r}: {WORDS[wrong]}")
        yield value


def _claim(name: str, app: KnownApp, owners: dict[tuple[Platform, MatcherKind, str], str]) -> None:
    """Note whose each mark is; a signer may stand with many apps, any other mark with one."""
    for platform, kind, value in app.matchers:
        key = (platform, kind, same(kind, value))
        owner = owners.setdefault(key, app.code)
        if owner != app.code and kind is not MatcherKind.SIGNER:
            raise CatalogueError(f"{name}: {app.code}: {value!r} is a mark of {owner} already")
    keys = [(platform, kind, same(kind, value)) for platform, kind, value in app.matchers]
    if len(set(keys)) < len(keys):
        raise CatalogueError(f"{name}: {app.code}: one of its marks is there twice")


def _check_keys(
    where: str,
    table: Mapping[str, Any],
    *,
    required: frozenset[str],
    optional: frozenset[str] = frozenset(),
) -> None:
    for key in sorted(set(table) - required - optional):
        raise CatalogueError(f"{where}: {key}: there is no such key")
    for key in sorted(required - set(table)):
        raise CatalogueError(f"{where}: {key}: is missing")


def _word(where: str, key: str, words: type[Word], value: Any) -> Word:
    known = {word.value: word for word in words}
    if not isinstance(value, str) or value not in known:
        raise CatalogueError(f"{where}: {key}: {value!r} is none of {', '.join(known)}")
    return known[value]
