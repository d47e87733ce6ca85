"""The version of this package, and the name it gives itself to the portal."""

from typing import Final

VERSION: Final = "0.1.0"
USER_AGENT: Final = f"sayso-agent/{VERSION}"
