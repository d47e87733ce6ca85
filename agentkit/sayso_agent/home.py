"""The agent's state folder: who we are, the newest version seen, the spool, what was paused."""

import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sayso_agent.errors import StateError, StorageError, UsageError, storage_error
from sayso_agent.files import (
    FileLock,
    damaged,
    erase,
    held_if_possible,
    make_folder,
    read_json,
    read_secret,
    touch,
    write_json,
    write_secret,
)
from sayso_agent.kept import EVER, built, mark_of, status_of, strikes_of
from sayso_agent.keys import Key, from_pem, new_key, to_pem
from sayso_agent.lease import Instant, KeptClock, SystemClock
from sayso_agent.portal import Endpoints
from sayso_agent.spool import Spool
from sayso_agent.transport import parse_origin

NOBODYS: Final = 100_000_000_000
"""Versions below are those of a machine that waits for its person: they count in seconds."""
LONGEST_STRIKE: Final = 24 * 3600.0
UNSURE: Final = 60.0
"""By so much a strike is wider where nobody knows how far our clock is from the portal's."""
FOLDER: Final = "SAYSO_AGENT_HOME"


def default_folder() -> Path:
    """Return the state folder: $SAYSO_AGENT_HOME, else ~/.sayso-agent."""
    told = os.environ.get(FOLDER)
    return Path(told) if told else Path.home() / ".sayso-agent"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is to which portal."""

    portal: str
    issuer: str
    agent: str
    token: str
    name: str
    endpoints: Endpoints
    root: str  # thumbprint of the one key that may vouch for those that sign policies
    token_at: float = 0.0  # wall time at which the token was made
    rotate_after: int = 0  # seconds after which to ask for another; 0 for never
    key_at: float = 0.0  # wall time at which our own key was made
    change_key_after: int = 0  # seconds after which to make another; 0 for never
    account: str = ""  # of this machine, as which we enrolled: our person's

    def is_stale(self, wall: float) -> bool:
        """Return whether it is time for another token; also after the clock was set back."""
        age = wall - self.token_at
        return self.rotate_after > 0 and not 0 <= age < self.rotate_after

    def has_old_key(self, wall: float) -> bool:
        """Return whether it is time for another key of our own."""
        age = wall - self.key_at
        return self.change_key_after > 0 and not 0 <= age < self.change_key_after


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest policy ever obeyed and the newest the portal knows we obey, of one epoch."""

    version: int
    acknowledged: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """The newest key manifest ever taken, as it was signed; empty before the first."""

    token: str = ""
    version: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of a `forget` here: how many events went, and what of it could be written."""

    gone: int
    strike: dict[str, Any]
    marked: bool  # a running agent will see it
    kept: bool  # the portal will be told of it later
    erased: bool = True  # nothing of it is left in the spool
    unread: int = 0  # files of which nobody can say what was in them; they went as well


class Home:
    """Everything the agent keeps, 0600 in a 0700 folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder)
        self.lock = FileLock(folder / "lock")
        self.running = FileLock(folder / "run.lock")
        self.spool = Spool(folder / "spool", folder / "spool.key", self.lock)
        self._told: tuple[tuple[int, int] | None, int] = (None, 0)  # which pause, which version

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
        if not who.token or not all(t.isascii() and t.isprintable() for t in _sent(who)):
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
        found = _read_or_nothing(self.folder / "waiting.json")
        return found if found and isinstance(found.get("address"), str) else None

    def forget_identity(self) -> None:
        """Drop who we were: token, key, policy, and whatever was spooled."""
        self.spool.destroy()
        for name in (
            "identity.json",
            "agent.key",
            "agent.key.next",
            "policy.json",
            "seen.json",
            "manifest.json",
            "status.json",
        ):
            (self.folder / name).unlink(missing_ok=True)

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

    # --- what was seen -------------------------------------------------------------------------

    def manifest(self) -> KeptManifest:
        """Return the newest key manifest; StateError if lost: an older one could pass."""
        found = read_json(self.folder / "manifest.json")
        with suppress(ValueError):
            if found is not None:
                return built(KeptManifest, found)
        raise StateError("state_damaged", "the key manifest seen is lost; enrol again")

    def keep_manifest(self, manifest: KeptManifest) -> None:
        """Keep a manifest before it is believed; neither its version nor its epoch goes down."""
        with self.lock:
            kept = self.manifest()
            if (manifest.version, manifest.epoch) >= (kept.version, kept.epoch):
                write_json(self.folder / "manifest.json", asdict(manifest))

    def seen(self) -> Seen:
        """Return the versions seen; StateError if they are lost: an old policy could pass.

        Those of an earlier epoch than the manifest's count for nothing: they begin anew.
        """
        found = read_json(self.folder / "seen.json")
        if found is None:
            raise StateError("state_damaged", "the versions seen are lost; enrol again")
        try:
            seen = built(Seen, found)
        except ValueError as error:
            raise StateError("state_damaged", "the versions seen are lost; enrol again") from error
        epoch = self.manifest().epoch
        return seen if seen.epoch == epoch else Seen(0, 0, epoch)

    def saw(self, version: int) -> None:
        """Remember a version before it is obeyed; the count never goes down."""
        with self.lock:
            seen = self.seen()
            if version > seen.version:
                write_json(self.folder / "seen.json", asdict(replace(seen, version=version)))

    def acknowledged(self, version: int) -> None:
        """Remember that the portal knows we obey a version."""
        with self.lock:
            seen = self.seen()
            if version > seen.acknowledged:
                write_json(self.folder / "seen.json", asdict(replace(seen, acknowledged=version)))

    def save_clock(self, clock: KeptClock) -> None:
        """Remember what the last policy said of the time."""
        write_json(self.folder / "clock.json", asdict(clock))

    def clock(self) -> KeptClock | None:
        """Return what the last policy said of the time, nothing where none came; None where what
        it said is lost."""
        try:
            found = read_json(self.folder / "clock.json")
            if found is None and self.seen().version:
                return None
            return built(KeptClock, found or {})
        except (StateError, ValueError):
            return None

    def save_policy(self, token: str, keys: dict[str, str]) -> None:
        """Keep the last policy with the keys that verify it, for `explain` and `status`."""
        write_json(self.folder / "policy.json", {"token": token, "keys": keys})

    def policy(self) -> dict[str, Any] | None:
        """Return the last policy kept; it is for looking at and never for capturing."""
        return _read_or_nothing(self.folder / "policy.json")

    # --- pause and forget ----------------------------------------------------------------------

    def paused(self) -> bool:
        """Return whether the person has paused capture on this machine; any trace of it counts."""
        return os.path.lexists(self.folder / "paused")

    def pause(self) -> None:
        """Stop capture here, at once, without asking the portal and with no free block.

        StorageError where not even an empty file can be made.
        """
        try:
            with self.lock:
                touch(self.folder / "paused")
        except StorageError:
            touch(self.folder / "paused")  # what could not be had may have been the lock

    def pause_unreported(self) -> bool:
        """Return whether the portal has yet to hear of the pause."""
        return self.paused() and self._pause_after() is None

    def pause_reported(self, *, after_version: int) -> None:
        """Remember that the portal knows; only a policy of a higher version can end the pause."""
        with self.lock:
            if self.paused():
                self._told = self._pause_file(), after_version
                with suppress(StorageError):  # on a full disk we know it as long as we run
                    write_json(self.folder / "paused", {"after_version": after_version})
                    self._told = self._pause_file(), after_version

    def resumed(self, *, version: int) -> bool:
        """End the pause if an unpaused policy of this version proves that the person resumed."""
        with self.lock:
            after = self._pause_after()
            if after is None or version <= after:
                return False
            return erase(self.folder / "paused")

    def _pause_after(self) -> int | None:
        """Return the version that a resuming policy must exceed; None where none could yet."""
        told, version = self._told
        if told is not None and told == self._pause_file():
            return version
        path = self.folder / "paused"
        try:
            after = (read_json(path) or {}).get("after_version")
        except StateError:
            return None  # an empty file, or a damaged one: the pause is told to the portal again
        return after if isinstance(after, int) and not isinstance(after, bool) else None

    def _pause_file(self) -> tuple[int, int] | None:
        """Return what tells this pause from any other, None where there is none."""
        try:
            found = (self.folder / "paused").lstat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def forget(self, *, minutes: float, now: Instant | None = None) -> Forgotten:
        """Drop what was recorded in the last minutes and not handed in.

        Dropping comes first: it needs no free block, and frees some. A running agent drops what it
        holds in memory when it sees the mark. The portal is told by whoever runs next. Nobody who
        holds the lock sees one without the other: what is handed in is taken under it.
        """
        with held_if_possible(self.lock):
            return self._forget(minutes, now or SystemClock().now())

    def _forget(self, minutes: float, until: Instant) -> Forgotten:
        since = until.earlier(minutes * 60)
        gone, erased = 0, True
        try:
            gone = self.spool.purge(lambda _slot, record: not record.since(since))
        except StorageError:
            erased = False
        first, last = self._in_portal_time(minutes * 60, until)
        strike = {"strike": str(uuid.uuid4()), "since": first, "until": last}
        marked = kept = True
        try:
            write_json(
                self.folder / "forget.json", {"since": asdict(since), "until": asdict(until)}
            )
        except StorageError:
            marked = False
        try:
            with self.lock:
                self._save_strikes([*self.strikes_unreported(), strike])
        except StorageError:
            kept = False
        unread = self.spool.take_lost()
        return Forgotten(gone, strike, marked=marked, kept=kept, erased=erased, unread=unread)

    def _in_portal_time(self, seconds: float, until: Instant) -> tuple[float, float]:
        """Return the seconds before a moment as the portal counts them."""
        if clock := self.clock():
            last = clock.portal_time(until)
            return last - seconds, last
        return until.wall - seconds - UNSURE, until.wall + UNSURE

    def strikes_unreported(self) -> list[dict[str, Any]]:
        """Return what was forgotten here and the portal has yet to hear of.

        Where nobody can read any more what it was, it is all that it may have been.
        """
        path = self.folder / "strikes.json"
        try:
            found = read_json(path)
            return strikes_of(found) if found is not None else []
        except (StateError, ValueError):
            return self._widest_strike(path)

    def _widest_strike(self, path: Path) -> list[dict[str, Any]]:
        try:
            found = path.lstat()
        except OSError:
            return []
        now = SystemClock().now()
        written = now.earlier(max(now.wall - found.st_mtime, 0.0))
        since, until = self._in_portal_time(LONGEST_STRIKE, written)
        name = uuid.uuid5(uuid.NAMESPACE_OID, f"{found.st_ino}:{found.st_mtime_ns}")
        return [{"strike": str(name), "since": since, "until": until}]

    def strike_reported(self, strike: str) -> None:
        """Remember that the portal knows of a strike."""
        with self.lock:
            rest = [entry for entry in self.strikes_unreported() if entry["strike"] != strike]
            self._save_strikes(rest)

    def _save_strikes(self, strikes: list[dict[str, Any]]) -> None:
        if strikes:
            write_json(self.folder / "strikes.json", {"strikes": strikes})
        else:
            erase(self.folder / "strikes.json")

    def forget_mark(self) -> tuple[Instant, Instant] | None:
        """Return (since, until) of the last `forget`, None if there was none; all time where the
        mark is damaged."""
        try:
            found = read_json(self.folder / "forget.json")
        except StateError:
            return EVER
        return None if found is None else mark_of(found)

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
        found = _read_or_nothing(self.folder / "status.json")
        return None if found is None else status_of(found)

    def is_running(self) -> bool:
        """Return whether an agent runs on this folder."""
        probe = FileLock(self.folder / "run.lock")
        with self.lock:
            if not probe.try_hold():
                return True
            probe.release()
        return False


def _sent(who: Identity) -> tuple[str, ...]:
    """Return what of an identity goes into the heads of requests."""
    ends = who.endpoints
    return (who.token, ends.policy, ends.ack, ends.batches, ends.manifest, ends.token, ends.key)


def _read_or_nothing(path: Path) -> dict[str, Any] | None:
    """Return a JSON object that is only shown; one that is damaged shows nothing."""
    try:
        return read_json(path)
    except StateError:
        return None
