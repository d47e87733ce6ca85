"""The agent's state folder, and in it who we are."""

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from sayso_agent.errors import StateError, StorageError, UsageError, storage_error
from sayso_agent.files import (
    damaged,
    erase,
    read_json,
    read_secret,
    write_json,
    write_secret,
)
from sayso_agent.folder import read_or_nothing
from sayso_agent.identity import Identity
from sayso_agent.kept import built, status_of
from sayso_agent.keys import Key, from_pem, new_key, to_pem
from sayso_agent.ownkey import LOST, OwnKey
from sayso_agent.portal import Endpoints
from sayso_agent.seen import KeptManifest, Seen
from sayso_agent.transport import parse_origin
from sayso_agent.wishes import Wishes

NOBODYS: Final = 100_000_000_000
"""Versions below are those of a machine that waits for its person: they count in seconds."""


class Home(Wishes):
    """Everything the agent keeps: who it is, what it has seen, and what its person wants."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._own_key = OwnKey(self.folder / "agent.key", self.key)

    def halted(self) -> str:
        """Return why nothing may be captured here, whatever a policy says; "" where it may.

        Any thread may ask.
        """
        if self.paused():
            return "paused_here"
        return "" if self._own_key.is_usable() else LOST

    # --- identity ------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Return who we are; StateError where nobody enrolled this folder."""
        found = read_json(self.folder / "identity.json")
        if found is None:
            raise StateError("not_enrolled", "not enrolled yet: run `sayso-agent enrol`")
        try:
            endpoints = built(Endpoints, found.get("endpoints"))
            who = built(Identity, {**found, "endpoints": endpoints})
            parse_origin(who.portal)
        except (ValueError, UsageError) as error:
            raise damaged(self.folder / "identity.json") from error
        if not who.token or not all(t.isascii() and t.isprintable() for t in who.sent()):
            raise damaged(self.folder / "identity.json")
        return who

    def enrolled(self) -> bool:
        """Return whether this folder belongs to an agent."""
        return (self.folder / "identity.json").exists()

    def save_identity(self, identity: Identity, key: Key) -> None:
        """Store a new agent; the version count starts before it, so that none is ever missing."""
        with self.lock:
            write_secret(self.folder / "agent.key", to_pem(key))
            write_json(self.folder / "seen.json", asdict(Seen(0, 0)))
            write_json(self.folder / "manifest.json", asdict(KeptManifest()))
            for name in ("policy.json", "enrol.key", "waiting.json", "agent.key.next"):
                (self.folder / name).unlink(missing_ok=True)
            write_json(self.folder / "identity.json", asdict(identity))

    def prepared_key(self, kind: str) -> Key:
        """Return the key to enrol with, made once and kept until we are enrolled."""
        path = self.folder / "enrol.key"
        with self.lock:
            with suppress(StateError, ValueError):
                if (kept := read_secret(path)) is not None:
                    return from_pem(kept)
            key = new_key(kind)  # a damaged one is good for nothing
            write_secret(path, to_pem(key))
        return key

    def save_waiting(self, address: str, code: str) -> None:
        """Keep where and with which code our person approves us, for `status`."""
        write_json(self.folder / "waiting.json", {"address": address, "code": code})

    def waiting(self) -> dict[str, Any] | None:
        """Return where our person approves us; None once a policy says that we are somebody's."""
        if self.seen().version >= NOBODYS:
            return None
        found = read_or_nothing(self.folder / "waiting.json")
        return found if found and isinstance(found.get("address"), str) else None

    def change_token(self, token: str, *, wall: float, rotate_after: int) -> Identity:
        """Keep a new token in place of the old one, durably, and return who we are now."""
        with self.lock:
            changed = replace(
                self.identity(), token=token, token_at=wall, rotate_after=rotate_after
            )
            write_json(self.folder / "identity.json", asdict(changed))
        return changed

    def next_key(self, kind: str = "") -> Key | None:
        """Return the key that is to follow ours, made now where a kind is told.

        It lies here before the portal hears of it and until the portal has seen it used, so that
        no answer that gets lost leaves us with neither.
        """
        path = self.folder / "agent.key.next"
        with self.lock:
            try:
                if (kept := read_secret(path)) is None:
                    if not kind:
                        return None
                    kept = to_pem(new_key(kind))
                    write_secret(path, kept)
                return from_pem(kept)
            except (ValueError, StateError):
                erase(path)  # half written; the portal never heard of it
                return None

    def adopt_next_key(self, *, wall: float, change_key_after: int) -> Identity:
        """Make the next key ours, once the portal has seen it used; return who we are now."""
        with self.lock:
            try:
                (self.folder / "agent.key.next").replace(self.folder / "agent.key")
            except OSError as error:
                raise storage_error(error) from error
            changed = replace(self.identity(), key_at=wall, change_key_after=change_key_after)
            write_json(self.folder / "identity.json", asdict(changed))
        return changed

    def key(self) -> Key:
        """Return the agent's own key."""
        raw = read_secret(self.folder / "agent.key")
        if raw is None:
            raise StateError("state_damaged", "the agent's key is missing; enrol again")
        try:
            return from_pem(raw)
        except ValueError as error:
            raise StateError("state_damaged", "the agent's key is damaged; enrol again") from error

    # --- what people see -----------------------------------------------------------------------

    def save_status(self, status: dict[str, Any]) -> None:
        """Keep what the agent does now, for `status`; on a full disk nothing, not an old one."""
        path = self.folder / "status.json"
        try:
            write_json(path, status)
        except StorageError:
            with suppress(OSError, StorageError):
                path.unlink(missing_ok=True)
                write_json(path, status)  # the old one may have left a block

    def status(self) -> dict[str, Any] | None:
        """Return what the agent did last, None where that is not known."""
        found = read_or_nothing(self.folder / "status.json")
        return None if found is None else status_of(found)
