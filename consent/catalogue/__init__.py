"""The catalogue of known apps and domains that ships with the product. Pure; read once.

It registers nothing and allows nothing. It proposes what an app is when somebody registers one,
and it knows marks that are never captured, whether anybody registered them or not. The files beside
this module, one a category, are for people to read, review and correct.
"""

from dataclasses import dataclass, field
from functools import cache

from consent.catalogue.reading import CatalogueError, KnownApp, read
from consent.policy.matching import Mark, closed_by, parents, same
from consent.policy.types import NEVER_CATEGORIES, MatcherKind, Platform

__all__ = [
    "CatalogueError",
    "KnownApp",
    "catalogue_digest",
    "known_app",
    "known_apps",
    "never_app",
    "never_matchers",
]


@dataclass(frozen=True, slots=True)
class _Index:
    apps: tuple[KnownApp, ...]
    digest: str
    marks: dict[tuple[Platform, MatcherKind, str], KnownApp] = field(default_factory=dict)
    never: dict[tuple[MatcherKind, str], KnownApp] = field(default_factory=dict)


@cache
def _index() -> _Index:
    contents = read()
    index = _Index(contents.apps, contents.digest)
    for app in contents.apps:
        for platform, kind, value in app.matchers:
            if kind is MatcherKind.SIGNER:  # it signs many apps and names none
                continue
            index.marks[platform, kind, value.casefold()] = app
            if app.category in NEVER_CATEGORIES:
                index.never[kind, same(kind, value)] = app
    return index


def known_apps() -> tuple[KnownApp, ...]:
    """Return every app of the catalogue, category by category."""
    return _index().apps


def catalogue_digest() -> str:
    """Return the SHA-256 of the catalogue's files."""
    return _index().digest


def known_app(platform: Platform, kind: MatcherKind, value: str) -> KnownApp | None:
    """Return the app that a mark belongs to, of several the narrowest; None where none is known.

    A host belongs to the app that takes it in: `payroll.workday.com` to `*.workday.com`.
    """
    if kind is MatcherKind.DOMAIN:
        found = (_index().marks.get((platform, kind, wider)) for wider in parents(value))
        return next((app for app in found if app), None)
    return _index().marks.get((platform, kind, value.casefold()))


def never_app(kind: MatcherKind, value: str) -> KnownApp | None:
    """Return the app, never captured, that takes in a mark wholly, read as agents read `never`."""
    if kind is MatcherKind.DOMAIN:
        found = (_index().never.get((kind, wider)) for wider in closed_by(value))
        return next((app for app in found if app), None)
    return _index().never.get((kind, same(kind, value)))


@cache
def never_matchers() -> tuple[Mark, ...]:
    """Return every mark of an app that is never captured, sorted, without signers."""
    return tuple(
        sorted(
            mark
            for app in known_apps()
            if app.category in NEVER_CATEGORIES
            for mark in app.matchers
            if mark[1] is not MatcherKind.SIGNER
        )
    )
