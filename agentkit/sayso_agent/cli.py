"""The command `sayso-agent`. What it prints on standard output is meant to be read by programs
too; the state of recording is on standard error.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import sayso_agent
from sayso_agent.agent import Agent
from sayso_agent.conformance.main import add_options, do_conformance
from sayso_agent.enrol import Approval, enrol, enrol_by_ticket
from sayso_agent.errors import AgentError, Exit, PolicyRefusedError, UsageError, storage_error
from sayso_agent.folder import default_folder
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.jws import KeySet, b64url_decode, verify
from sayso_agent.keys import KINDS, kind_of
from sayso_agent.lease import SystemClock
from sayso_agent.machine import platform_name
from sayso_agent.options import minutes, run_options
from sayso_agent.output import give_up_output, say, say_json, tell
from sayso_agent.person import do_forget, do_pause
from sayso_agent.plain import clock_time, decisions, explanation, table
from sayso_agent.policy import Policy
from sayso_agent.recorders import Told, guess, is_live, open_recorder
from sayso_agent.recorders.ndjson import FACTS, window_facts
from sayso_agent.run import Pace, Recording, Runner
from sayso_agent.standing import do_status
from sayso_agent.state import StateCommand
from sayso_agent.trust import TYPE
from sayso_agent.words import counted, plain

EPILOG: Final = """exit codes: 0 done; 2 used wrongly; 3 everything is denied; 4 not enrolled or not
known to the portal; 5 blocked; 6 erased; 7 the portal cannot be reached; 8 the policy was refused;
9 batches were refused; 10 enrolment failed; 11 conformance: something failed; 12 the agent's files
cannot be written"""


def do_enrol(args: argparse.Namespace) -> Exit:
    """Enrol this machine; the person approves in the browser."""
    home = Home(args.home)
    if home.enrolled() and not args.again:
        raise UsageError("already_enrolled", "already enrolled; `--again` starts anew")
    with _stopped(home):  # what it still records would be handed in as the new agent's
        return _enrol(home, args)


def _enrol(home: Home, args: argparse.Namespace) -> Exit:
    def show(approval: Approval) -> None:
        if args.json:
            say_json(
                {
                    "event": "approve",
                    "verification_uri": approval.address,
                    "verification_uri_complete": approval.complete_address,
                    "user_code": approval.code,
                    "expires_in": approval.expires_in,
                }
            )
        else:
            say(f"Open {approval.complete_address}")
            say(f"and approve the code {approval.code}")

    name = args.name or f"agent on {platform_name()}"
    if args.ticket is not None:
        return _enrol_by_ticket(home, args, name, show)
    identity = enrol(home, args.portal, name=name, show=show, kind=args.key)
    if args.json:
        say_json(_told_of(identity, "enrolled"))
    else:
        say(_root_line(identity))
        say("Enrolled. Nothing is recorded until `sayso-agent run` has a policy that allows it.")
    return Exit.OK


def _enrol_by_ticket(
    home: Home, args: argparse.Namespace, name: str, show: Callable[[Approval], None]
) -> Exit:
    ticket = args.ticket
    if ticket == "-":  # an argument can be seen by everybody on the machine
        ticket = sys.stdin.readline()
    if not (ticket := ticket.strip()):  # as where a variable of a script is empty
        raise UsageError("ticket_missing", "no ticket was given: `--ticket` needs one")
    identity, approval = enrol_by_ticket(
        home, args.portal, ticket=ticket, serial=args.serial, name=name, kind=args.key
    )
    show(approval)
    if args.json:
        say_json(_told_of(identity, "waiting"))
    else:
        say(_root_line(identity))
        say("Everything is denied until the person who works here approves this machine.")
    return Exit.OK


def _told_of(identity: Identity, event: str) -> dict[str, str]:
    return {
        "event": event,
        "agent": identity.agent,
        "portal": identity.portal,
        "root": identity.root,
    }


def _root_line(identity: Identity) -> str:
    """Say which root this machine believes from now on, for people to compare."""
    return f"Root key of this portal: {identity.root} (compare it with your page of machines)"


def do_run(args: argparse.Namespace) -> Exit:
    """Record what the policy allows, until stopped; with --once take all input and end."""
    agent = Agent(args.home)
    if not agent.home.running.try_hold():
        raise UsageError("already_running", "an agent runs on this folder already")
    agent.home.running.sign()
    shows = StateCommand(args.state_command) if args.state_command else None
    runner = Runner(agent, tell, Pace(args.poll, args.upload_every), shows)
    try:
        items = None
        if args.events is not None:
            recorder = args.recorder or guess(args.events)
            items = open_recorder(recorder, args.events, _told(args))
        _run(runner, args, items)
        denied = bool(agent.why_not())
    finally:
        runner.shown.end()
        agent.close()
        agent.home.running.release()
    _summary(agent, as_json=args.json)
    if not args.once:
        return Exit.OK
    if denied:
        agent.home.key()  # StateError where that is why: it says what to do
        return Exit.ALL_DENIED
    return Exit.BATCH_REFUSED if agent.uploaded.refused else Exit.OK


def _run(runner: Runner, args: argparse.Namespace, items: Any) -> None:
    recording = None if items is None else Recording(items, rebase=args.rebase)
    if args.once:
        runner.once(recording)
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: runner.stop())
    if recording is not None and is_live(args.events) and not args.rebase:
        runner.serve(live=recording.items)
    else:
        runner.serve(recording=recording)


def _summary(agent: Agent, *, as_json: bool) -> None:
    done, capture = agent.uploaded, agent.capture
    counts = {
        "kept": dict(capture.kept),
        "dropped": dict(capture.dropped),
        "batches_admitted": done.admitted,
        "events_admitted": done.events,
        "batches_refused": dict(done.refused),
        "spooled": agent.home.spool.count(),
    }
    if as_json:
        say_json(counts)
        return
    kept = counted(sum(capture.kept.values()), "event")
    say(f"kept {kept}, handed in {counted(done.admitted, 'batch')}")
    for reason, count in sorted(capture.dropped.items()):
        say(f"dropped {count}: {plain(reason)}")
    for reason, count in sorted(done.refused.items()):
        say(f"refused by the portal {count}: {plain(reason)}")


def _told(args: argparse.Namespace) -> Told:
    """Read what the command line says of the window."""
    facts: dict[str, str] = {}
    private = None
    for entry in args.window:
        name, _, value = entry.partition("=")
        if name == "private" and value in {"yes", "no"}:
            private = value == "yes"
            continue
        if name not in FACTS or not value:
            known = f"{', '.join(FACTS)}, as name=value, and private=no or private=yes"
            raise UsageError("window_bad", f"--window takes {known}")
        facts[name] = value
    if args.host:
        facts["host"] = args.host
    if facts:
        facts.setdefault("platform", "web" if "host" in facts else platform_name())
    window = replace(window_facts(facts, hint=args.app_hint or ""), private=private)
    if args.no_passwords and is_live(args.events):
        raise UsageError("not_a_recording", "--no-passwords is for recordings, not for live input")
    return Told(host=window.host, window=window, no_passwords=args.no_passwords)


def do_poll(args: argparse.Namespace) -> Exit:
    """Fetch the policy once, obey it, and print what it decides."""
    agent = Agent(args.home)
    try:
        policy = agent.poll()
    finally:
        agent.close()
    if policy is None:
        raise PolicyRefusedError(agent.denied, plain(agent.denied))
    if args.json:
        say_json(
            {
                "version": policy.version,
                "lease_until": policy.lease_until,
                "paused": policy.paused,
                "decisions": decisions(policy),
                "default_reasons": list(policy.default_reasons),
            }
        )
    else:
        say(f"policy version {policy.version}, until {clock_time(policy.lease_until)}")
        say(table(policy))
    return Exit.OK if policy.permits_anything() else Exit.ALL_DENIED


@contextmanager
def _stopped(home: Home) -> Iterator[None]:
    """Keep agents from this folder meanwhile; UsageError where one runs."""
    if not home.running.try_hold():
        raise UsageError("already_running", "an agent runs on this folder; stop it first")
    home.running.sign()  # or who must stop whatever runs here would look for the one before us
    try:
        yield
    finally:
        home.running.release()


def do_change_key(args: argparse.Namespace) -> Exit:
    """Make a new key for this machine and go over to it."""
    agent = Agent(args.home)
    with _stopped(agent.home):
        try:
            agent.change_key(args.key or "")
            kind = kind_of(agent.home.key())
        finally:
            agent.close()
    if args.json:
        say_json({"event": "key_changed", "kind": kind})
    else:
        say("This machine has a new key. The old one is good for nothing any more.")
    return Exit.OK


def do_explain(args: argparse.Namespace) -> Exit:
    """Say whether a signal may be recorded in an app, and why not."""
    home = Home(args.home)
    policy, ended = _last_policy(home)
    override = home.halted() or ended
    clock, now = home.clock(), SystemClock().now()
    allowed, lines = explanation(
        policy,
        args.app,
        args.signal,
        at=clock.portal_time(now) if clock else now.wall,
        override=override,
        stopped=(home.status() or {}).get("why", "") if home.is_running() else "",
    )
    if args.json:
        say_json({"allowed": allowed, "lines": lines, "version": policy.version})
    else:
        for line in lines:
            say(line)
    return Exit.OK if allowed else Exit.ALL_DENIED


def _last_policy(home: Home) -> tuple[Policy, str]:
    """Return the last policy obeyed, its signature checked again, and why it no longer holds."""
    home.identity()
    kept = home.policy()
    if kept is None:
        raise PolicyRefusedError("no_policy", plain("no_policy"))
    if (turned := home.turned_away()) is not None:
        raise turned
    try:
        keys = KeySet({str(kid): b64url_decode(x) for kid, x in kept["keys"].items()})
        policy = Policy.parse(verify(str(kept["token"]), keys, typ=TYPE))
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise PolicyRefusedError("policy_malformed", plain("policy_malformed")) from error
    return policy, "lease_ended" if time.time() >= policy.lease_until else ""


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--home",
        type=Path,
        default=None,
        help="state folder (default: $SAYSO_AGENT_HOME, else ~/.sayso-agent)",
    )
    common.add_argument("--json", action="store_true", help="one JSON object a line")
    about = _first(sayso_agent.__doc__)
    top = argparse.ArgumentParser(prog="sayso-agent", description=about, epilog=EPILOG)
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, does: Callable[[argparse.Namespace], Exit]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=_first(does.__doc__))
        made.set_defaults(does=does)
        return made

    found = command("enrol", do_enrol)
    found.add_argument("--portal", required=True, help="the portal's address")
    found.add_argument("--name", help="what you call this machine on your page")
    found.add_argument("--ticket", metavar="TICKET", help="a fleet's ticket; - reads it from input")
    found.add_argument("--serial", default="", help="this machine's serial number, for a ticket")
    found.add_argument("--key", choices=KINDS, default=KINDS[0], help="kind of the agent's key")
    found.add_argument("--again", action="store_true", help="replace the agent of this folder")
    run_options(command("run", do_run))
    found = command("change-key", do_change_key)
    found.add_argument("--key", choices=KINDS, help="kind of the new key (default: as the old one)")
    command("poll", do_poll)
    command("status", do_status)
    found = command("explain", do_explain)
    found.add_argument("--app", required=True, help="an app's code or name")
    found.add_argument("--signal", required=True, help="a signal, such as mouse_click")
    command("pause", do_pause)
    found = command("forget", do_forget)
    found.add_argument(
        "--minutes", type=minutes, required=True, help="how many, such as 10; a day's at most"
    )
    add_options(command("conformance", do_conformance))
    return top


def _first(text: str | None) -> str:
    return (text or "").strip().split(". ")[0].split("\n\n")[0].replace("\n", " ").rstrip(".")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = parser().parse_args(argv)
    if args.home is None:
        args.home = default_folder()
    try:
        return int(args.does(args))
    except AgentError as error:
        if args.json:
            say_json({"event": "failed", "code": error.code, "message": str(error)})
        tell(f"sayso-agent: {error}")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        give_up_output()
        return int(Exit.UNEXPECTED)
    except OSError as error:
        give_up_output()
        tell(f"sayso-agent: {storage_error(error)}")
        return int(Exit.NOT_KEPT)
