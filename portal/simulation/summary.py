"""What a run came to: figures, and the same as a table to read. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from portal.simulation.clicks import Click
from portal.simulation.fleet import Fleet

PARTS: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Spread:
    """How many there are, and what half, 95 and 99 in a hundred, and all stay within, in ms."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """Return the spread; no figures where there is nothing."""
        known = sorted(seconds)
        if not known:
            return cls(0, None, None, None, None)
        found = {
            name: round(known[max(math.ceil(part * len(known)) - 1, 0)] * 1000, 1)
            for name, part in PARTS.items()
        }
        return cls(len(known), **found)


@dataclass(frozen=True)
class Summary:
    """The figures of a run."""

    agents: int
    connected: int
    connecting_seconds: float
    seconds: float
    interrupted: bool
    polls: int
    polls_per_second: float
    answers: dict[str, int]
    share_304: float
    reconnects: int
    acknowledged: int
    errors: dict[str, int]
    withdrawals: int
    stop_after_click_ms: Spread
    stop_after_commit_ms: Spread
    commit_is_exact: bool
    not_stopped: int
    """People whose withdrawal was committed and whose agent captured to the end of the run."""
    not_committed: int
    """Taps that were answered as done, of which the database knows nothing."""
    stale_answers: int
    """Answers that allowed although they were asked for after the tap was answered."""
    leases_ended: int
    confirmed_ago_ms: Spread

    @property
    def sound(self) -> bool:
        """Return whether everybody who stopped was stopped, and no answer was stale."""
        return not (self.stale_answers or self.not_stopped or self.not_committed)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON knows them."""
        return {**asdict(self), "sound": self.sound}


def summarise(fleet: Fleet, *, exact: bool, interrupted: bool) -> Summary:
    """Return what the run came to; the commits of its clicks are known by now."""
    course, counts = fleet.course, fleet.course.counts
    since = course.began or course.ended
    seconds = course.ended - since
    done = [click for click in course.clicks if not click.error]
    answers = sum(counts.answers.values())
    errors = dict(counts.errors)
    for click in course.clicks:
        if click.error:
            errors[f"click_{click.error}"] = errors.get(f"click_{click.error}", 0) + 1
    return Summary(
        agents=len(course.agents),
        connected=course.connected,
        connecting_seconds=round(course.connecting_seconds, 1),
        seconds=round(seconds, 1),
        interrupted=interrupted,
        polls=counts.polls,
        polls_per_second=round((counts.polls - course.polls_at_start) / seconds, 1)
        if seconds
        else 0.0,
        answers={str(status): n for status, n in sorted(counts.answers.items())},
        share_304=round(counts.answers[304] / answers, 4) if answers else 0.0,
        reconnects=sum(max(agent.client.opened - 1, 0) for agent in course.agents),
        acknowledged=counts.acknowledged,
        errors=errors,
        withdrawals=len(done),
        stop_after_click_ms=Spread.of(list(_stops(fleet, done, from_commit=False))),
        stop_after_commit_ms=Spread.of(list(_stops(fleet, done, from_commit=True))),
        commit_is_exact=exact,
        not_stopped=sum(fleet.last_capture(c) is None for c in done if c.committed is not None),
        not_committed=sum(click.committed is None for click in done),
        stale_answers=counts.stale,
        leases_ended=counts.leases_ended,
        confirmed_ago_ms=Spread.of(course.ages),
    )


def _stops(fleet: Fleet, clicks: Sequence[Click], *, from_commit: bool) -> Iterator[float]:
    """Yield how long after the tap, or its commit, the last event would have been captured."""
    for click in clicks:
        last = fleet.last_capture(click)
        since = click.committed if from_commit else click.sent
        if last is not None and since is not None:
            yield max(last - since, 0.0)


def table(found: Summary) -> Iterator[str]:
    """Yield the summary, a line a figure."""
    cut = " (interrupted)" if found.interrupted else ""
    commit = "its commit" if found.commit_is_exact else "its transaction began"
    connected = f"{found.connected:,} of {found.agents:,} connected"
    rows = [
        ("agents", f"{connected} in {found.connecting_seconds:,} s"),
        ("measured for", f"{found.seconds:,} s{cut}"),
        ("polls per second", f"{found.polls_per_second:,}"),
        ("answers", _counted(found.answers) + f" ({found.share_304:.1%} were 304)"),
        ("reconnects", f"{found.reconnects:,}"),
        ("acknowledged", f"{found.acknowledged:,}"),
        ("errors", _counted(found.errors) or "none"),
        ("withdrawals", f"{found.withdrawals:,}"),
        ("last event after the tap", _spread(found.stop_after_click_ms)),
        (f"last event after {commit}", _spread(found.stop_after_commit_ms)),
        ("not stopped", f"{found.not_stopped:,}"),
        ("answered, not committed", f"{found.not_committed:,}"),
        ("stale answers", f"{found.stale_answers:,}"),
        ("leases that ran out", f"{found.leases_ended:,}"),
        ("policy confirmed ago", _spread(found.confirmed_ago_ms)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"{name:<{width}}  {value}"


def _counted(found: dict[str, int]) -> str:
    return ", ".join(f"{name}: {number:,}" for name, number in found.items())


def _spread(found: Spread) -> str:
    if found.p50 is None:
        return "nothing to measure"
    parts = ", ".join(f"{name} {getattr(found, name):,} ms" for name in PARTS)
    return f"{parts} (n = {found.n:,})"
