"""Whether the file of the agent's own key can be used, at every moment for little.

Who has lost it cannot prove any more who they are: no new token, no new key. The portal's word can
still be verified, so a withdrawal is obeyed and acknowledged; but nothing is captured, and nothing
leaves, until the key is back or the machine was enrolled again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sayso_agent.errors import StateError
from sayso_agent.keys import Key

LOST: Final = "key_unusable"


class OwnKey:
    """The file of a key, read anew whenever it is another one; any thread may ask."""

    def __init__(self, path: Path, read: Callable[[], Key]) -> None:
        self._path = path
        self._read = read
        self._looked: tuple[tuple[int, ...], bool] | None = None

    def is_usable(self) -> bool:
        """Return whether the key is there, whole, and nobody else's to read."""
        try:
            found = self._path.lstat()
        except OSError:
            return False
        now = (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        looked = self._looked
        if looked is None or looked[0] != now:
            looked = self._looked = now, self._reads()
        return looked[1]

    def _reads(self) -> bool:
        try:
            self._read()
        except StateError:
            return False
        return True
