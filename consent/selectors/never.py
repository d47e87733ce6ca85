"""What a policy tells an agent to drop unseen: the registry's part, and the catalogue's.

Where nothing is allowed nothing is captured, so a mark of the catalogue matters only beside an app
that is: marks of programs on the agent's own platform where a program may be recorded there, hosts
where pages may be. Of the registry everything is told. Reads no database: a cohort's document in.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from consent import catalogue
from consent.policy.matching import closed_by, same
from consent.policy.types import NEVER_CATEGORIES, AppCategory, MatcherKind, Platform

Shared = Mapping[str, Any]
"""One app of a cohort's document."""

NATIVE: Final = frozenset(Platform) - {Platform.WEB}


def is_closed(app: Shared) -> bool:
    """Return whether an app is captured for nobody: its category says so, or a report does."""
    return app["blocked"] or AppCategory(app["category"]) in NEVER_CATEGORIES


def never_matchers(
    apps: Mapping[str, Shared], *, allowed: Collection[str], platform: str | None
) -> list[dict[str, Any]]:
    """Return the entries of a policy's `never.matchers`, all marks of a kind in one.

    A signer is no part of them: by itself it would close everything its vendor ever made, and
    beside a program it could only open what the program's own mark closes.
    """
    return never_on(apps, reachable(apps, allowed=allowed, platform=platform))


def never_on(apps: Mapping[str, Shared], platforms: frozenset[Platform]) -> list[dict[str, Any]]:
    """Return the entries for an agent that may record windows on these platforms."""
    registered = (
        (Platform(mark["platform"]), MatcherKind(mark["kind"]), mark["value"])
        for app in apps.values()
        if is_closed(app)
        for mark in app["matchers"]
        if mark["kind"] != MatcherKind.SIGNER
    )
    found: dict[tuple[Platform, MatcherKind], dict[str, None]] = {}
    for platform, kind, value in chain(registered, _catalogued(platforms, _let_out(apps.values()))):
        found.setdefault((platform, kind), {})[value] = None
    return [
        {"platform": platform.value, "kind": kind.value, "values": list(values)}
        for (platform, kind), values in sorted(found.items())
    ]


def reachable(
    apps: Mapping[str, Shared], *, allowed: Collection[str], platform: str | None
) -> frozenset[Platform]:
    """Return the platforms on which an agent may record any window at all."""
    return _reachable([apps[code] for code in allowed if code in apps], platform)


def _reachable(allowed: Iterable[Shared], platform: str | None) -> frozenset[Platform]:
    own = NATIVE if platform is None else {Platform(platform)} & NATIVE
    found: set[Platform] = set()
    for app in allowed:
        here = {Platform(mark["platform"]) for mark in app["matchers"]}
        found |= here & (own | {Platform.WEB})
        if app["category"] == AppCategory.BROWSER and here & own:
            found.add(Platform.WEB)
    return frozenset(found)


def _let_out(apps: Iterable[Shared]) -> frozenset[tuple[MatcherKind, str]]:
    """Return the marks of the catalogue that all who must agree have let a standing app out of."""
    marks = (
        mark for app in apps if not is_closed(app) for mark in app.get("despite_catalogue", ())
    )
    return frozenset(
        (kind, wider) for mark in marks for kind, wider in _wider(mark["kind"], mark["value"])
    )


def _wider(kind: str, value: str) -> Iterator[tuple[MatcherKind, str]]:
    known = MatcherKind(kind)
    if known is MatcherKind.DOMAIN:
        yield from ((known, pattern) for pattern in closed_by(value))
    else:
        yield known, same(known, value)


def _catalogued(
    platforms: frozenset[Platform], let_out: frozenset[tuple[MatcherKind, str]]
) -> Iterator[tuple[Platform, MatcherKind, str]]:
    """Yield the catalogue's marks on these platforms."""
    for platform, kind, value in catalogue.never_matchers():
        if platform in platforms and (kind, same(kind, value)) not in let_out:
            yield platform, kind, value
