"""The parts of a policy: each as a value, and how it is read from the document. Pure.

A part that is missing or odd refuses the whole policy (PolicyRefusedError), save where it says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sayso_agent.errors import PolicyRefusedError
from sayso_agent.marks import Matcher
from sayso_agent.matching import App, readable
from sayso_agent.reading import CODE, code, listed, malformed, mapping, number, text, texts
from sayso_agent.words import SHOWS_BYSTANDERS, SHOWS_OTHER_WINDOWS, SITUATIONS

_NEEDED: Final = frozenset({"batch_bytes", "batch_seconds"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one batch may be, how fast batches may leave, and how long events may wait."""

    batch_bytes: int = 5_000_000
    batch_seconds: int = 900
    bytes_per_second: int = 500_000
    spool_seconds: int = 72 * 3600


@dataclass(frozen=True, slots=True)
class Denial:
    """One line of the policy's `deny` part. An empty field means all."""

    purpose: str
    apps: frozenset[str]
    signals: frozenset[str]
    reasons: tuple[str, ...]

    def covers(self, purpose: str, app: str, signal: str) -> bool:
        """Return whether this line speaks of the given case."""
        return (
            (not self.purpose or self.purpose == purpose)
            and (not self.apps or app in self.apps)
            and (not self.signals or signal in self.signals)
        )


@dataclass(frozen=True, slots=True)
class Never:
    """What this policy closes beyond what is built in."""

    categories: frozenset[str]
    signals: frozenset[str]
    matchers: tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """The stretch of working hours that is, or comes next, for one purpose; half-open."""

    purpose: str
    since: int
    until: int

    def cover(self, moment: float) -> bool:
        """Return whether a moment, by the portal's clock, lies within."""
        return self.since <= moment < self.until


@dataclass(frozen=True, slots=True)
class Strikes:
    """Intervals that the person had forgotten, in the portal's seconds, half-open."""

    intervals: tuple[tuple[int, int], ...] = ()

    def cover(self, stamp: float) -> bool:
        """Return whether what was captured at that moment must go."""
        return any(since <= stamp < until for since, until in self.intervals)

    def side(self, stamp: float) -> int:
        """Return how many strikes lie before a moment: a batch may not reach over one."""
        return sum(until <= stamp for _, until in self.intervals)


def read_apps(payload: Mapping[str, Any]) -> dict[str, App]:
    """Return the apps that can be recognised, by code; being here allows nothing."""
    apps = {}
    for name, entry in mapping(payload, "apps").items():
        if not CODE.fullmatch(name) or not isinstance(entry, dict):
            raise malformed("apps")
        matchers = tuple(m for line in listed(entry, "matchers") for m in _matchers(line))
        category = text(entry, "category")
        apps[name] = App(name, text(entry, "name"), category, matchers)
    return apps


def _matchers(source: Mapping[str, Any]) -> Iterator[Matcher]:
    """Read one entry: one mark as `value`, or several that differ in nothing else as `values`."""
    app = code(source, "app") if "app" in source else ""
    platform, kind = text(source, "platform"), text(source, "kind")
    if ("value" in source) == ("values" in source):
        raise malformed("matchers")
    values = texts(source, "values") if "values" in source else (text(source, "value"),)
    if not values or "" in values:
        raise malformed("values")
    yield from (Matcher(platform, kind, value, app) for value in values)


def read_allow(payload: Mapping[str, Any]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the signals allowed for each purpose and app; several entries for one add up."""
    allow: dict[tuple[str, str], frozenset[str]] = {}
    for entry in listed(payload, "allow"):
        pair = code(entry, "purpose"), code(entry, "app")
        allow[pair] = allow.get(pair, frozenset()) | frozenset(texts(entry, "signals"))
    return allow


def read_deny(payload: Mapping[str, Any]) -> tuple[Denial, ...]:
    """Return what is denied whatever is allowed, and why."""
    return tuple(_denial(entry) for entry in listed(payload, "deny"))


def _denial(entry: Mapping[str, Any]) -> Denial:
    """Read one denial; what it leaves out, it denies for all."""
    return Denial(
        purpose=code(entry, "purpose") if "purpose" in entry else "",
        apps=frozenset(texts(entry, "apps")) if "apps" in entry else frozenset(),
        signals=frozenset(texts(entry, "signals")) if "signals" in entry else frozenset(),
        reasons=texts(entry, "reasons"),
    )


def read_never(payload: Mapping[str, Any]) -> Never:
    """Return what is closed; a matcher that is not understood might close anything: it refuses."""
    source = mapping(payload, "never")
    matchers = tuple(m for entry in listed(source, "matchers") for m in _matchers(entry))
    if not readable(matchers):
        raise PolicyRefusedError("policy_not_understood", "`never` holds an unknown matcher")
    return Never(
        categories=frozenset(texts(source, "categories")),
        signals=frozenset(texts(source, "signals")),
        matchers=matchers,
    )


def read_schedule(payload: Mapping[str, Any]) -> tuple[Hours, ...]:
    """Read working hours; what they say beyond what we know could be a bound, so it refuses."""
    if "schedule" not in payload:
        return ()
    return tuple(_hours(entry) for entry in listed(payload, "schedule"))


def _hours(entry: Mapping[str, Any]) -> Hours:
    if set(entry) != {"purpose", "from", "until"}:
        raise PolicyRefusedError("policy_not_understood", "`schedule` says more than is known")
    return Hours(code(entry, "purpose"), number(entry, "from"), number(entry, "until"))


def read_limits(payload: Mapping[str, Any]) -> Limits:
    """Return the limits, the built-in ones where none are given; never larger than those x 10."""
    source = payload.get("limits")
    if source is None:
        return Limits()
    if not isinstance(source, dict):
        raise malformed("limits")
    usual = asdict(Limits())
    given = {name: number(source, name) for name in usual if name in source or name in _NEEDED}
    if not all(given.values()):
        raise malformed("limits")
    return Limits(**{name: min(value, 10 * usual[name]) for name, value in given.items()})


def read_strikes(payload: Mapping[str, Any]) -> Strikes:
    """Return the strikes; one that cannot be read might cover anything, so it refuses all."""
    entries = listed(payload, "strikes")
    return Strikes(tuple((number(entry, "from"), number(entry, "until")) for entry in entries))


def read_every_visible_for(payload: Mapping[str, Any]) -> frozenset[str]:
    """Return the signals that show other windows, and what the policy adds; it takes none away."""
    said = texts(mapping(payload, "windows"), "every_visible_for")
    return SHOWS_OTHER_WINDOWS | frozenset(said)


def read_bystanders(payload: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return what is off in which situation: what is built in, and what the policy adds to it."""
    said = mapping(payload, "bystanders")
    names = dict.fromkeys([*SITUATIONS, *said])
    built_in = dict.fromkeys(SITUATIONS, SHOWS_BYSTANDERS)
    return {
        name: built_in.get(name, frozenset()) | frozenset(texts(said, name) if name in said else ())
        for name in names
    }


def read_profiles(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return how each signal must be masked; what to do without a profile must be to deny."""
    redaction = mapping(payload, "redaction")
    if redaction.get("without") != "deny":
        raise PolicyRefusedError("policy_not_understood", "without a profile it does not deny")
    profiles = mapping(redaction, "profiles")
    return {signal: text(profiles, signal) for signal in profiles}


def read_uploads(payload: Mapping[str, Any]) -> frozenset[str]:
    """Return the origins besides the portal's where bytes may go; none where none are named."""
    return frozenset(texts(payload, "uploads")) if "uploads" in payload else frozenset()
