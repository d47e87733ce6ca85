"""Where an installation is reached: `up` notes it, so that commands in another shell know it too.

It stands in what the root signs. A command that takes another one would sign what no machine
believes.
"""

from typing import Final

from portal.servers import locations

USUAL: Final = "http://127.0.0.1:8000"
FILE: Final = "public-url"


def noted() -> str:
    """Return where the last `up` of this installation was reached; the usual place before one."""
    try:
        return (locations.HOME / FILE).read_text(encoding="utf-8").strip() or USUAL
    except OSError:
        return USUAL


def note(url: str) -> None:
    """Keep it, whole or not at all."""
    path = locations.HOME / FILE
    draft = path.with_suffix(".new")
    draft.write_text(url, encoding="utf-8")
    draft.replace(path)
