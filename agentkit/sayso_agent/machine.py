"""The one thing we say about the machine, its platform, and which account of it we run as.

The account is kept here and told to nobody. No host name, no user name leaves the machine.
"""

import getpass
import os
import sys


def platform_name() -> str:
    """Return this machine's platform in the protocol's words."""
    if sys.platform == "darwin":
        return "macos"
    return "windows" if sys.platform in {"win32", "cygwin"} else "linux"


def account() -> str:
    """Return which account of this machine we run as: its number, or its name where it has none."""
    return str(os.geteuid()) if hasattr(os, "geteuid") else getpass.getuser()
