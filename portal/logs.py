"""How our processes log: what happened and where, never what it happened with.

The message of an exception repeats what was worked on: PostgreSQL names the row that was in the
way, a mail server the address it refused. Logs are kept, copied and read by more people than any
table, so an error is told by its kind, its place in the code and the database's code for it.
"""

import logging
import traceback
from collections.abc import Iterator
from copy import copy
from typing import Any, Final

INTO: Final = "\nThe cause of:\n"


class Line(logging.Formatter):
    """One line a record; of an error the frames and the kind follow, without its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, whatever another formatter has already made of the error."""
        bare = copy(record)
        bare.exc_text = None
        if isinstance(bare.args, dict) and isinstance(bare.exc_info, tuple) and bare.exc_info[1]:
            # As Celery tells of a task that failed: the error is among what is filled in.
            kind = _kind(bare.exc_info[1])
            bare.args = {**bare.args, "exc": kind, "traceback": "", "args": "", "kwargs": ""}
        return super().format(bare)

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's own name
        """Return where an error came from and what kind it is, its causes first."""
        return told(ei[1]) if ei[1] else ""


def told(error: BaseException) -> str:
    """Return the frames and kinds of an error and of what caused it; no message, no value."""
    parts = []
    for one in reversed(list(_chain(error))):
        frames = "".join(traceback.format_tb(one.__traceback__))
        parts.append(f"{frames}{_kind(one)}")
    return INTO.join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        suppressed = following.__suppress_context__
        following = following.__cause__ or (None if suppressed else following.__context__)


def _kind(error: BaseException) -> str:
    """Return the name of an error's class; of one by PostgreSQL also its code and the constraint.

    Both are names from the schema, as the source code is.
    """
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    diagnosis = getattr(error, "diag", None)
    known = [getattr(diagnosis, part, None) for part in ("sqlstate", "constraint_name")]
    return " ".join([name, *(str(part) for part in known if part)])
