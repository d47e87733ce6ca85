"""From what is known of a window to the app it shows, or why that cannot be said. Pure.

`never` is looked at first and by itself suffices: one mark that fits is enough, whoever signed the
program. To be an app that may be recorded, every condition must fit: where an app lists signers for
a platform the window must carry one of them, and in a browser only the page's host counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from sayso_agent.marks import (
    NATIVE_KINDS,
    Matcher,
    bare_executable,
    host_closed,
    host_fit,
    normal_executable,
    normal_host,
    signer_alone,
    understood,
)
from sayso_agent.words import CATEGORIES, NEVER_CATEGORIES

OWN_SESSION: Final = frozenset({"", "own"})


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """What a recorder knows of a window. An empty fact is an unknown one.

    `aliases` are further host names of the same page; only `never` looks at them. `session` is
    "own" for a window of the session and user the agent runs for, and "" from a recorder that sees
    no others; any other word denies. `private` is None where nobody says whether the window is a
    private one. `hint` is the app's code as the person who started the agent told it, used where
    nothing else is known.
    """

    platform: str = ""
    bundle_id: str = ""
    executable: str = ""
    signer: str = ""
    aumid: str = ""
    host: str = ""
    private: bool | None = None
    aliases: tuple[str, ...] = ()
    hint: str = ""
    session: str = ""

    def known(self) -> bool:
        """Return whether anything but the hint is known."""
        return any((self.bundle_id, self.executable, self.signer, self.aumid, self.host))

    def might_be_private(self, matchers: Iterable[Matcher] = ()) -> bool:
        """Return whether this is a page, and nobody says that its window is not a private one.

        It is one, too, where the app that it was found to be has pages (`matchers`), and nothing
        that is known of the window says that it is a program.
        """
        page = self.platform == "web" or bool(self.host or self.aliases)
        told = not self.known() and any(matcher.kind == "domain" for matcher in matchers)
        return (page or told) and self.private is None


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


def find_app(
    facts: WindowFacts,
    apps: Mapping[str, App],
    never: Iterable[Matcher],
    *,
    never_categories: frozenset[str] = frozenset(),
) -> App | NoApp:
    """Return the one app the window shows; NoApp for `never`, for none and for more than one."""
    closed = NEVER_CATEGORIES | never_categories
    if reason := _closed(facts, list(never), apps, closed):
        return NoApp(reason)
    found = [(fit, app) for app in apps.values() if (fit := _fit(app, facts))]
    if not found:
        return _by_hint(facts, apps, closed)
    closest = max(fit for fit, _ in found)
    best = [app for fit, app in found if fit == closest]
    return _usable(best[0], facts, closed) if len(best) == 1 else NoApp("ambiguous_app")


def readable(never: Iterable[Matcher]) -> bool:
    """Return whether all that these marks close is understood."""
    listed = list(never)
    return all(map(understood, listed)) and not signer_alone(listed)


def _closed(
    facts: WindowFacts, never: list[Matcher], apps: Mapping[str, App], closed: frozenset[str]
) -> str:
    """Return why this window is recorded under no app whatsoever, or ""."""
    if facts.private:
        return "private_window"
    if facts.session not in OWN_SESSION:
        return "other_session"
    ours = [app.matchers for app in apps.values() if app.category in closed]
    if not all(map(readable, (never, *ours))):
        return "policy_not_understood"
    hosts = [normal_host(host) for host in (facts.host, *facts.aliases) if host]
    if any(_never_fits(matcher, facts, hosts) for matcher in chain(never, *ours)):
        return "never"
    # A further name of the page that cannot be read might be one that is never recorded.
    return "page_unknown" if "" in hosts[bool(facts.host) :] else ""


def _by_hint(facts: WindowFacts, apps: Mapping[str, App], closed: frozenset[str]) -> App | NoApp:
    """Use what the person told only where the recorder knows nothing at all."""
    if facts.known():
        return NoApp("app_not_allowlisted")
    if not facts.hint:
        return NoApp("window_unknown")
    app = apps.get(facts.hint)
    return _usable(app, facts, closed) if app else NoApp("app_not_allowlisted")


def _usable(app: App, facts: WindowFacts, closed: frozenset[str]) -> App | NoApp:
    if app.category in closed:
        return NoApp("never")
    if app.category not in CATEGORIES:
        return NoApp("unknown_category")
    # A mark that is not understood may have been meant to narrow the others.
    if not all(map(understood, app.matchers)) or signer_alone(app.matchers):
        return NoApp("matcher_unknown")
    if app.category == "browser" and not facts.host:
        # Allowing a browser as such would allow every page in it, the sick-leave form too.
        return NoApp("page_unknown")
    return app


def _fit(app: App, facts: WindowFacts) -> int:
    """Return how closely an app fits the facts; 0 means not at all."""
    if facts.host:
        host = normal_host(facts.host)
        domains = (m.value for m in app.matchers if m.kind == "domain")
        return max((host_fit(value, host) for value in domains), default=0)
    here = [m for m in app.matchers if m.platform == facts.platform]
    signers = {m.value.casefold() for m in here if m.kind == "signer"}
    if signers and facts.signer.casefold() not in signers:
        return 0
    return 1 if any(m.kind in NATIVE_KINDS and _same(m, facts) for m in here) else 0


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
        case "aumid":
            return facts.aumid
        case _:
            return ""


def _never_fits(matcher: Matcher, facts: WindowFacts, hosts: list[str]) -> bool:
    """The generous reading: any platform's spelling, a host and all below it, any signer."""
    if matcher.kind == "domain":
        return any(host and host_closed(matcher.value, host) for host in hosts)
    if matcher.kind == "executable" and facts.executable:
        return bare_executable(matcher.value) == bare_executable(facts.executable)
    return _same(matcher, facts)
