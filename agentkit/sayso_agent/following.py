"""What another process of this folder was told to forget, and what of it is still to be done here.

`sayso-agent forget` drops what lies in the spool and leaves a mark, at one stroke under the
folder's lock. What a running agent held in memory then may come into the spool after it: until that
was looked through, nothing is handed in.
"""

from sayso_agent.capture import Capture
from sayso_agent.home import Home


class Following:
    """The last mark of forgetting that was followed."""

    def __init__(self, home: Home, capture: Capture) -> None:
        self._home = home
        self._capture = capture
        self._followed = home.forget_mark()

    def is_owed(self) -> bool:
        """Return whether there is a mark that was not followed yet; for any thread to ask."""
        return self._home.forget_mark() not in {None, self._followed}

    def follow(self) -> None:
        """Drop what was forgotten from memory, and what of it was written since.

        StorageError where something of it stays; it is owed as before then.
        """
        mark = self._home.forget_mark()
        if mark is None or mark == self._followed:
            return
        since, until = mark
        self._capture.forget()
        self._home.spool.close()  # what comes from now on lies in batches of its own
        self._home.spool.purge(
            lambda _slot, record: not record.between(since, until),
            part=lambda record: int(record.wall > until.wall),
        )
        self._followed = mark

    def done(self) -> None:
        """Take the last mark as followed: it is our own."""
        self._followed = self._home.forget_mark()
