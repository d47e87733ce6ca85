"""What the person did on this machine: paused, or had the last minutes forgotten."""

import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sayso_agent.errors import StateError, StorageError
from sayso_agent.files import erase, held_if_possible, read_json, touch, write_json
from sayso_agent.kept import EVER, mark_of, strikes_of
from sayso_agent.lease import Instant, SystemClock
from sayso_agent.seen import SeenFiles

LONGEST_STRIKE: Final = 24 * 3600.0
UNSURE: Final = 60.0
"""By so much a strike is wider where nobody knows how far our clock is from the portal's."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of a `forget` here: how many events went, and what of it could be written."""

    gone: int
    strike: dict[str, Any]
    marked: bool  # a running agent will see it
    kept: bool  # the portal will be told of it later
    erased: bool = True  # nothing of it is left in the spool
    unread: int = 0  # files of which nobody can say what was in them; they went as well


class Wishes(SeenFiles):
    """The part of the folder that says what the person wants; it holds before anybody is told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._told: tuple[tuple[int, int] | None, int] = (None, 0)  # which pause, which version

    def paused(self) -> bool:
        """Return whether the person has paused capture on this machine; any trace of it counts."""
        return os.path.lexists(self.folder / "paused")

    def pause(self) -> None:
        """Stop capture here, at once, without asking the portal and with no free block.

        It is another pause than one that stands already: the portal is told of this one too, for
        the person may have ended that one meanwhile. StorageError where not even an empty file can
        be made.
        """
        try:
            with self.lock:
                touch(self.folder / "paused")
        except StorageError:
            touch(self.folder / "paused")  # what could not be had may have been the lock

    def untold_pause(self) -> str:
        """Return the name of a pause that the portal has yet to hear of, "" where there is none.

        It is told under the same name until its answer is here, so that telling it again pauses
        nothing that the person resumed since. As it follows from the file, no block must be free
        to keep it.
        """
        found = self._pause_file()
        if found is None or self._pause_after() is not None:
            return ""
        inode, written = found
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"pause {inode}:{written}"))

    def pause_told(self, pause: str, *, after_version: int) -> None:
        """Remember that the portal knows; only a policy of a higher version can end the pause.

        Nothing is remembered where the person has paused anew meanwhile: of that nobody was told.
        """
        with self.lock:
            if pause and self.untold_pause() == pause:
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
            self._told = None, 0  # no later pause may be taken for this one
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
