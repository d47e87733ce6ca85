"""What an agent has seen of its portal, and must not forget: versions, manifest, time, policy."""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from sayso_agent.errors import StandingError, StateError, StorageError
from sayso_agent.files import erase, read_json, write_json
from sayso_agent.folder import Folder, read_or_nothing
from sayso_agent.kept import built
from sayso_agent.lease import KeptClock
from sayso_agent.words import plain


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


class SeenFiles(Folder):
    """The part of the folder that says what was seen."""

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
        return read_or_nothing(self.folder / "policy.json")

    def keep_turned_away(self, error: StandingError) -> None:
        """Keep in place of the last policy why it holds no longer; on a full disk neither."""
        path = self.folder / "policy.json"
        erase(path)
        with suppress(StorageError):
            write_json(path, {"turned_away": error.code, "status": error.status})

    def turned_away(self) -> StandingError | None:
        """Return why the last policy holds no longer, None where the portal did not say so."""
        found = self.policy() or {}
        code, status = found.get("turned_away"), found.get("status")
        if not isinstance(code, str) or not isinstance(status, int):
            return None
        return StandingError(code, plain(code), status=status)
