"""From a recorder's event to the spool, or to a counted reason why not.

Every check happens before anything is written. What may still be judged as a whole, typed text,
waits in memory.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.errors import StorageError
from sayso_agent.event import Event, Skipped
from sayso_agent.fields import NEEDS_TEXT, SHAPES, reduce
from sayso_agent.lease import Instant, Lease
from sayso_agent.matching import App, NoApp, WindowFacts
from sayso_agent.policy import Policy
from sayso_agent.segment import Record, Slot
from sayso_agent.spool import Spool
from sayso_agent.typed_text import Typed, TypedText
from sayso_agent.words import NEVER_SIGNALS, SIGNALS

KEYBOARD: Final = frozenset({"key_meta", "key_timing", "key_content"})
SHOWS_INPUT: Final = NEEDS_TEXT | KEYBOARD
_MOST_WINDOWS: Final = 256


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds now: a policy and its lease."""

    policy: Policy
    lease: Lease

    def slot(self, purpose: str, app: str) -> Slot:
        """Return where events of a purpose and an app go under this policy and lease."""
        limits = self.policy.limits
        return Slot(
            purpose=purpose,
            app=app,
            version=self.policy.version,
            issued_at=self.lease.issued_at,
            until=self.lease.until,
            batch_bytes=limits.batch_bytes,
            batch_seconds=limits.batch_seconds,
        )


class Capture:
    """The pipeline. `rules` is None whenever nothing may be captured."""

    def __init__(
        self, spool: Spool, halted: Callable[[], str], *, own_account: bool = True
    ) -> None:
        self._spool = spool
        self._halted = halted  # why nothing is kept whatever the rules say, "" where it may
        # Whether an event that does not say whose session it is of is of the enrolled person's.
        self._own_account = own_account
        self._typed = TypedText()
        self._pending: dict[Slot, list[Record]] = {}
        self._apps: dict[WindowFacts, App | NoApp] = {}
        self.rules: Rules | None = None
        self.dropped: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()

    def offer(self, item: Event | Skipped, happened: Instant, now: Instant) -> None:
        """Take one item from a recorder: keep what the policy allows, count the rest.

        It `happened` when the agent read it, which is what counts under the lease; the recorder's
        own time moves that backwards only. `now` is when we decide.
        """
        if item.settles:
            self._keep_typed(self._typed.settle(), now)
        if isinstance(item, Skipped):
            self.dropped[item.reason] += 1
            return
        reason = self._take(item, happened, now)
        if reason:
            self.dropped[reason] += 1

    def settle(self, now: Instant) -> None:
        """The input has ended: what was being typed may have been cut off in the middle."""
        self._keep_typed(self._typed.cut(), now)
        self._typed.forget()

    def flush(self) -> None:
        """Write what waits to the spool."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            for slot, records in pending.items():
                self.dropped["too_big"] += self._spool.append(slot, records)
        except StorageError as error:
            self.dropped[error.code] += sum(map(len, pending.values()))
            raise
        finally:
            self.dropped += Counter()  # forget zeros

    def change(self, rules: Rules | None, now: Instant) -> None:
        """Go over to other rules; what waits is kept only where old and new both permit it."""
        if self.rules is not None and rules is not None:
            self._keep_typed(self._typed.cut(), now)
            keeps = rules.policy.keeps
            self.drop_pending(
                lambda slot, r: keeps(slot.purpose, slot.app, r.signal, r.stamp, r.visible)
            )
            self.flush()
        else:
            self.forget()
        self._apps.clear()
        self.rules = rules

    def drop_pending(self, keep: Callable[[Slot, Record], bool]) -> int:
        """Drop from memory what `keep` does not want; return how many events went."""
        before = sum(len(records) for records in self._pending.values())
        for slot, records in self._pending.items():
            self._pending[slot] = [record for record in records if keep(slot, record)]
        return before - sum(len(records) for records in self._pending.values())

    def forget_since(self, moment: Instant) -> int:
        """Drop from memory what was recorded from then on, and all that is being typed."""
        self._typed.forget()
        return self.drop_pending(lambda _slot, record: not record.since(moment))

    def forget(self) -> None:
        """Drop all that is in memory."""
        self._typed.forget()
        self._pending.clear()

    def _take(self, event: Event, happened: Instant, now: Instant) -> str:
        """Keep an event; return the reason if it is not kept."""
        if reason := _unfit(event):
            return reason
        rules = self.rules
        if rules is None:
            return "no_policy"
        if not rules.lease.in_force(now):
            return "lease_ended"
        if reason := self._halted():
            return reason
        app = self._app(rules.policy, event.window)
        if isinstance(app, NoApp):
            return app.reason
        purposes, reason = _purposes(rules.policy, app.code, event.signal)
        visible: tuple[str, ...] = ()
        if purposes and event.signal in rules.policy.every_visible_for:
            beside = self._in_sight(rules.policy, event)
            if beside is None:
                return "visible_unknown"
            visible = tuple(sorted({app.code, *beside}))
            purposes = _permitting(rules.policy, event.signal, purposes, visible)
            reason = "visible_not_allowed"
        if not purposes:
            return reason
        situation = {"call": event.call, "screen_share": event.screen_share}
        if reason := rules.policy.others_object(event.signal, situation):
            return reason
        moment = _moment(event, happened)
        stamp = rules.lease.stamp(moment) if moment else None
        if stamp is None:
            return "outside_lease"
        purposes = [purpose for purpose in purposes if rules.policy.in_hours(purpose, stamp)]
        if not purposes:
            return "outside_work_hours"
        if rules.policy.strikes.cover(stamp):
            return "struck"
        if event.signal == "key_content":
            pieces = self._typed.take(event, app.code, stamp=stamp, read=happened)
            self._keep_typed(pieces, now)
            return ""
        data = reduce(event.signal, event.data)
        if data is None:
            return "bad_event"
        content = _Content(event.signal, app.code, data, stamp, happened, visible)
        self._keep(purposes, content)
        return ""

    def _in_sight(self, policy: Policy, event: Event) -> set[str] | None:
        """Return the apps of all other windows in sight; None where nobody can say which.

        A window that is no app of the policy stands as "", which nothing permits.
        """
        visible = event.visible
        if visible is None and event.signal == "window_title" and event.window.platform == "web":
            visible = ()  # a page's recorder sees its page and nothing beside it
        if visible is None:
            return None
        found = [self._app(policy, window) for window in visible]
        return {"" if isinstance(app, NoApp) else app.code for app in found}

    def _app(self, policy: Policy, window: WindowFacts) -> App | NoApp:
        """Look an app up once per window and policy: pointers move a hundred times a second."""
        if not window.session and not self._own_account:
            return NoApp("session_unknown")
        if window not in self._apps:
            if len(self._apps) >= _MOST_WINDOWS:
                self._apps.clear()
            app = policy.find_app(window)
            unsaid = isinstance(app, App) and window.might_be_private(app.matchers)
            self._apps[window] = NoApp("private_unknown") if unsaid else app
        return self._apps[window]

    def _keep_typed(self, pieces: Iterable[Typed], now: Instant) -> None:
        """Keep finished typed text, if it is still allowed at this moment."""
        for piece in pieces:
            data = reduce("key_content", {"text": piece.text})
            if data is None:
                continue
            rules = self.rules
            halted = self._halted()
            if halted or rules is None or not rules.lease.in_force(now):
                self.dropped[halted or "lease_ended"] += 1
                continue
            purposes, reason = _purposes(rules.policy, piece.app, "key_content")
            if purposes:
                purposes = [one for one in purposes if rules.policy.in_hours(one, piece.stamp)]
                reason = "outside_work_hours"
            if not purposes:
                self.dropped[reason] += 1
                continue
            if rules.policy.strikes.cover(piece.stamp):
                self.dropped["struck"] += 1
                continue
            self._keep(purposes, _Content("key_content", piece.app, data, piece.stamp, piece.read))

    def _keep(self, purposes: list[str], content: "_Content") -> None:
        rules = self.rules
        if rules is None:
            return
        for purpose in purposes:
            slot = rules.slot(purpose, content.app)
            self._pending.setdefault(slot, []).append(content.record())
        self.kept[content.signal] += 1


@dataclass(frozen=True, slots=True)
class _Content:
    """What is kept of one event, for whichever purposes."""

    signal: str
    app: str
    data: dict[str, Any]
    stamp: float
    read: Instant
    visible: tuple[str, ...] = ()

    def record(self) -> Record:
        """Return the line that leaves, and what the spool must know of it."""
        said = {"t": self.stamp, "signal": self.signal, **self.data}
        line = json.dumps(said, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        read = self.read
        seen = (read.wall, self.visible, read.monotonic, read.boot)
        return Record(self.stamp, self.signal, line.encode(), *seen)


def _unfit(event: Event) -> str:
    """Return why no policy at all could let this event through, or ""."""
    if event.signal in NEVER_SIGNALS:
        return "never_signal"
    if event.signal not in SIGNALS:
        return "unknown_signal"
    if event.signal not in SHAPES:
        return "cannot_redact"
    if event.signal in SHOWS_INPUT and event.secure:
        return "secure_input"
    # The rhythm of a password tells of it too: an unknown field is taken for a secret one.
    if event.signal in KEYBOARD and event.secure is None:
        return "field_unknown"
    return ""


def _purposes(policy: Policy, app: str, signal: str) -> tuple[list[str], str]:
    """Return the purposes that permit this, and a reason for where there is none."""
    refusals = {purpose: policy.reasons(purpose, app, signal) for purpose in policy.purposes()}
    permitted = [purpose for purpose, reasons in refusals.items() if not reasons]
    reasons: Iterator[str] = (reason for why in refusals.values() for reason in why)
    return permitted, next(reasons, "not_allowed")


def _permitting(policy: Policy, signal: str, purposes: list[str], apps: Iterable[str]) -> list[str]:
    """Return the purposes for which every one of the apps may be captured."""
    seen = list(apps)
    return [p for p in purposes if all(policy.permits(p, app, signal) for app in seen)]


def _moment(event: Event, happened: Instant) -> Instant | None:
    """Return when an event took place; None if its recorder puts it in the future.

    A recorder's clock ticks in the same machine as ours; a second either way is rounding.
    """
    if event.at is None:
        return happened
    age = happened.wall - event.at
    if not age >= -1.0:  # also for NaN
        return None
    return happened.earlier(max(age, 0.0))
