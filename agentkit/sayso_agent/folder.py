"""An agent's folder of its own: where it is, its locks, its spool."""

import os
from pathlib import Path
from typing import Any, Final

from sayso_agent.errors import StateError
from sayso_agent.files import FileLock, make_folder, read_json
from sayso_agent.spool import Spool

FOLDER: Final = "SAYSO_AGENT_HOME"


def default_folder() -> Path:
    """Return the state folder: $SAYSO_AGENT_HOME, else ~/.sayso-agent."""
    told = os.environ.get(FOLDER)
    return Path(told) if told else Path.home() / ".sayso-agent"


class Folder:
    """Files that nobody else may read, 0600 in a 0700 folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder)
        self.lock = FileLock(folder / "lock")
        self.running = FileLock(folder / "run.lock")
        self.spool = Spool(folder / "spool", folder / "spool.key", self.lock)

    def is_running(self) -> bool:
        """Return whether an agent runs on this folder."""
        probe = FileLock(self.folder / "run.lock")
        with self.lock:
            if not probe.try_hold():
                return True
            probe.release()
        return False


def read_or_nothing(path: Path) -> dict[str, Any] | None:
    """Return a JSON object that is only shown; one that is damaged shows nothing."""
    try:
        return read_json(path)
    except StateError:
        return None
