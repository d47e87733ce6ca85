"""The apps an agent is told of: those asked for, and what a window of theirs may be mistaken for.

An app that is not told is unknown to the agent, which denies: nothing of it was asked for, so the
answer is the same. But an app also takes windows away from others, because its mark fits a page
more closely or fits as well as theirs. So whatever may fit a window together with one that is asked
for is told too (ADR 25). Reads no database: a cohort's document in.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from consent.policy.matching import parents
from consent.policy.types import MatcherKind
from consent.selectors.never import is_closed

Shared = Mapping[str, Any]
"""One app of a cohort's document."""
Marks = list[dict[str, Any]]

_DOMAIN: Final = MatcherKind.DOMAIN.value
_SIGNER: Final = MatcherKind.SIGNER.value


def asked_for(shared: Mapping[str, Any]) -> frozenset[str]:
    """Return the apps of which some purpose of a document asks for something."""
    return frozenset(app for one in shared["purposes"].values() for app in one["allowlist"])


def recognised(apps: Mapping[str, Shared], *, asked: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return a policy's `apps`: what its agent must recognise, with all marks of each."""
    marks = {code: app["matchers"] for code, app in apps.items() if not is_closed(app)}
    wanted = [marks[code] for code in marks if code in asked]
    hosts, programs = _Hosts(wanted), _Programs(wanted)
    return {
        code: {"name": apps[code]["name"], "category": apps[code]["category"], "matchers": known}
        for code, known in marks.items()
        if code in asked or hosts.may_be(known) or programs.may_be(known)
    }


class _Hosts:
    """Which hosts the domain marks of some apps fit."""

    def __init__(self, apps: Iterable[Marks]) -> None:
        self._patterns = {m["value"] for marks in apps for m in marks if m["kind"] == _DOMAIN}

    def may_be(self, marks: Marks) -> bool:
        """Return whether one of these marks fits some of the apps' hosts, and more closely.

        One that fits more hosts than theirs never takes any away: the closest mark counts.
        """
        return any(
            not self._patterns.isdisjoint(parents(mark["value"]))
            for mark in marks
            if mark["kind"] == _DOMAIN
        )


class _Programs:
    """Which programs the other marks of some apps fit, by the signers that they ask for."""

    def __init__(self, apps: Iterable[Marks]) -> None:
        self._known: dict[tuple[str, frozenset[str]], dict[str, set[str]]] = {}
        for marks in apps:
            for mark, signers in _programs(marks):
                kinds = self._known.setdefault((mark["platform"], signers), {})
                kinds.setdefault(mark["kind"], set()).add(mark["value"].casefold())

    def may_be(self, marks: Marks) -> bool:
        """Return whether some window fits one of these marks and one of the apps'.

        Marks of two kinds may both fit one window, unless no signer would do for both; two of one
        kind only where they are the same.
        """
        return any(
            _fit_together(mark, kinds)
            for mark, signed in _programs(marks)
            for (platform, signers), kinds in self._known.items()
            if platform == mark["platform"] and (not signed or not signers or signed & signers)
        )


def _fit_together(mark: Mapping[str, Any], kinds: Mapping[str, Collection[str]]) -> bool:
    kind = mark["kind"]
    return any(other != kind for other in kinds) or mark["value"].casefold() in kinds[kind]


def _programs(marks: Marks) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield the marks of programs, each with the signers that its app asks for beside it."""
    signers: dict[str, set[str]] = {}
    for mark in marks:
        if mark["kind"] == _SIGNER:
            signers.setdefault(mark["platform"], set()).add(mark["value"].casefold())
    for mark in marks:
        if mark["kind"] not in {_DOMAIN, _SIGNER}:
            yield mark, frozenset(signers.get(mark["platform"], ()))
