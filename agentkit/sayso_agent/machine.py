"""The one thing we say about the machine: its platform. No host name, no user name."""

import sys


def platform_name() -> str:
    """Return this machine's platform in the protocol's words."""
    if sys.platform == "darwin":
        return "macos"
    return "windows" if sys.platform in {"win32", "cygwin"} else "linux"
