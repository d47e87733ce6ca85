"""From what is known of a window to the app it shows, or why that cannot be said. Pure.

`never` is looked at first and by itself suffices: one fact that fits is enough. To be an app
that may be recorded, every condition must fit: where an app lists signers for a platform the
window must carry one of them, and in a browser only the page's host counts.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sayso_agent.words import CATEGORIES, NEVER_CATEGORIES

NATIVE_KINDS: Final = ("bundle_id", "executable", "aumid")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """What a recorder knows of a window. An empty fact is an unknown one.

    `aliases` are further host names of the same page; only `never` looks at them. `hint` is the
    app's code as the person who started the agent told it, used where nothing else is known.
    """

    platform: str = ""
    bundle_id: str = ""
    executable: str = ""
    signer: str = ""
    aumid: str = ""
    host: str = ""
    private: bool = False
    aliases: tuple[str, ...] = ()
    hint: str = ""

    def known(self) -> bool:
        """Return whether anything but the hint is known."""
        return any((self.bundle_id, self.executable, self.signer, self.aumid, self.host))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One line of a policy that recognises a window."""

    platform: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class App:
    """An app as the policy names it."""

    code: str
    name: str
    category: str
    matchers: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class NoApp:
    """Why a window is no app that may be recorded."""

    reason: str


def normal_host(host: str) -> str:
    """Return a host name in the one spelling we compare, or "" where it is none."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name.partition("]")[0].removeprefix("[")
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
    labels = name.split(".")
    fits = len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return name if fits else ""


def normal_executable(path: str) -> str:
    """Return a program's file name in lower case, whatever folder it was started from."""
    return re.split(r"[/\\]", path.strip())[-1].lower()


def host_fit(pattern: str, host: str) -> int:
    """Return how closely a domain pattern fits: 0 not at all, a longer and exact one more.

    "*.example.com" covers the hosts below example.com and not example.com itself. A wildcard
    over a whole top-level domain fits nothing.
    """
    if pattern.startswith("*."):
        parent = normal_host(pattern[2:])
        if "." not in parent or not host.endswith("." + parent):
            return 0
        return 2 * len(parent)
    return 2 * len(host) + 1 if host and normal_host(pattern) == host else 0


def find_app(
    facts: WindowFacts,
    apps: Mapping[str, App],
    never: Iterable[Matcher],
    *,
    never_categories: frozenset[str] = frozenset(),
) -> App | NoApp:
    """Return the one app the window shows; NoApp for `never`, for none and for more than one."""
    if facts.private:
        return NoApp("private_window")
    closed = NEVER_CATEGORIES | never_categories
    if any(_never_fits(matcher, facts) for matcher in never):
        return NoApp("never")
    fits = [(_fit(app, facts), app) for app in apps.values()]
    if any(_never_fits(matcher, facts) for matcher in _forbidden(apps, closed)):
        return NoApp("never")
    found = [(fit, app) for fit, app in fits if fit]
    if not found:
        return _by_hint(facts, apps, closed)
    closest = max(fit for fit, _ in found)
    best = [app for fit, app in found if fit == closest]
    return _usable(best[0], facts, closed) if len(best) == 1 else NoApp("ambiguous_app")


def _forbidden(apps: Mapping[str, App], closed: frozenset[str]) -> Iterable[Matcher]:
    """Yield the matchers of apps of closed categories; a signer alone names no single app."""
    for app in apps.values():
        if app.category in closed:
            yield from (matcher for matcher in app.matchers if matcher.kind != "signer")


def _by_hint(facts: WindowFacts, apps: Mapping[str, App], closed: frozenset[str]) -> App | NoApp:
    """Use what the person told only where the recorder knows nothing at all."""
    if facts.known():
        return NoApp("app_not_allowlisted")
    if not facts.hint:
        return NoApp("window_unknown")
    app = apps.get(facts.hint)
    if app is None:
        return NoApp("app_not_allowlisted")
    if app.category in closed:
        return NoApp("never")
    return app if app.category in CATEGORIES else NoApp("unknown_category")


def _usable(app: App, facts: WindowFacts, closed: frozenset[str]) -> App | NoApp:
    if app.category in closed:
        return NoApp("never")
    if app.category not in CATEGORIES:
        return NoApp("unknown_category")
    if app.category == "browser" and not facts.host:
        # Allowing a browser as such would allow every page in it, the sick-leave form too.
        return NoApp("page_unknown")
    return app


def _fit(app: App, facts: WindowFacts) -> int:
    """Return how closely an app fits the facts; 0 means not at all."""
    if facts.host:
        host = normal_host(facts.host)
        return max((host_fit(m.value, host) for m in app.matchers if _on_web(m, facts)), default=0)
    here = [m for m in app.matchers if m.platform == facts.platform]
    signers = {m.value.casefold() for m in here if m.kind == "signer"}
    if signers and facts.signer.casefold() not in signers:
        return 0
    return 1 if any(m.kind in NATIVE_KINDS and _same(m, facts) for m in here) else 0


def _on_web(matcher: Matcher, facts: WindowFacts) -> bool:
    return matcher.kind == "domain" and matcher.platform in {"web", facts.platform}


def _same(matcher: Matcher, facts: WindowFacts) -> bool:
    fact = _fact(matcher.kind, facts)
    if not fact:
        return False
    if matcher.kind == "executable":
        return normal_executable(matcher.value) == normal_executable(fact)
    return matcher.value.strip().casefold() == fact.strip().casefold()


def _fact(kind: str, facts: WindowFacts) -> str:
    match kind:
        case "bundle_id":
            return facts.bundle_id
        case "executable":
            return facts.executable
        case "signer":
            return facts.signer
        case "aumid":
            return facts.aumid
        case _:
            return ""


def _never_fits(matcher: Matcher, facts: WindowFacts) -> bool:
    """The generous reading: any platform's spelling, the parent domain too."""
    if matcher.kind == "domain":
        hosts = [normal_host(host) for host in (facts.host, *facts.aliases) if host]
        parent = normal_host(matcher.value.removeprefix("*."))
        under = matcher.value.startswith("*.")
        return bool(parent) and any(
            host == parent or (under and host.endswith("." + parent)) for host in hosts
        )
    if matcher.kind == "executable" and facts.executable:
        return _bare(matcher.value) == _bare(facts.executable)
    return _same(matcher, facts)


def _bare(path: str) -> str:
    return normal_executable(path).removesuffix(".exe").removesuffix(".app")
