"""The commands `pause` and `forget`: what the person does here holds, whatever the disk says."""

import argparse
import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from sayso_agent.asking import portal_of
from sayso_agent.errors import AgentError, Exit, StorageError, not_erased
from sayso_agent.home import Home
from sayso_agent.output import say, say_json
from sayso_agent.portal import Portal
from sayso_agent.report import tell_strike, try_report
from sayso_agent.words import counted

SOON: Final = 5.0
LONGEST_END: Final = 5.0
"""How long a running agent may take to end before it is killed, in seconds."""
LATER: Final = "The portal could not be told yet; the agent tells it as soon as it can."
STOPPED: Final = "The agent on this machine has been stopped, so nothing is recorded."
NOBODYS: Final = (
    "No machine is enrolled in {}. An agent that has another folder goes on: name it by --home."
)
STILL_RUNS: Final = "The agent on this machine could not be stopped. Stop it, or switch off."


def do_pause(args: argparse.Namespace) -> Exit:
    """Stop recording on this machine at once, then everywhere; resume in the browser."""
    home = Home(args.home)
    with suppress(StorageError):
        home.pause()
    here = home.paused()
    told = _with_portal(home, lambda portal: _tell_pause(home, portal, here=here))
    stopped = not here and not told and _stop(home)
    code = "" if here or told else "pause_not_kept"
    if not code and _is_nobodys(home):
        return _say_nobodys(home, args, {"paused": here, "portal_told": told})
    if args.json:
        found = {"paused": here or told, "portal_told": told}
        say_json(found if not code else {**found, "code": code, "stopped": stopped})
        return Exit.NOT_KEPT if code else Exit.OK
    if code:
        say("The pause could not be written, as the disk is full, and the portal not be told.")
        say(STOPPED if stopped else STILL_RUNS)
        return Exit.NOT_KEPT
    say("Paused. Nothing is recorded and nothing is handed in until you resume in the browser.")
    if not told:
        say(LATER)
    return Exit.OK


def do_forget(args: argparse.Namespace) -> Exit:
    """Have the last minutes forgotten: here at once, then everywhere."""
    home = Home(args.home)
    done = home.forget(minutes=args.minutes)
    # What a running agent holds in memory goes with the mark, or else with the agent.
    stopped = done.marked or not _runs(home) or _stop(home)
    lost = None if done.kept else done.strike
    told = _with_portal(home, lambda portal: _tell_forgotten(home, portal, lost))
    code = "forget_not_told" if lost and not told else "" if stopped else "forget_not_marked"
    code = code if done.erased else "not_erased"
    if not code and _is_nobodys(home):
        return _say_nobodys(home, args, {"dropped": done.gone, "portal_told": told})
    if args.json:
        found = {"dropped": done.gone, "portal_told": told}
        unread = {"unreadable_files_erased": done.unread} if done.unread else {}
        say_json({**found, **unread, **({"code": code} if code else {})})
        return Exit.NOT_KEPT if code else Exit.OK
    if done.erased:
        dropped, last = counted(done.gone, "event"), counted(args.minutes, "minute")
        say(f"Dropped {dropped} of the last {last}.")
    else:
        say(str(not_erased(home.folder / "spool")).capitalize() + ".")
    if done.unread:
        say(f"Erased as well: {counted(done.unread, 'file')} that could not be read.")
    if not done.marked:
        say(STOPPED if stopped else STILL_RUNS)
    if told:
        say("What was handed in of them is refused or erased.")
    elif lost:
        say("The portal could not be told, and the disk is too full to keep it: do this again.")
    else:
        say(LATER)
    return Exit.NOT_KEPT if code else Exit.OK


def _is_nobodys(home: Home) -> bool:
    """Return whether no agent is enrolled here, nor runs: most likely it has another folder."""
    return not home.enrolled() and not _runs(home)


def _say_nobodys(home: Home, args: argparse.Namespace, found: Mapping[str, Any]) -> Exit:
    """Say that what was asked for holds in this folder, and that nobody records from it."""
    if args.json:
        say_json({**found, "code": "not_enrolled"})
    else:
        say(NOBODYS.format(home.folder))
    return Exit.NOT_ENROLLED


def _tell_pause(home: Home, portal: Portal, *, here: bool) -> bool:
    if here:
        return try_report(home, portal)
    portal.pause(str(uuid.uuid4()))
    return True


def _tell_forgotten(home: Home, portal: Portal, lost: Mapping[str, Any] | None) -> bool:
    if lost is not None:
        tell_strike(portal, lost)
    return try_report(home, portal)


def _with_portal(home: Home, tell: Callable[[Portal], bool]) -> bool:
    """Tell the portal at once what the person did here; return whether it heard all of it."""
    try:
        if not home.enrolled():
            return False
        portal = portal_of(home.identity())
        portal.transport.timeout = portal.transport.total = SOON
        try:
            return tell(portal)
        finally:
            portal.transport.close()
    except (AgentError, OSError):
        return False


def _runs(home: Home) -> bool:
    try:
        return home.is_running()
    except StorageError:
        return False  # without the lock's file none ever ran here


def _stop(home: Home) -> bool:
    try:
        return stop_running(home)
    except StorageError:
        return True


def stop_running(home: Home) -> bool:
    """End the agent that runs on this folder; return whether none runs any more."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if not home.is_running():
            return True
        if (pid := home.running.signed()) in {0, os.getpid()}:
            return False
        with suppress(OSError, OverflowError):
            os.kill(pid, number)
        ends = time.monotonic() + LONGEST_END
        while home.is_running() and time.monotonic() < ends:
            time.sleep(0.05)
    return not home.is_running()
