"""The command `status`: what the agent does, and what of its folder cannot be used, all at once.

One file that is lost must not hide what the others say: what the agent does, what waits, and that
the person has paused.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TypeVar

from sayso_agent.errors import AgentError, Exit
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.keys import public_bytes
from sayso_agent.output import say, say_json
from sayso_agent.plain import status_line
from sayso_agent.report import pending
from sayso_agent.words import counted, plain

Value = TypeVar("Value")
PAUSED: Final = "paused on this machine; resume in the browser"
UNTOLD: Final = "the portal has not heard of it yet; `sayso-agent run` tells it"
UNWRITTEN: Final = "running, but what it does could not be written or read: is the disk full?"
NOWHERE: Final = "the portal's address"


@dataclass(slots=True)
class Looked:
    """What could be read of a folder, and what could not."""

    home: Home
    troubles: list[AgentError] = field(default_factory=list)

    def at(self, read: Callable[[], Value]) -> Value | None:
        """Return what reading gives; None where it fails, which is remembered once."""
        try:
            return read()
        except AgentError as error:
            if str(error) not in map(str, self.troubles):
                self.troubles.append(error)
            return None

    def key_digest(self) -> str:
        """Return the SHA-256 of our own public key, as the portal's list of tickets names it."""
        return sha256(public_bytes(self.home.key())).hexdigest()


def do_status(args: argparse.Namespace) -> Exit:
    """Say what the agent does now, and what of its folder is damaged."""
    home = Home(args.home)
    looked = Looked(home)
    identity = home.identity() if not home.enrolled() else looked.at(home.identity)
    running = home.is_running()
    found: dict[str, Any] = {
        **(home.status() or {}),
        "running": running,
        "paused": home.paused(),
        "portal_told": not pending(home),
        "agent": identity.agent if identity else None,
        "root": identity.root if identity else None,
        "key_sha256": looked.at(looked.key_digest),
        "spooled": home.spool.count(),
    }
    if not running:
        found["line"] = status_line([], {}, 0.0, "agent_stopped")
    found.setdefault("line", UNWRITTEN)
    waiting = looked.at(home.waiting)
    turned = looked.at(home.turned_away)
    found["turned_away"] = turned.code if turned else None
    looked.at(home.seen)
    if args.json:
        told = [{"code": trouble.code, "message": str(trouble)} for trouble in looked.troubles]
        say_json({**found, "damaged": told})
    else:
        _say(found, identity, waiting)
        _say_troubles(looked.troubles, identity)
    return looked.troubles[0].exit_code if looked.troubles else Exit.OK


def _say(found: dict[str, Any], identity: Identity | None, waiting: dict[str, Any] | None) -> None:
    if identity:
        say(f"agent {identity.agent} of {identity.portal}")
        say(f"root key {identity.root}")
    if digest := found["key_sha256"]:
        say(f"own key {digest[:16]}, as the portal's list of tickets names it")
    say(found["line"])
    if found["paused"]:
        say(PAUSED)
        if not found["portal_told"]:
            say(UNTOLD)
    if found["turned_away"]:
        say(plain(found["turned_away"]))
    if waiting:
        say(f"waits for its person: {waiting['address']}")
    say(f"{counted(found['spooled'], 'event')} to be handed in")
    for reason, count in sorted(found.get("dropped", {}).items()):
        say(f"not recorded {count}: {plain(reason)}")


def _say_troubles(troubles: list[AgentError], identity: Identity | None) -> None:
    for trouble in troubles:
        say(f"damaged: {trouble}")
    if troubles:
        portal = identity.portal if identity else NOWHERE
        say(f"To enrol again: sayso-agent enrol --again --portal {portal}")
        say("What waits to be handed in is dropped then.")
