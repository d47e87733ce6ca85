"""What people read: the status line, the decision table, why something is not recorded. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sayso_agent.fields import SHAPES
from sayso_agent.policy import Policy
from sayso_agent.words import plain, printable

Recordable = Iterable[tuple[str, str, tuple[str, ...]]]


def clock_time(seconds: float) -> str:
    """Return a moment as hours and minutes of this machine's time zone."""
    return datetime.fromtimestamp(seconds, tz=UTC).astimezone().strftime("%H:%M")


def status_line(recordable: Recordable, apps: Mapping[str, str], until: float, why_not: str) -> str:
    """Return the one line that says what is recorded now, or why nothing is."""
    by_signals: dict[tuple[str, ...], list[str]] = {}
    for app, signals in sorted(_merged(recordable).items()):
        by_signals.setdefault(tuple(sorted(signals)), []).append(app)
    if not by_signals:
        return f"not recording: {plain(why_not)}"
    parts = [
        f"{', '.join(signals)} in {', '.join(printable(apps.get(app, app)) for app in found)}"
        for signals, found in by_signals.items()
    ]
    return f"recording {'; '.join(parts)} · until {clock_time(until)}"


def _merged(recordable: Recordable) -> dict[str, set[str]]:
    merged: dict[str, set[str]] = {}
    for _purpose, app, signals in recordable:
        merged.setdefault(app, set()).update(signals)
    return merged


def decisions(policy: Policy) -> list[dict[str, Any]]:
    """Return one decision per purpose, app and signal that the policy speaks of."""
    rows = []
    for purpose in policy.purposes():
        for app in sorted(policy.apps):
            for signal in sorted(_signals(policy, purpose, app)):
                reasons = _reasons(policy, purpose, app, signal)
                rows.append(
                    {
                        "purpose": purpose,
                        "app": app,
                        "signal": signal,
                        "decision": "deny" if reasons else "allow",
                        "reasons": list(reasons),
                    }
                )
    return rows


def _reasons(policy: Policy, purpose: str, app: str, signal: str) -> tuple[str, ...]:
    """Return why this agent does not record it: by the policy, or as it could not mask it."""
    return policy.reasons(purpose, app, signal) or (() if signal in SHAPES else ("cannot_redact",))


def _signals(policy: Policy, purpose: str, app: str) -> set[str]:
    named = set(policy.allow.get((purpose, app), frozenset()))
    for denial in policy.deny:
        if denial.purpose in {"", purpose} and (not denial.apps or app in denial.apps):
            named |= denial.signals
    return named


def table(policy: Policy) -> str:
    """Return the decisions as lines of text, grouped where the answer is the same."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for row in decisions(policy):
        key = row["purpose"], row["app"], tuple(row["reasons"])
        groups.setdefault(key, []).append(row["signal"])
    lines = []
    for (purpose, app, reasons), signals in groups.items():
        name = printable(policy.apps[app].name)
        what = f"{purpose} · {name} ({app}): {', '.join(signals)}"
        answer = f"no: {'; '.join(plain(reason) for reason in reasons)}" if reasons else "yes"
        lines.append(f"{what}: {answer}")
    reasons = policy.default_reasons or ("not_allowed",)
    lines.append(f"everything else: no: {'; '.join(plain(reason) for reason in reasons)}")
    return "\n".join(lines)


def explanation(
    policy: Policy, app: str, signal: str, *, at: float, override: str = "", stopped: str = ""
) -> tuple[bool, list[str]]:
    """Return whether a signal may be recorded in an app, and a line for each purpose.

    `app` is a code or a name, `at` the present moment by the portal's clock. `override` is a reason
    that stands above the policy, such as a pause on this machine or a lease that has ended;
    `stopped` is why the agent that runs records nothing at all, whatever the policy allows.
    """
    code = next((c for c, a in policy.apps.items() if app.casefold() in _names(c, a.name)), app)
    name = printable(policy.apps[code].name) if code in policy.apps else printable(app)
    if override:
        return False, [f"{name} · {printable(signal)}: no: {plain(override)}"]
    allowed, lines = False, []
    for purpose in policy.purposes() or ("",):
        reasons = _reasons(policy, purpose, code, signal)
        if not reasons and not policy.in_hours(purpose, at):
            reasons = ("outside_work_hours",)
        if not reasons and stopped:
            reasons = (stopped,)
        allowed = allowed or not reasons
        said = f"no: {'; '.join(plain(reason) for reason in reasons)}"
        answer = said if reasons else f"yes, until {clock_time(_until(policy, purpose))}"
        lines.append(f"{name} · {printable(signal)}{' · ' * bool(purpose)}{purpose}: {answer}")
    return allowed, lines


def _until(policy: Policy, purpose: str) -> float:
    """Return when a yes ends by itself: with the lease, or with working hours."""
    ends = [hours.until for hours in policy.schedule if hours.purpose == purpose]
    return float(min([policy.lease_until, *ends]))


def _names(code: str, name: str) -> set[str]:
    return {code.casefold(), name.casefold()}
