"""What the kit plays about time: leases that must end, and what time it is under one."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sayso_agent.conformance.portal import problem
from sayso_agent.conformance.stage import ALLOWED, POLICY, Play, Stage, Told

SHORT: Final = 3
HOUR: Final = 3600
SIGNED_BEFORE: Final = 200
SLOW_BY: Final = 100
ROUNDING: Final = 2.0


def _aged(stage: Stage) -> None:
    """Serve documents that were signed a while before, by a clock that is not the machine's."""
    portal = stage.portal
    portal.now, portal.aged = (lambda: time.time() - SLOW_BY), SIGNED_BEFORE
    stage.begin(allow=ALLOWED)
    since = portal.now()
    stage.event("a click under a document that was signed before", allowed=True)
    until = portal.now() + 1.0
    stage.program.end()
    for event in portal.events():
        if not since - ROUNDING <= event["t"] <= until + ROUNDING:
            off = event["t"] - since
            stage.faults.append(f"wrong: a click carries a time that is off by {off:+.0f} s")


def _dated(stage: Stage) -> None:
    """Date answers before what they bring was signed, as servers do that write dates once a second.

    By more than such a second, so that a slow machine does not hide it.
    """
    portal = stage.portal
    portal.date_lag = 5.0
    stage.begin(allow=ALLOWED)
    stage.event("a click right after the policy came", allowed=True)
    stage.program.end()
    first = min(policy["iat"] for policy in portal.issued.values())
    stage.fault("wrong: a click carries a time from before the policy was issued",
                given=any(event["t"] < first for event in portal.events()))  # fmt: skip
    issued, heard = portal.issued, portal.acknowledgements
    told = [(said["version"], said.get("applied_at")) for said in heard
            if said.get("version") in issued]  # fmt: skip
    stage.fault("wrong: a version acknowledged as of before it was issued",
                given=any(_seconds(str(at)) < issued[of]["iat"] for of, at in told))  # fmt: skip


def _seconds(moment: str) -> float:
    """Return a time that an agent wrote, in Unix seconds; one that is none lies before all."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _lapse(answer: Callable[[Stage], Any], *, ahead: int = 0) -> Play:
    """Return the play of a portal that gives no usable answer until the lease has ended.

    Its clock is `ahead` of the machine's, as where that one was set back, or behind it.
    """
    lease = SHORT + max(-ahead, 0)  # by the machine's clock always as short

    def play(stage: Stage) -> None:
        stage.portal.lease = lease
        stage.portal.now = lambda: time.time() + ahead
        stage.begin(allow=ALLOWED)
        stage.event("a click while the lease runs", allowed=None)
        answer(stage)
        issued = stage.portal.issued.values()
        ends = max((policy["lease_until"] for policy in issued), default=0)
        # Answers are dated in whole seconds: by a monotonic clock alone it may end one later.
        left = ends - time.time() if ahead <= 0 else ends + 1.0 - stage.portal.now()
        time.sleep(max(left + 0.3, 0.0))
        stage.event("a click after the lease", allowed=False)
        time.sleep(0.5)
        stage.portal.always.clear()
        stage.portal.frozen, stage.portal.recovered = False, True
        stage.portal.lease = 900
        stage.decree()
        stage.event("a click under the next policy", allowed=True)

    return play


def _always(status: int, headers: dict[str, str] | None = None) -> Callable[[Stage], None]:
    def answer(stage: Stage) -> None:
        portal = stage.portal
        portal.always[POLICY] = (status, headers or {}, portal.signed(portal.payload()))

    return answer


def _not_modified(stage: Stage) -> None:
    stage.portal.always[POLICY] = (304, {"ETag": f'"{stage.portal.version}"'}, b"")


def _frozen(stage: Stage) -> None:
    stage.portal.frozen = True


def _started_again(stage: Stage) -> None:
    """Start the agent again when its lease has ended and the portal is in trouble."""
    portal = stage.portal
    portal.lease = SHORT
    stage.begin(allow=ALLOWED)
    portal.always[POLICY] = problem(503, "too_busy")
    stage.program.end()
    ends = max(policy["lease_until"] for policy in portal.issued.values())
    time.sleep(max(ends + 0.3 - portal.now(), 0.0))
    stage.program.start()
    stage.asked(1)
    stage.event("a click after the lease, as nothing new came", allowed=False)
    time.sleep(0.5)
    del portal.always[POLICY]
    portal.lease = 900
    stage.decree()
    stage.event("a click under the next policy", allowed=True)


def _hours(stage: Stage) -> None:
    """Be outside working hours, before and behind them; then let them end by themselves."""
    stage.begin(allow=ALLOWED, schedule=_stretch(stage, -2 * HOUR, -HOUR))
    stage.event("a click after working hours", allowed=False)
    time.sleep(0.3)
    stage.decree(schedule=_stretch(stage, HOUR, 2 * HOUR))
    stage.event("a click before working hours", allowed=False)
    time.sleep(0.3)
    stage.decree(schedule=_stretch(stage, -HOUR, HOUR))
    stage.event("a click within working hours", allowed=True)
    time.sleep(0.3)
    soon = _stretch(stage, -HOUR, 3)
    stage.decree(schedule=soon)
    # An agent's time may lag by the part of a second that dates leave out.
    time.sleep(max(soon[0]["until"] + 1.2 - stage.portal.now(), 0.0))
    stage.event("a click after working hours that ended meanwhile", allowed=False)


def _stretch(stage: Stage, since: int, until: int) -> list[dict[str, Any]]:
    now = int(stage.portal.now())
    return [{"purpose": "train-agents", "from": now + since, "until": now + until}]


LEASES: Final[tuple[Told, ...]] = (
    ("server_error", "does the lease end while the portal is in trouble?", _lapse(_always(503))),
    ("slow", "does the lease end while the answer drips?", _lapse(_always(200, {"X-Slow": "1"}))),
    (
        "truncated",
        "does the lease end while answers are cut short?",
        _lapse(_always(200, {"X-Truncate": "1"})),
    ),
    (
        "unchanged",
        "does the lease end although 304 says that nothing changed?",
        _lapse(_not_modified),
    ),
    (
        "frozen",
        "does the lease end although the same document comes again and again?",
        _lapse(_frozen),
    ),
    (
        "clock_back",
        "does the lease end although the machine's clock is an hour behind?",
        _lapse(_frozen, ahead=HOUR),
    ),
    (
        "clock_ahead",
        "does the lease end by the machine's clock where that one is ahead?",
        _lapse(_frozen, ahead=-SLOW_BY),
    ),
    (
        "started_again",
        "does a kept policy get no new lease by a restart?",
        _started_again,
    ),
    ("hours", "is nothing captured outside working hours?", _hours),
    ("aged", "is capture stamped by the present time, not by when it was signed?", _aged),
    (
        "dated",
        "is nothing stamped or acknowledged before the policy was issued, where `Date` lags?",
        _dated,
    ),
)
